/*
 * The event store against its model, on disks that crash. A failure names the seed; EVENTS_SEED=… repeats one life.
 */
import { expect, test } from 'vitest'
import { crashAtEveryCall, live } from './simulation.ts'

const given = process.env.EVENTS_SEED
const lives = Number(process.env.EVENTS_LIVES ?? 25)

test('whatever crashes: nothing promised is lost, nothing refused is there, appends are whole, versions dense and reads right', async () => {
  const first = given === undefined ? 1 + Math.floor(Date.now() / 1000) % 1_000_000 : Number(given)
  const sum = { appends: 0, conflicts: 0, duplicates: 0, reads: 0, crashes: 0, failures: 0, repairs: 0 }
  for (let number = 0; number < (given === undefined ? lives : 1); number++) {
    const counts = await live(first + number).catch((error: unknown) => { throw new Error(`EVENTS_SEED=${first + number}`, { cause: error }) })
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counts[name]
  }
  if (given === undefined) for (const [name, count] of Object.entries(sum)) expect([name, count > 0]).toEqual([name, true])
}, 120_000)

test('a crash at any call to the disk leaves what was promised', async () => {
  const first = given === undefined ? 1 + Math.floor(Date.now() / 1000) % 1_000_000 : Number(given)
  let crashes = 0
  for (let number = 0; number < (given === undefined ? 4 : 1); number++) {
    const seed = first + number
    crashes += await crashAtEveryCall(seed).catch((error: unknown) => { throw new Error(`EVENTS_SEED=${seed}`, { cause: error }) })
  }
  expect(crashes).toBeGreaterThan(20)
}, 120_000)
