/** Whoever read the output may have gone, as `| head` does. That is no reason to end. */
export function surviveLostReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}
