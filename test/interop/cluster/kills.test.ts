/*
 * A real Kafka of three nodes under the load of test/cluster/chaos-load.ts, while nodes are killed and come again, copies move and leaders change.
 * `KILLS_SECONDS=300` does so for longer, `SEED=n` draws the same blows again. test/cluster/chaos.test.ts is the same over our test broker.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { findings } from '../../cluster/chaos-checks.ts'
import { ChaosLoad, heldBy } from '../../cluster/chaos-load.ts'
import { KafkaAdmin } from './kafka-admin.ts'
import { blows, shuffled } from './kafka-blows.ts'
import { KafkaNodes } from './kafka-nodes.ts'
import { heldByKafka } from './kafka-reader.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const SECONDS = Number(process.env['KILLS_SECONDS'] ?? 25)
/** What else it takes: what was begun is finished, everything is worked off and read. */
const BESIDE_MS = 240_000
/** Who is killed is missed soon. */
const SOON = 'broker.heartbeat.interval.ms=500\nbroker.session.timeout.ms=3000\n'

let folder: string
let nodes: KafkaNodes

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commitlog-kills-'))
  nodes = await KafkaNodes.start(inject('jars'), folder, SOON)
}, 300_000)

afterAll(async () => {
  await nodes?.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
})

test(`nothing that was acknowledged is lost, and nothing is there twice, while nodes are killed (SEED=${SEED})`, async () => {
  const random = seededRandom(SEED)
  const admin = new KafkaAdmin(nodes)
  const load = await ChaosLoad.start({
    brokers: nodes.bootstrap, replication: 3, requestTimeoutMs: 5000, sessionTimeoutMs: 10_000, hastyMs: 1000, patienceMs: 90_000,
  })
  try {
    const struck: string[] = []
    const until = performance.now() + SECONDS * 1000
    while (performance.now() < until) {
      for (const { name, strike } of shuffled(blows, random)) {
        await admin.inSync()
        await load.getsOn(1)
        if (performance.now() >= until) break
        console.log(`${Math.round((until - performance.now()) / 1000)} s are left: ${name}`)
        const disturb = load.disturbances[random.int(load.disturbances.length)]!
        await Promise.all([strike({ nodes, admin, load, random }), disturb(random.int(2))])
        struck.push(name)
      }
    }
    const told = await load.stop()
    const held = await heldBy(load.log)
    console.log(`SEED=${SEED}: ${struck.length} blows; ${load}; ${held.sent.length} sent, ${held.piped.length} piped, ` +
      `${held.dead.length} dead letters, ${held.mirrored.length} mirrored`)
    expect(findings(told, held), `by the door, SEED=${SEED}`).toEqual([])
    expect(findings(told, await heldByKafka(inject('jars'), nodes.bootstrap)), `by Kafka's consumer, SEED=${SEED}`).toEqual([])
  } finally {
    await load.close()
  }
}, SECONDS * 1000 + BESIDE_MS)
