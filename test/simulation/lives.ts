/*
 * Lives one life after the other from a fresh seed, or one of a given seed again, and says how many there were: what the tests of all lives
 * share. SIMULATE_SECONDS lives for so long, in place of the share of `npm test`; SEED=n lives one life again.
 */

/** What was lived. */
export interface Lived<T> {
  readonly first: number
  readonly lives: number
  readonly seconds: number
  /** What each life gave. */
  readonly results: readonly T[]
}

const SEED = process.env['SEED']
const SECONDS = process.env['SIMULATE_SECONDS']

/** How long a test must be let live. */
export function testTimeMs(shareMs: number): number {
  return (SECONDS === undefined ? shareMs : Number(SECONDS) * 1000) + 180_000
}

/**
 * Lives until the time is up, at least once.
 *
 * @param what     names the lives in what is printed
 * @param shareMs  for how long, when nobody says otherwise
 * @param longestMs  a life that takes longer is a failure
 */
export async function liveOn<T>(
  what: string, simulate: (seed: number) => Promise<T>, { shareMs, longestMs }: { readonly shareMs: number; readonly longestMs: number },
): Promise<Lived<T>> {
  const first = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED)
  const ms = SECONDS === undefined ? shareMs : Number(SECONDS) * 1000
  const started = performance.now()
  const results: T[] = []
  do results.push(await within(longestMs, simulate(first + results.length), first + results.length))
  while (SEED === undefined && performance.now() < started + ms)
  const seconds = (performance.now() - started) / 1000
  console.log(`${what}: ${results.length} lives from SEED=${first} on, ${(results.length / seconds).toFixed(1)} lives/s`)
  return { first, lives: results.length, seconds, results }
}

/** Rejects when `life` does not end in time; whatever it rejects with names the seed. */
function within<T>(ms: number, life: Promise<T>, seed: number): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error('the life does not end')), ms) })
  return Promise.race([life, late])
    .catch((cause: unknown) => { throw new Error(`SEED=${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }) })
    .finally(() => clearTimeout(timer))
}
