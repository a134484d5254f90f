/*
 * A share of hostile frames of a fresh seed, which is printed. `npm run simulate -- --lives wire` sends on for as long as asked, from one seed
 * after another; SEED=n sends those of one seed again.
 */
import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'

/** Frames of one seed. */
const FRAMES = 4000
/** Seconds of fresh seeds; without them it is one. */
const SECONDS = Number(process.env['SIMULATE_SECONDS'] ?? 0)
const SEED = process.env['SEED']

test('no frame hurts anybody but whoever sent it', async () => {
  const first = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED)
  const started = performance.now()
  const sum = { frames: 0, answered: 0, closed: 0 }
  let seed = first
  do {
    const { found, frames, answered, closed } = await fuzz(seed++, FRAMES)
    expect(found).toEqual([])
    sum.frames += frames
    sum.answered += answered
    sum.closed += closed
  } while (SEED === undefined && performance.now() < started + SECONDS * 1000)
  const rate = (sum.frames / (performance.now() - started) * 1000).toFixed(0)
  console.log(`${sum.frames} frames from SEED=${first} on: ${sum.answered} answered, ${sum.closed} connections closed, ${rate} frames/s`)
  expect(sum.answered).toBeGreaterThan(0)
}, SECONDS * 1000 + 600_000)
