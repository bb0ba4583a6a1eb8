/** Two signals within this time are one: a terminal's Ctrl-C reaches every process, and npm sends it once more. */
const sameSignalMs = 500

const codes = { SIGINT: 130, SIGTERM: 143 } as const

/** Resolves at the first SIGTERM or SIGINT; at a second one `atOnce` gets the shell's exit code for it. */
export function stopSignal(atOnce: (code: number) => void): Promise<void> {
  return new Promise(resolve => {
    let first: number | undefined
    const hear = (signal: keyof typeof codes) => {
      const now = performance.now()
      first ??= now
      if (now - first > sameSignalMs) atOnce(codes[signal])
      resolve()
    }
    process.on('SIGINT', hear)
    process.on('SIGTERM', hear)
  })
}
