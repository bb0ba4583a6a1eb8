// What a changelog says, for users: the changesets as they were written, without hashes of commits.

/** @param {{ summary: string }} changeset */
export function getReleaseLine({ summary }) {
  const [first = '', ...rest] = summary.trim().split('\n')
  return [`- ${first}`, ...rest.map(line => (line === '' ? '' : `  ${line}`))].join('\n')
}

/**
 * @param {unknown} _changesets
 * @param {readonly { name: string, newVersion: string }[]} dependencies
 */
export function getDependencyReleaseLine(_changesets, dependencies) {
  if (dependencies.length === 0) return ''
  return `- Goes with ${dependencies.map(({ name, newVersion }) => `${name} ${newVersion}`).join(', ')}.`
}
