// Looks at the site as it is built: every link within it leads to a page, and to an anchor that is there (VitePress itself
// looks at pages only), and nothing is loaded from elsewhere.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const site = join(import.meta.dirname, '.vitepress', 'dist')
const pages = new Map(
  globSync('**/*.html', { cwd: site }).map(file => [addressOf(file), readFileSync(join(site, file), 'utf8')]),
)

const problems = [...pages].flatMap(([page, html]) => [...brokenLinks(page, html), ...loads(page, html)])
for (const file of globSync('assets/**/*.{css,js}', { cwd: site }))
  problems.push(...loads(file, readFileSync(join(site, file), 'utf8')))
process.stdout.write(problems.map(problem => `PROBLEM ${problem}\n`).join(''))
process.stdout.write(`${pages.size} pages, ${problems.length} problems\n`)
process.exitCode = problems.length > 0 || pages.size === 0 ? 1 : 0

/** As links have it: without its end, and without `index`. */
function addressOf(file: string): string {
  return `/${file.replaceAll('\\', '/')}`.replace(/\.html$/, '').replace(/\/index$/, '/')
}

function brokenLinks(page: string, html: string): string[] {
  const links = [...html.matchAll(/ href="([^"]*)"/g)].map(([, href = '']) => href)
  return [...new Set(links)]
    .filter(href => /^[/#.]/.test(href) && !leads(page, href.replaceAll('&amp;', '&')))
    .map(href => `${page} has a link to ${href}, which is not there`)
}

function leads(page: string, href: string): boolean {
  const { pathname, hash } = new URL(href, `http://site${page}`)
  const path = decodeURI(pathname)
  const html = pages.get(path)
  if (html === undefined) return existsSync(join(site, path)) && !path.endsWith('/')
  const anchor = decodeURIComponent(hash.slice(1))
  return anchor === '' || html.includes(` id="${anchor}"`)
}

/** What a browser would fetch by itself, from another host. */
function loads(file: string, text: string): string[] {
  const outside = [
    /<(?:script|img|iframe|source|video|audio)\b[^>]*? src="(?:https?:)?\/\/[^"]*"/g,
    /<link\b[^>]*? href="(?:https?:)?\/\/[^"]*"/g,
    file.endsWith('.js')
      ? /\b(?:import|fetch)\(\s*["'`](?:https?:)?\/\/[^)\s]*/g
      : /(?:url\(|@import )\s*["']?(?:https?:)?\/\/[^)\s]*/g,
  ]
  return outside.flatMap(pattern => text.match(pattern) ?? []).map(found => `${file} loads ${found}`)
}
