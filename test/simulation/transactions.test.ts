/*
 * Lives of logs with transactions, a share with fresh seeds: see transactions.ts.
 */
import { expect, test } from 'vitest'
import { liveOn, testTimeMs } from './lives.ts'
import { simulate } from './transactions.ts'

const SHARE_MS = 5000

test('each transaction is there as a whole or not at all, at every moment and after every crash', async () => {
  const { lives } = await liveOn('transactions', simulate, { shareMs: SHARE_MS, longestMs: 60_000 })
  expect(lives).toBeGreaterThan(0)
}, testTimeMs(SHARE_MS))
