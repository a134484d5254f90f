/*
 * Lives of logs with groups, a share with fresh seeds: see groups.ts.
 */
import { expect, test } from 'vitest'
import { simulate } from './groups.ts'
import { liveOn, testTimeMs } from './lives.ts'

const SHARE_MS = 8000

test('nothing is lost, skipped or handled in two hands, whoever joins and leaves how, and whenever the log crashes', async () => {
  const { lives } = await liveOn('groups', simulate, { shareMs: SHARE_MS, longestMs: 60_000 })
  expect(lives).toBeGreaterThan(0)
}, testTimeMs(SHARE_MS))
