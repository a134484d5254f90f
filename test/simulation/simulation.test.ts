import { expect, test } from 'vitest'
import { simulate } from './simulate.ts'

/** A life that stands still is a failure too. */
function within<T>(ms: number, life: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error('the life stands still')), ms) })
  return Promise.race([life, late]).finally(() => clearTimeout(timer))
}

const SECONDS = Number(process.env['SIMULATE_SECONDS'] ?? 10)

test('whatever a crash leaves, nothing acknowledged is lost and nothing is invented', async () => {
  const first = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const end = performance.now() + SECONDS * 1000
  let cases = 0
  let crashes = 0
  for (let seed = first; performance.now() < end; seed++) {
    try {
      const result = await within(20_000, simulate(seed))
      crashes += result.powerCuts + result.kills
    } catch (error) {
      throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    cases++
    if (process.env['SEED'] !== undefined) break
  }
  console.log(`${cases} lives from SEED=${first}, ${crashes} crashes`)
  expect(cases).toBeGreaterThan(0)
}, SECONDS * 1000 + 60_000)
