/*
 * A share of hostile frames of a fresh seed, which is printed, and the seeds that once found something. `npm run simulate` sends on for as long
 * as asked; SEED=n sends those of one seed again.
 */
import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'

const FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 4000)
const SEED = process.env['SEED']

test('no frame hurts anybody but whoever sent it', async () => {
  const seed = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED)
  const started = performance.now()
  const { frames, answered, closed, found } = await fuzz(seed, FRAMES)
  const seconds = (performance.now() - started) / 1000
  console.log(`${frames} frames from SEED=${seed}: ${answered} answered, ${closed} connections closed, ${(frames / seconds).toFixed(0)} frames/s`)
  expect(found).toEqual([])
  expect(answered).toBeGreaterThan(0)
}, 600_000)
