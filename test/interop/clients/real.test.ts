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
import { javaClassPath, javaOptions, mustRun } from './toolchains.ts'
import { expectedSteps, saidSteps } from './transcript.ts'

let folder: string
let probe: Probe
let broker: Broker

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commitlog-real-'))
  probe = new Probe(inject('jars'), folder)
  broker = await Broker.create(probe, join(folder, 'kafka'), [], 'log.retention.ms=604800000')
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
    const clean = await mustRun('java', [...javaOptions, '-cp', await javaClassPath(inject('jars')), 'Scenarios', broker.bootstrap, 'clean'])
    expect(clean).not.toContain('failed')
    const { stdout, stderr } = await runClient(command, broker.bootstrap, client)
    for (const scenario of scenariosOf(client)) {
      expect([scenario, saidSteps(stdout, scenario)], stderr).toEqual([scenario, expectedSteps(scenario, client.differences)])
    }
  }, 900_000)
}
