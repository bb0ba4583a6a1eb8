import { cookieChecks } from './cookie-checks.ts'
import { checksMessage, doneMessage, toTask } from './examination.ts'
import { storeChecks } from './store-checks.ts'
import { fromEnvironment, fromModule } from './subject.ts'
import { urlChecks } from './url-checks.ts'

/** A process that loads a module, if there is one, and tells its parent what it finds. Argument: the task. */
const { env } = process
const { module, url: address } = toTask(process.argv[2] ?? '')
// The task is nothing to the application.
process.argv.splice(2)
process.on('disconnect', () => process.exit())
process.channel?.unref()

const url = address === undefined ? undefined : new URL(address)
const subject = await (module === undefined ? fromEnvironment(env) : fromModule(module, env))
const { opened, trustsProxy } = subject
process.send?.(checksMessage(subject.checks))
for (const { settings, store } of opened) {
  if (store !== undefined) process.send?.(checksMessage(await storeChecks(store)))
  process.send?.(checksMessage(cookieChecks(settings, trustsProxy, url)))
}
if (url !== undefined) {
  const [first] = opened
  const expected = {
    name: first?.settings.cookie.name ?? 'sid',
    isWhole: first?.store?.supports.revocation === false,
  }
  process.send?.(checksMessage(await urlChecks(url, expected)))
}
await new Promise(resolve => process.send?.(doneMessage, undefined, undefined, resolve))
await Promise.all(opened.map(({ store }) => store?.close()))
// An application may hold what keeps a process alive.
process.exit()
