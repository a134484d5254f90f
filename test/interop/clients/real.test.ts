/*
 * The judge: the same clients in the same scenarios against a real Kafka. It has to make them say what expected/ holds, or what is compared with
 * it elsewhere is compared with a mistake of ours.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { Broker } from '../broker.ts'
import { Probe } from '../probe.ts'
import { clients, runClient, scenariosOf } from './clients.ts'
import { expectedSteps, saidSteps } from './transcript.ts'

/** Members of groups of the newer protocol ask what is new once in five seconds by default. */
const settings = `
log.retention.ms=604800000
group.consumer.heartbeat.interval.ms=500
group.consumer.min.heartbeat.interval.ms=500`

let folder: string
let probe: Probe
let broker: Broker

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commitlog-real-'))
  probe = await Probe.start(inject('jars'), folder)
  broker = await Broker.create(probe, join(folder, 'kafka'), [], settings)
  await broker.start()
}, 300_000)

afterAll(async () => {
  await probe?.close()
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
})

// @platformatic/kafka does not try again what a real broker refuses for a moment, CONCURRENT_TRANSACTIONS for one: it passes by chance.
const patient = clients.filter(({ name }) => name !== '@platformatic/kafka')

for (const client of patient) {
  test(client.name, async () => {
    const command = await client.prepare(inject('jars'))
    await broker.clean()
    const { stdout, stderr } = await runClient(command, broker.bootstrap, client)
    for (const scenario of scenariosOf(client)) {
      expect([scenario, saidSteps(stdout, scenario)], stderr).toEqual([scenario, expectedSteps(scenario, client.differences)])
    }
  }, 900_000)
}
