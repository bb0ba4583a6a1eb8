/** Runs `work` so often, so many at a time. */
export async function times(
  count: number,
  width: number,
  work: (at: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: width }, lane))
}

/** Milliseconds that each of so many runs took, one after the other, in order of length. */
export async function timesOf(count: number, work: (at: number) => Promise<unknown>): Promise<Float64Array> {
  const took = new Float64Array(count)
  for (let at = 0; at < count; at++) {
    const begun = performance.now()
    await work(at)
    took[at] = performance.now() - begun
  }
  return took.sort()
}

export function quantile(sorted: Float64Array, q: number): string {
  return `${Math.round((sorted[Math.floor(sorted.length * q)] ?? 0) * 1000)} µs`
}

export function row(...cells: readonly (string | number)[]): void {
  const shown = cells.map(cell => (typeof cell === 'number' ? cell.toLocaleString('en') : cell))
  process.stdout.write(`| ${shown.join(' | ')} |\n`)
}
