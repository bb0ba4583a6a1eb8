import { extname, join } from 'node:path'

/** The file behind the command `sojourn`: run it with `process.execPath`, where npx and a PATH are of no help. */
export const commandFile: string = join(import.meta.dirname, `sojourn${extname(import.meta.filename)}`)
