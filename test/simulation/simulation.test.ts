/*
 * A share of simulated lives of fresh seeds, which are printed, and those seeds that once found something. `npm run simulate` lives on for as
 * long as asked; SEED=n lives that one life again.
 */
import { expect, test } from 'vitest'
import { History } from './history.ts'
import { keptSeeds } from './kept-seeds.ts'
import { liveOn, testTimeMs } from './lives.ts'
import { simulate, simulateAndTell } from './simulate.ts'

/** Fresh lives in `npm test`. */
const SHARE_MS = 10_000

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

test.for(keptSeeds)('the life that found this goes well: $found', { timeout: 3 * LONGEST_LIFE_MS }, async ({ seeds }) => {
  for (const seed of seeds) await simulateAndTell(seed)
})

test('whatever a crash leaves, nothing acknowledged is lost and nothing is invented', async () => {
  const { first, results } = await liveOn('the log', simulateAndTell, { shareMs: SHARE_MS, longestMs: LONGEST_LIFE_MS })
  const crashes = results.reduce((sum, { powerCuts, kills }) => sum + powerCuts + kills, 0)
  if (process.env['SEED'] === undefined) expect(crashes, `SEED=${first}`).toBeGreaterThan(0)
}, testTimeMs(SHARE_MS))
