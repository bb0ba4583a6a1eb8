/** How long requests that run may go on when a worker stops. */
export const answerLimitMs = 30_000

/** How long a worker may take in all, to close its stores too, before the primary ends it. */
export const workerLimitMs = 35_000
