import { SessionError, unavailable } from './errors.ts'

/** The largest delay of a Node timer; a larger one would be none at all. */
export const longestTimer: number = 2 ** 31 - 1

/**
 * What a store's `work` resolves to, or ERR_SESSION_STORE_UNAVAILABLE if it rejects or takes longer than `timeout`
 * ms. The work itself can't be taken back: it may still be done later, once.
 */
export function withDeadline<T>(work: Promise<T>, timeout: number): Promise<T> {
  return settleWithin(work, timeout, tooSlow, unavailable)
}

/**
 * What `work` settles to, or a rejection with what `late` makes if that takes longer than `timeout` ms. `ended` is called when
 * the work settles, in time or not.
 */
export function settleWithin<T>(
  work: Promise<T>,
  timeout: number,
  late: (timeout: number) => unknown,
  failed: (error: unknown) => unknown = error => error,
  ended: () => void = () => undefined,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late(timeout)), Math.min(timeout, longestTimer))
    work.then(
      value => {
        clearTimeout(timer)
        ended()
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        ended()
        reject(failed(error))
      },
    )
  })
}

/** A store that throws, instead of rejecting, fails as any other does; one that answers no promise is done at once. */
export function settled<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return Promise.resolve(ask())
  } catch (error) {
    return Promise.reject(error)
  }
}

export function tooSlow(): SessionError {
  return new SessionError(
    'ERR_SESSION_STORE_UNAVAILABLE',
    'The session store did not answer within storeTimeout. Check that it is up and not overloaded.',
    { status: 503, reason: 'timeout' },
  )
}
