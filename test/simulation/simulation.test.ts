/*
 * A share of simulated lives of fresh seeds, which are printed, and those seeds that once found something. `npm run simulate` lives on for as
 * long as asked; SEED=n lives that one life again.
 */
import { expect, test } from 'vitest'
import { History } from './history.ts'
import { keptSeeds } from './kept-seeds.ts'
import { simulate, simulateAndTell } from './simulate.ts'

/** Seconds of fresh lives. */
const SECONDS = Number(process.env['SIMULATE_SECONDS'] ?? 10)
const SEED = process.env['SEED']

/** No life takes a hundredth of it: one that does not end is a failure too. */
const LONGEST_LIFE_MS = 20_000

test('the same seed is the same life, call by call', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const [first, second] = [new History(), new History()]
    await simulate(seed, { history: first })
    await simulate(seed, { history: second })
    expect(second.lines).toEqual(first.lines)
    expect(first.lines.length).toBeGreaterThan(20)
  }
})

test.for(keptSeeds)('the life that found this goes well: $found', async ({ seeds }) => {
  for (const seed of seeds) await within(LONGEST_LIFE_MS, simulateAndTell(seed))
})

test('whatever a crash leaves, nothing acknowledged is lost and nothing is invented', async () => {
  const first = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED)
  const started = performance.now()
  let lives = 0
  let crashes = 0
  do {
    const { powerCuts, kills } = await within(LONGEST_LIFE_MS, simulateAndTell(first + lives++))
    crashes += powerCuts + kills
  } while (SEED === undefined && performance.now() < started + SECONDS * 1000)
  const seconds = (performance.now() - started) / 1000
  console.log(`${lives} lives from SEED=${first} on, ${crashes} crashes, ${(lives / seconds).toFixed(0)} lives/s`)
  if (SEED === undefined) expect(crashes).toBeGreaterThan(0)
}, SECONDS * 1000 + 180_000)

/** Rejects when `life` does not end in time. */
function within<T>(ms: number, life: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error('the life does not end')), ms) })
  return Promise.race([life, late]).finally(() => clearTimeout(timer))
}
