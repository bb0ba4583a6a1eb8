/** Whoever read the output may have gone, as `| head` and a terminal do. That is no reason to end. */
export function surviveLostReaders(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
    })
}
