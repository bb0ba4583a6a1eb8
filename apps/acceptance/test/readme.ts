import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { runtimeEnvironment, start } from './application.ts'
import { newcomersEnvironment } from './tarballs.ts'

const run = promisify(execFile)
export const fence = /^```(\w*)\n(.*?)^```$/gms

/**
 * Does in an empty folder what a README, or a page, says, from its top to its bottom: runs its commands, writes the files
 * whose name a program has as its first comment, serves by one program at a time, and expects of a command what the comment behind it, or the lines below it, say.
 *
 * @param instead of what the README says for everybody, such as an address, what it is here
 */
export async function follow(text: string, folder: string, instead: Record<string, string>): Promise<void> {
  // npm finds a machine's settings, such as whom to trust, beside the Node that runs it, and here that is another one.
  const asked = ['config', 'get', 'globalconfig']
  const { stdout: settings } = await run('npm', asked, { cwd: folder, env: newcomersEnvironment() })
  const env = { ...runtimeEnvironment(), npm_config_globalconfig: settings.trim() }
  let stop = async () => {}
  let url = ''
  const here = (command: string) =>
    Object.entries(instead).reduce((line, [said, is]) => line.replaceAll(said, is), command)
  const perform = async (command: string) => {
    if (command.endsWith('&')) {
      // A signal to npx would not reach what it runs.
      const server = here(command.slice(0, -1)).replace('npx ', 'node_modules/.bin/')
      await stop()
      ;({ url, stop } = await start(folder, ['bash', '-c', server]))
      return ''
    }
    const line = here(command).replace('localhost:3000', url.replace('http://', ''))
    const running = run('bash', ['-c', line], { cwd: folder, env })
    const { stdout } = await running.catch(({ stdout, stderr }) => {
      throw new Error(`${command}\n${stdout}${stderr}`)
    })
    return stdout.trim()
  }
  try {
    for (const [, language, block = ''] of text.matchAll(fence)) {
      const file = /^\/\/ (\S+\.mjs)$/m.exec(block)?.[1]
      if (file !== undefined) await writeFile(join(folder, file), block)
      else if (language === 'console') {
        for (const [, command = ''] of block.matchAll(/^\$ (.*)$/gm)) await perform(command)
      } else if (language === 'sh') {
        for (const line of block.trim().split('\n')) {
          const [command = '', expected] = line.split(/ +# /)
          const output = await perform(command)
          if (expected !== undefined) expect(output).toBe(expected)
        }
      }
    }
  } finally {
    await stop()
  }
}
