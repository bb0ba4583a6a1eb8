import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import footnote from 'markdown-it-footnote'
import { type DefaultTheme, defineConfig } from 'vitepress'
import { inlinePictures } from './inline-pictures.ts'
import { repository, repositoryLinks } from './repository-links.ts'

const docs = join(import.meta.dirname, '..')

export default defineConfig({
  title: 'Sojourn',
  description: 'The session layer for Node web servers that run more than one process',
  // Included in other pages: by itself each would be there twice.
  srcExclude: ['benchmarks/!(index).md'],
  cleanUrls: true,
  metaChunk: true,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: {
    // What was drawn and what was written for the repository are shown here as they are.
    config: md => md.use(footnote).use(inlinePictures).use(repositoryLinks),
    theme: { light: 'github-light-high-contrast', dark: 'github-dark' },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Quick start', link: '/start/express' },
      { text: 'Migrating', link: '/migrating/express-session' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
      { text: 'API', link: '/api/' },
      { text: 'GitHub', link: repository },
    ],
    sidebar: [
      {
        text: 'Start',
        items: [
          { text: 'The problem in pictures', link: '/problem' },
          { text: 'Express', link: '/start/express' },
          { text: 'Koa', link: '/start/koa' },
        ],
      },
      {
        text: 'Stores',
        items: [
          { text: 'Choosing a store', link: '/stores/' },
          { text: 'Filesystem', link: '/stores/filesystem' },
          { text: 'Redis', link: '/stores/redis' },
          { text: 'Cookie', link: '/stores/cookie' },
          { text: 'Keyv adapters', link: '/stores/keyv' },
          { text: 'Writing a store', link: '/stores/writing' },
        ],
      },
      {
        text: 'Use',
        items: [
          { text: 'The session', link: '/session' },
          { text: 'Settings', link: '/settings' },
          { text: 'Operating', link: '/operating' },
          { text: 'Many processes', link: '/processes' },
          { text: 'The command sojourn', link: '/cli' },
          { text: 'Troubleshooting', link: '/troubleshooting' },
        ],
      },
      {
        text: 'Migrating from',
        items: [
          { text: 'express-session', link: '/migrating/express-session' },
          { text: '... and its sessions', link: '/migrating/taking-over' },
          { text: 'koa-session', link: '/migrating/koa-session' },
          { text: 'cookie-session', link: '/migrating/cookie-session' },
          { text: 'iron-session', link: '/migrating/iron-session' },
        ],
      },
      {
        text: 'What is promised',
        items: [
          { text: 'The contract', link: '/contract' },
          { text: 'Security', link: '/security' },
          { text: 'Benchmarks', link: '/benchmarks/' },
        ],
      },
      { text: 'Decisions', collapsed: true, items: decisions() },
      { text: 'API reference', collapsed: true, link: '/api/', items: reference() },
    ],
  },
})

/** One page each, by its heading. */
function decisions(): DefaultTheme.SidebarItem[] {
  return readdirSync(join(docs, 'decisions')).map(file => {
    const [heading = file] = readFileSync(join(docs, 'decisions', file), 'utf8').split('\n')
    return { text: heading.replace(/^# /, ''), link: `/decisions/${file.replace('.md', '')}` }
  })
}

/** As TypeDoc left it: `pnpm api` makes it. */
function reference(): DefaultTheme.SidebarItem[] {
  return JSON.parse(readFileSync(join(docs, 'api', 'typedoc-sidebar.json'), 'utf8'))
}
