/*
 * Lives of compacted logs, a share with fresh seeds: see compacting.ts.
 */
import { expect, test } from 'vitest'
import { simulate } from './compacting.ts'
import { liveOn, testTimeMs } from './lives.ts'

const SHARE_MS = 4000

/** Lives that found something that was wrong: see kept-seeds.ts. */
const keptSeeds = [
  { found: 'a segment that was cleaned away came back: a sync of its name failed, and the next one was believed', seeds: [1059191813] },
]

test('readers of a compacted log get what a naive model keeps, whatever fails and whenever it crashes', async () => {
  const { lives } = await liveOn('compaction', simulate, { shareMs: SHARE_MS, longestMs: 60_000 })
  expect(lives).toBeGreaterThan(0)
}, testTimeMs(SHARE_MS))

test.for(keptSeeds)('the life that found this goes well: $found', async ({ seeds }) => {
  for (const seed of seeds) await simulate(seed)
})
