import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fence } from './readme.ts'

const docs = join(import.meta.dirname, '..', '..', '..', 'docs')
const include = /<!--@include: (\S+?)(?:#(\S+))?-->/g

export interface Block {
  readonly language: string
  readonly code: string
}

/** A page of the documentation site. */
export interface Page {
  readonly name: string
  readonly text: string
  /** What is written here, and not included from elsewhere. */
  readonly own: readonly Block[]
}

/** All that are written by hand. */
export const pages: readonly Page[] = globSync('**/*.md', {
  cwd: docs,
  exclude: ['node_modules', 'api', '.vitepress'],
}).map(pageOf)

/** Its parts of programs are tested with theirs. */
export const readme: Page = pageOf('../README.md')

function pageOf(name: string): Page {
  const text = readFileSync(join(docs, name), 'utf8')
  return { name, text, own: blocksIn(text) }
}

export function blocksIn(text: string): Block[] {
  return [...text.matchAll(fence)].map(([, language = '', code = '']) => ({ language, code }))
}

/** The page with what it includes, as VitePress does it, which leaves out in silence what is not there. */
export function expand({ name, text }: Page): string {
  return text.replace(include, (directive, path: string, region: string | undefined) => {
    const included = readFileSync(join(docs, dirname(name), path), 'utf8')
    if (region === undefined) return included
    const [, between] = included.split(new RegExp(`^<!-- #(?:end)?region ${region} -->$`, 'm'))
    if (between === undefined) throw new Error(`${name} includes what is not there: ${directive}`)
    return between
  })
}
