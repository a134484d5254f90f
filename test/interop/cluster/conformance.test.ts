/*
 * What a log has to do wherever it lives, on a real Kafka of three brokers: the same cases that run over memory, a folder and our listener. Then
 * a service that moves there.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connect } from '../../../src/cluster/connect.ts'
import { mirror } from '../../../src/cluster/mirror/mirror.ts'
import { type LogUnderTest } from '../../../src/testing/portable-conformance/log-under-test.ts'
import { portableConformance } from '../../../src/testing/portable-conformance/portable-conformance.ts'
import { string } from '../../../src/topics/codecs.ts'
import { CommitLog } from '../../../src/topics/commit-log.ts'
import { type PortableLog } from '../../../src/topics/contract.ts'
import { defineTopic } from '../../../src/topics/define-topic.ts'
import { KafkaNodes } from './kafka-nodes.ts'

let folder: string
let kafka: KafkaNodes

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commitlog-cluster-'))
  kafka = await KafkaNodes.start(inject('jars'), folder)
}, 300_000)

afterAll(async () => {
  await kafka?.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
})

async function open(): Promise<LogUnderTest> {
  const another = () => connect({ brokers: kafka.bootstrap })
  const log = await another()
  return { log, another, close: () => log.close() }
}

portableConformance({ test: (name, run) => test(`Kafka: ${name}`, run), open })

test('a service moves from a folder to Kafka while it works, and every record is handled once', async () => {
  const Words = defineTopic('moving-words', { partitions: 3, value: string })
  const numbers = (count: number, from: number): string[] => Array.from({ length: count }, (_, index) => `n${from + index}`)
  const [local, cluster] = [await CommitLog.open(join(folder, 'log')), await connect({ brokers: kafka.bootstrap })]
  await local.topic(Words)
  const handled: string[] = []
  let sent = 0
  const produce = async (log: PortableLog, until: () => boolean): Promise<void> => {
    const words = await log.topic(Words)
    while (!until()) await words.send(numbers(10, (sent += 10) - 10).map((value) => ({ key: value, value })))
  }
  const work = async (log: PortableLog, signal: AbortSignal): Promise<void> => {
    await (await log.topic(Words)).consume({ group: 'moving-workers', order: 'key', signal }, ({ value }) => void handled.push(value!)).done
  }
  const [first, second] = [new AbortController(), new AbortController()]
  let moving = false
  const mirroring = await mirror(local, cluster, { topics: [Words], groups: ['moving-workers'], groupIntervalMs: 50 })
  const before = Promise.all([produce(local, () => moving), work(local, first.signal)])
  while (handled.length < 2000) await new Promise(setImmediate)
  moving = true
  first.abort()
  await before
  await mirroring.caughtUp()
  await mirroring.stop()
  const last = sent + 1000
  const after = Promise.all([produce(cluster, () => sent >= last), work(cluster, second.signal)])
  while (handled.length < last) await new Promise(setImmediate)
  second.abort()
  await after
  expect([...handled].sort()).toEqual(numbers(sent, 0).sort())
  await Promise.all([local.close(), cluster.close()])
})
