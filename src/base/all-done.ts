/*
 * Waiting for work that runs side by side, none of which may be left running when the first of it fails.
 */

/** Waits for all, however they end, and then throws the first failure. */
export async function allDone(jobs: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(jobs)) if (result.status === 'rejected') throw result.reason
}
