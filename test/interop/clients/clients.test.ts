/*
 * Real clients in six languages against `listen` over a log on disk: each runs the scenarios of expected/ in a program of its own, and what it
 * says is compared with what a real Kafka makes it say. The stored batches are looked at as well.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { CommitLog } from '../../../src/index.ts'
import { type KafkaListener, listen } from '../../../src/kafka/index.ts'
import { type Ran } from '../processes.ts'
import { clients, runClient, scenariosOf } from './clients.ts'
import { batchesOf, codecsOf } from './stored.ts'
import { expectedSteps, saidSteps } from './transcript.ts'

const INSTALL_MS = 900_000

for (const client of clients) describe(client.name, () => {
  let folder: string
  let log: CommitLog
  let listener: KafkaListener
  let ran: Ran
  const complaints: string[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'commitlog-clients-'))
    log = await CommitLog.open(folder)
    const command = await client.prepare(inject('jars'))
    listener = await listen(log, {
      // As in real.test.ts.
      groupConsumerHeartbeatIntervalMs: 500,
      onEvent: (event) => { if (!['connected', 'disconnected'].includes(event.type)) complaints.push(JSON.stringify(event)) },
    })
    ran = await runClient(command, listener.bootstrap, client)
    await listener.close()
    await log.close()
  }, INSTALL_MS)

  afterAll(async () => {
    await listener?.close()
    await log?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(scenariosOf(client))('%s', (scenario) => {
    expect(saidSteps(ran.stdout, scenario)).toEqual(expectedSteps(scenario, client.differences))
  })

  test('ends well, and is cause for no complaint', () => {
    expect({ code: ran.code, complaints }, ran.stderr).toEqual({ code: 0, complaints: [] })
  })

  test.runIf(scenariosOf(client).includes('codecs'))('has its batches stored with the codecs that it chose', () => {
    expect(codecsOf(join(folder, 'codecs-0'))).toEqual({ none: 10, gzip: 10, snappy: 10, lz4: 10, zstd: 10 })
  })

  test.runIf(scenariosOf(client).includes('idempotence'))('has its sequence numbers stored', () => {
    const batches = batchesOf(join(folder, 'idempotence-0'))
    expect(new Set(batches.map(({ producerId }) => producerId)).size).toBe(1)
    expect(batches[0]!.producerId).toBeGreaterThanOrEqual(0n)
    expect(batches.map(({ baseSequence }) => baseSequence)).toEqual(batches.map(({ baseOffset }) => baseOffset))
  })
})
