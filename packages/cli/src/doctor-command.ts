import type { Environment } from '@sojourn/core'
import { Command, InvalidArgumentError } from 'commander'
import { type Check, exitCode, failure } from './doctor/check.ts'
import { cookieChecks } from './doctor/cookie-checks.ts'
import { asJson, printed } from './doctor/print.ts'
import { storeChecks } from './doctor/store-checks.ts'
import { fromEnvironment, fromModule } from './doctor/subject.ts'
import { urlChecks } from './doctor/url-checks.ts'
import { moduleUrl } from './module-url.ts'

interface Flags {
  readonly url?: URL
  readonly json?: boolean
}

const description = `Checks secret, store and cookie as an application in this environment and folder has them, and says what to do.

Exit code: 0 if all is well, 1 with warnings, 2 with failures.`

/** Of a command line that can't be understood too: 1 would be a warning. */
const usageError = 2

/** `sojourn doctor [module]`. */
export function doctorCommand(env: Environment): Command {
  return new Command('doctor')
    .summary('check secret, store and cookie, and say what to do')
    .description(description)
    .argument('[module]', "the application's, for settings that it makes in code")
    .option('-u, --url <url>', 'visit the running application too; signs nobody in', toUrl)
    .option('--json', 'for programs')
    .exitOverride(({ exitCode: code }) => process.exit(code === 0 ? 0 : usageError))
    .action(async (module: string | undefined, { url, json = false }: Flags) => {
      const say = takeOutput()
      const tell = (checks: readonly Check[]) => say(`${json ? asJson(checks) : printed(checks)}\n`)
      const early = () => {
        tell([endedEarly])
        process.exitCode = exitCode([endedEarly])
      }
      process.once('exit', early)
      const subject = await (module === undefined ? fromEnvironment(env) : fromModule(moduleUrl(module), env))
      const { opened, trustsProxy } = subject
      const checks = [...subject.checks]
      for (const { settings, store } of opened) {
        if (store !== undefined) checks.push(...(await storeChecks(store)))
        checks.push(...cookieChecks(settings, trustsProxy, url))
      }
      if (url !== undefined) {
        const [first] = opened
        const isWhole = first?.store?.supports.revocation === false
        checks.push(...(await urlChecks(url, { name: first?.settings.cookie.name ?? 'sid', isWhole })))
      }
      process.off('exit', early)
      // Several sessions have some things in common.
      const distinct = [...new Map(checks.map(check => [JSON.stringify(check), check])).values()]
      tell(distinct)
      await subject.close()
      // An application may hold what keeps a process alive.
      process.exit(exitCode(distinct))
    })
}

const endedEarly = failure('module', 'it ended the process while it was loaded', 'See what it says.')

/** What an application prints meanwhile goes to stderr: stdout is for what the returned function is told. */
function takeOutput(): (text: string) => void {
  const { stdout, stderr } = process
  const write = stdout.write.bind(stdout)
  stdout.write = stderr.write.bind(stderr)
  return text => void write(text)
}

function toUrl(text: string): URL {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text)
  throw new InvalidArgumentError('It must be like http://localhost:3000/ or https://example.com/.')
}
