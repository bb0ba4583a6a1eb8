export { commandFile } from './command-file.ts'
