/*
 * Lives of logs with transactions, a share with fresh seeds: see transactions.ts. LIVES=n lives so many; SEED=n repeats one.
 */
import { expect, test } from 'vitest'
import { simulate } from './transactions.ts'

const SEED = process.env['SEED']
const LIVES = Number(process.env['LIVES'] ?? 60)

test('each transaction is there as a whole or not at all, at every moment and after every crash', async () => {
  const first = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED)
  for (let life = 0; life < (SEED === undefined ? LIVES : 1); life++) await simulate(first + life)
  expect(LIVES).toBeGreaterThan(0)
}, LIVES * 2000 + 10_000)
