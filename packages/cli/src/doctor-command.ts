import { Command, InvalidArgumentError } from 'commander'
import { exitCode } from './doctor/check.ts'
import { examination } from './doctor/examination.ts'
import { asJson, printed } from './doctor/print.ts'
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
export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('check secret, store and cookie, and say what to do')
    .description(description)
    .argument('[module]', "the application's, for settings that it makes in code")
    .option('-u, --url <url>', 'visit the running application too; signs nobody in', toUrl)
    .option('--json', 'for programs')
    .exitOverride(({ exitCode: code }) => process.exit(code === 0 ? 0 : usageError))
    .action(async (module: string | undefined, { url, json = false }: Flags) => {
      const checks = await examination({ module: module && moduleUrl(module), url: url?.href })
      process.stdout.write(`${json ? asJson(checks) : printed(checks)}\n`)
      process.exitCode = exitCode(checks)
    })
}

function toUrl(text: string): URL {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text)
  throw new InvalidArgumentError('It must be like http://localhost:3000/ or https://example.com/.')
}
