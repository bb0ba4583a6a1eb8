import { readFile } from 'node:fs/promises'

/** README's statement that removes what expired from this database. */
export async function removalFor(database: 'SQLite' | 'PostgreSQL'): Promise<string> {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const [, statement] = new RegExp(`^(DELETE .*;) +-- ${database}$`, 'm').exec(readme) ?? []
  if (statement === undefined) throw new Error(`README has no statement for ${database}`)
  return statement
}
