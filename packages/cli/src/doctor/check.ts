/** One line of what the doctor says. */
export interface Check {
  /** What was looked at, in a word or two. */
  readonly name: string
  readonly status: 'ok' | 'warning' | 'failure'
  /** What was found. No secret, id or session content. */
  readonly found: string
  /** What to do about it. */
  readonly remedy?: string
}

export function ok(name: string, found: string): Check {
  return { name, status: 'ok', found }
}

export function warning(name: string, found: string, remedy?: string): Check {
  return { name, status: 'warning', found, ...(remedy !== undefined && { remedy }) }
}

export function failure(name: string, found: string, remedy?: string): Check {
  return { name, status: 'failure', found, ...(remedy !== undefined && { remedy }) }
}

/** 0: all is well, 1: there are warnings, 2: there are failures. */
export function exitCode(checks: readonly Check[]): number {
  if (checks.some(({ status }) => status === 'failure')) return 2
  return checks.some(({ status }) => status === 'warning') ? 1 : 0
}

/** What an error says, and what it says to do: Sojourn's own have that in sentences of its own. */
export function fromError(name: string, text: string): Check {
  const [, found = text, remedy] = /^(.+?[.!?])\s+(?=\p{Lu})(.+)$/su.exec(text) ?? []
  return failure(name, found, remedy)
}

/** A store's warning: `what is wrong: what to do`. */
export function fromWarning(name: string, text: string): Check {
  const [, found = text, remedy] = /^(.+): (.+?)$/s.exec(text) ?? []
  return warning(name, found, remedy)
}
