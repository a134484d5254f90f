/*
 * Lives of logs with groups, a share with fresh seeds: see groups.ts. LIVES=n lives so many; SEED=n repeats one.
 */
import { expect, test } from 'vitest'
import { simulate } from './groups.ts'

const SEED = process.env['SEED']
const LIVES = Number(process.env['LIVES'] ?? 30)

test('nothing is lost, skipped or handled in two hands, whoever joins and leaves how, and whenever the log crashes', async () => {
  const first = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED)
  for (let life = 0; life < (SEED === undefined ? LIVES : 1); life++) await simulate(first + life)
  expect(LIVES).toBeGreaterThan(0)
}, LIVES * 2000 + 10_000)
