/*
 * A cluster of three that misbehaves in every way that our test broker knows, under the load of chaos-load.ts. test/interop/cluster/kills.test.ts
 * is the same over a real Kafka. `SEED=n` draws the same faults again.
 */
import { expect, test } from 'vitest'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { findings } from './chaos-checks.ts'
import { misbehaviours } from './chaos-faults.ts'
import { ChaosLoad, heldBy } from './chaos-load.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** How much every part gets done between two. */
const BETWEEN = 1

test(`what is acknowledged is stored once while brokers go, leaders move and answers are lost (SEED=${SEED})`, async () => {
  const random = seededRandom(SEED)
  const kafka = await startTestBroker({ brokers: 3, seed: SEED, failOnUnfiredFaults: false })
  let load: ChaosLoad | undefined
  try {
    load = await ChaosLoad.start({ brokers: kafka.bootstrap, requestTimeoutMs: 500, hastyMs: 300, patienceMs: 60_000 })
    const disturbances = shuffled(load.disturbances, random)
    for (const { total, begin } of shuffled(misbehaviours, random)) {
      await load.getsOn(BETWEEN)
      const end = await begin(kafka, random)
      if (total === true) await load.feelsOutage()
      else await Promise.all([disturbances.pop()?.(random.int(2)), load.getsOn(BETWEEN)])
      await end()
    }
    const told = await load.stop()
    expect(findings(told, await heldBy(load.log)), `by the door, SEED=${SEED}: ${load}`).toEqual([])
    expect(findings(told, await heldBy(kafka.log)), `by the log behind the listener, SEED=${SEED}: ${load}`).toEqual([])
  } finally {
    await load?.close()
    await kafka.close()
  }
}, 180_000)

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list.map((one) => ({ one, at: random.next() })).sort((a, b) => a.at - b.at).map(({ one }) => one)
}
