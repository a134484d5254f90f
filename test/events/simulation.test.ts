/*
 * The event store against its model, on disks that crash: a share of lives with fresh seeds, see simulation.ts and ../simulation/lives.ts.
 */
import { expect, test } from 'vitest'
import { liveOn, testTimeMs } from '../simulation/lives.ts'
import { crashAtEveryCall, live } from './simulation.ts'

const SHARE_MS = 6000
const CRASHES_MS = 3000
/** So many lives meet everything that can happen. */
const ENOUGH_LIVES = 25

test('whatever crashes: nothing promised is lost, nothing refused is there, appends are whole, versions dense and reads right', async () => {
  const { results } = await liveOn('events', live, { shareMs: SHARE_MS, longestMs: 60_000 })
  const sum = { appends: 0, conflicts: 0, duplicates: 0, reads: 0, crashes: 0, failures: 0, repairs: 0 }
  for (const counts of results) for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counts[name]
  if (results.length >= ENOUGH_LIVES) for (const [name, count] of Object.entries(sum)) expect([name, count > 0]).toEqual([name, true])
}, testTimeMs(SHARE_MS))

test('a crash at any call to the disk leaves what was promised', async () => {
  const { results, lives } = await liveOn('events that crash at each call', crashAtEveryCall, { shareMs: CRASHES_MS, longestMs: 120_000 })
  expect(results.reduce((sum, crashes) => sum + crashes, 0)).toBeGreaterThan(5 * lives)
}, testTimeMs(CRASHES_MS))
