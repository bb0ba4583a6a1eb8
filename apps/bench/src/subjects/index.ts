import { expressSubjects } from './express.ts'
import { httpSubjects } from './http.ts'
import { koaSubjects } from './koa.ts'
import type { Subject } from './subject.ts'

export const subjects: readonly Subject[] = [...expressSubjects, ...koaSubjects, ...httpSubjects]

/** A subject's name for files, keys and command lines. */
export function idOf({ framework, store, kind }: Subject): string {
  return [framework, store, kind].join('-').replaceAll(' ', '-')
}
