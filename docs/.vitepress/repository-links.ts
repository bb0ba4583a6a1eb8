import { existsSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import type { MarkdownRenderer } from 'vitepress'

export const repository = 'https://github.com/sojourn-js/sojourn'

const docs = resolve(import.meta.dirname, '..')
const root = dirname(docs)

/** What pages of this site include whole. */
const pages: Readonly<Record<string, string>> = {
  'README.md': '/',
  'README.md#settings': '/settings',
  'ARCHITECTURE.md': '/contract',
  'SECURITY.md': '/security',
  'packages/cli': '/processes',
  'packages/cookie': '/stores/cookie',
  'packages/express': '/start/express',
  'packages/express-session': '/migrating/taking-over',
  'packages/filesystem': '/stores/filesystem',
  'packages/keyv': '/stores/keyv',
  'packages/koa': '/start/koa',
  'packages/redis': '/stores/redis',
}

/** Lets links between files of the repository lead to this site's pages, or to the repository where there is none. */
export function repositoryLinks(md: MarkdownRenderer): void {
  md.core.ruler.push('repository-links', ({ tokens, env }) => {
    for (const { children } of tokens) {
      for (const token of children ?? []) {
        const href = token.type === 'link_open' ? token.attrGet('href') : null
        if (href !== null && /^[\w.]/.test(href) && !/^\w+:/.test(href))
          token.attrSet('href', target(href, env.path))
      }
    }
  })
}

/** @param page the file that has the link, or includes what has it */
function target(href: string, page: string): string {
  const [path = '', anchor] = href.split('#')
  // What is included was written for the root of the repository.
  for (const base of [dirname(page), root]) {
    const file = resolve(base, path)
    if (!existsSync(file) && !existsSync(`${file}.md`)) continue
    const fromRoot = relative(root, file)
    const benchmark = /^docs\/benchmarks\/(?!index)([\w-]+)\.md$/.exec(fromRoot)?.[1]
    if (benchmark) return `/benchmarks/#${benchmark}`
    if (fromRoot.startsWith('docs/')) return hrefOf(`/${relative(docs, file)}`, anchor)
    const section = pages[`${fromRoot}#${anchor}`]
    if (section) return section
    const own = pages[fromRoot]
    return own ? hrefOf(own, anchor) : hrefOf(`${repository}/blob/main/${fromRoot}`, anchor)
  }
  return href
}

function hrefOf(path: string, anchor: string | undefined): string {
  return anchor === undefined ? path : `${path}#${anchor}`
}
