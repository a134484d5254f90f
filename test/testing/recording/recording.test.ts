/*
 * Sessions that are recorded and played again: at a broker like the first, at one that answers otherwise, and in front of a cluster.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { encodeBatch } from '../../../src/format/batch.ts'
import { deleteTopics } from '../../../src/kafka/apis/20-delete-topics.ts'
import { encodeSideFile } from '../../../src/format/side-file.ts'
import { Recording, replay, startRecordedBroker, startRecordingProxy, type TestBroker } from '../../../src/testing/index.ts'
import { answerDifference } from '../../../src/testing/recording/differences.ts'
import { RawClient } from '../../kafka/harness.ts'
import { startBroker } from '../broker/harness.ts'

const temporary = mkdtempSync(join(tmpdir(), 'commitlog-recording-'))
afterAll(() => rmSync(temporary, { recursive: true }))

/** A session of a client of kafkajs: topics, an idempotent producer, a group. */
async function session(brokers: readonly string[], extra: object = {}): Promise<string[]> {
  const kafka = new Kafka({ clientId: 'billing', brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 20 }, ...extra })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 2 }] })
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  for (const id of ['o-1', 'o-2', 'o-3']) await producer.send({ topic: 'orders', messages: [{ key: id, value: `value of ${id}` }] })
  const consumer = kafka.consumer({ groupId: 'billing', maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
  const seen: string[] = []
  await new Promise<void>((resolve, reject) => {
    consumer.run({
      eachMessage: async ({ message }) => {
        seen.push(String(message.key))
        if (seen.length === 3) resolve()
      },
    }).catch(reject)
  })
  await consumer.disconnect()
  await producer.disconnect()
  await admin.disconnect()
  return seen.sort()
}

async function recorded(kafka: TestBroker): Promise<Recording> {
  const recorder = kafka.record()
  expect(await session(kafka.bootstrap.split(','))).toEqual(['o-1', 'o-2', 'o-3'])
  return recorder.stop()
}

test('a session that was recorded is answered alike by a broker with other ids', async () => {
  const recording = await recorded(await startBroker({ seed: 1 }))
  const report = await replay(recording, await startBroker({ seed: 2 }))
  expect(report).toMatchObject({ requests: recording.requests, skipped: 0, differences: [] })
  expect(report.compared).toBeGreaterThan(20)
})

test('a session is replayed over TCP, and at virtual time', async () => {
  const recording = await recorded(await startBroker())
  expect((await replay(recording, (await startBroker()).bootstrap)).differences).toEqual([])
  expect((await replay(recording, await startBroker({ clock: 'virtual', transport: 'memory' }))).differences).toEqual([])
})

test('the records that were sent again are those that were recorded', async () => {
  const recording = await recorded(await startBroker())
  const other = await startBroker()
  await replay(recording, other)
  expect(other.topic('orders').records().map(({ key }) => key).sort()).toEqual(['o-1', 'o-2', 'o-3'])
  expect(await other.topic('orders').lag('billing')).toBe(0)
})

test('the first difference is told in words', async () => {
  const recording = await recorded(await startBroker())
  const other = await startBroker()
  other.faults.on('Produce').once().error('NOT_LEADER_OR_FOLLOWER')
  const text = /^the answer to request \d+, Produce v\d+ of billing at [\d.]+ s: .*\[0\]\.errorCode was NONE, and is now NOT_LEADER_OR_FOLLOWER/
  await expect(replay(recording, other)).rejects.toMatchObject({ code: 'LOG_REPLAY_DIFFERS', message: expect.stringMatching(text) as string })
  const third = await startBroker()
  third.faults.on('Produce').once().dropConnection()
  const { differences } = await replay(recording, third, { differences: 'report' })
  expect(differences[0]).toMatchObject({ api: 'Produce', now: 'a closed connection' })
  const fourth = await startBroker()
  await fourth.createTopic('orders', 2)
  fourth.topic('orders').append({ value: 'there before', partition: 0 })
  const before = await replay(recording, fourth, { differences: 'report' })
  expect(before.differences.map(({ api, recorded: then, now }) => [api, then, now])).toEqual(expect.arrayContaining([
    ['Metadata', 'a list of 0', 'a list of 1'], ['CreateTopics', 'NONE', 'TOPIC_ALREADY_EXISTS'],
  ]))
  expect(before.differences.map(({ api }) => api)).toContain('Fetch')
})

test('records are compared one by one, in whatever batches they lie', () => {
  const records = (...batches: readonly (readonly string[])[]): Buffer => {
    let baseOffset = 0
    return Buffer.concat(batches.map((values) => {
      const batch = encodeBatch(values.map((value) => ({ value: Buffer.from(value), timestamp: baseOffset })), { baseOffset })
      baseOffset += values.length
      return batch
    }))
  }
  const compare = (one: Buffer, other: Buffer): unknown => answerDifference({ records: one }, { records: other }, new Set())
  expect(compare(records(['a', 'b'], ['c']), records(['a'], ['b', 'c']))).toBeUndefined()
  expect(compare(records(['a', 'b']), records(['a', 'x']))).toEqual({ path: 'records[1].value', recorded: '"b"', now: '"x"' })
  expect(compare(records(['a', 'b']), records(['a']))).toEqual({ path: 'records', recorded: 'a list of 2', now: 'a list of 1' })
})

test('a transaction is replayed at a broker that knows its producer with a newer epoch', async () => {
  const transact = async (kafka: TestBroker): Promise<void> => {
    const client = new Kafka({ clientId: 'transfers', brokers: kafka.bootstrap.split(','), logLevel: logLevel.NOTHING })
    const producer = client.producer({ transactionalId: 'transfers', maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic: 'orders', messages: [{ value: 'a' }, { value: 'b' }] })
    await transaction.commit()
    await producer.disconnect()
  }
  const first = await startBroker({ topics: { orders: 1 } })
  const recorder = first.record()
  await transact(first)
  const recording = recorder.stop()
  const other = await startBroker({ topics: { orders: 1 } })
  for (let round = 0; round < 3; round++) await transact(other)
  const { differences } = await replay(recording, other, { differences: 'report' })
  expect(differences.filter(({ path }) => /errorcode$/i.test(path))).toEqual([])
  expect(other.topic('orders').records()).toHaveLength(8)
})

test('fields that may differ are named', async () => {
  const recording = await recorded(await startBroker())
  const other = await startBroker()
  await other.createTopic('orders', 2)
  expect((await replay(recording, other, { ignore: ['errorCode', 'topics'], differences: 'report' })).differences).toEqual([])
})

test('a recording is a file, and comes back from it as it was', async () => {
  const recording = await recorded(await startBroker({ seed: 9 }))
  const path = join(temporary, 'session.kwire')
  await recording.save(path)
  const read = Recording.load(path)
  expect(read.info).toEqual(recording.info)
  expect(read.info.seed).toBe(9)
  expect(read.frames.map(({ bytes, ...frame }) => ({ ...frame, bytes: bytes.toString('hex') }))).toEqual(
    recording.frames.map(({ bytes, at, ...frame }) => ({ ...frame, at: Math.round(at * 1000) / 1000, bytes: bytes.toString('hex') })))
  const bytes = recording.frames.reduce((sum, frame) => sum + frame.bytes.length, 0)
  expect(recording.encode().length).toBeLessThan(bytes / 2)
  expect((await replay(path, await startBroker())).differences).toEqual([])
})

test('a proxy in front of a cluster records what goes through it, and clients stay with it', async () => {
  const cluster = await startBroker({ brokers: 3 })
  const proxy = await startRecordingProxy({ to: cluster.bootstrap })
  expect(await session(proxy.bootstrap.split(','))).toEqual(['o-1', 'o-2', 'o-3'])
  const recording = await proxy.close()
  expect(recording.info.brokers).toEqual([1, 2, 3])
  expect(cluster.journal.entries.length).toBe(recording.requests)
  expect((await replay(recording, await startBroker({ brokers: 3 }))).differences).toEqual([])
})

test('a live client works with the answers of a recording, and nothing else', async () => {
  const recording = await recorded(await startBroker({ brokers: 2 }))
  const brokers = await startRecordedBroker(recording)
  onTestFinished(() => brokers.close())
  expect(await session(brokers.bootstrap.split(','))).toEqual(['o-1', 'o-2', 'o-3'])
  expect(brokers.unmatched).toEqual([])
  expect(brokers.unasked.filter((request) => /Produce|CreateTopics|OffsetCommit/.test(request))).toEqual([])
  const raw = await RawClient.connect(Number(brokers.bootstrap.replace(/.*:/, '')))
  await expect(raw.request(deleteTopics, 1, { topicNames: ['orders'], timeoutMs: 1 })).rejects.toThrow('the connection was closed')
  expect(brokers.unmatched).toEqual(['DeleteTopics v1 of raw'])
})

test('passwords are in no recording, and a test takes out what else is secret', async () => {
  const kafka = await startBroker({ security: { sasl: { mechanisms: ['PLAIN'], users: { ada: 'hunter-2' } } } })
  const recorder = kafka.record({
    redact: ({ api, body }) => (api === 'CreateTopics' ? { ...body, timeoutMs: 4711 } : body),
  })
  await session(kafka.bootstrap.split(','), { sasl: { mechanism: 'plain', username: 'ada', password: 'hunter-2' } })
  const recording = recorder.stop()
  expect(Buffer.concat(recording.frames.map(({ bytes }) => bytes)).includes('hunter-2')).toBe(false)
  expect(Buffer.concat(recording.frames.map(({ bytes }) => bytes)).includes(Buffer.from([0, 0, 0x12, 0x67]))).toBe(true)
  const { differences, skipped } = await replay(recording, await startBroker())
  expect(skipped).toBeGreaterThan(1)
  expect(differences).toEqual([])
})

test('files that are damaged, made up or newer have a code', async () => {
  const bytes = (await recorded(await startBroker())).encode()
  const random = seededRandom(5)
  for (let round = 0; round < 300; round++) {
    const copy = Buffer.from(bytes)
    copy[random.int(copy.length)]! ^= 1 + random.int(255)
    expect(codeOf(() => Recording.decode(copy))).toMatch(/^LOG_FILE_CORRUPT$|^LOG_VERSION_UNSUPPORTED$/)
    expect(codeOf(() => Recording.decode(bytes.subarray(0, random.int(bytes.length))))).toBe('LOG_FILE_CORRUPT')
    // A right checksum over wrong contents.
    const payload = Buffer.from(bytes.subarray(20))
    payload[random.int(payload.length)]! ^= 1 + random.int(255)
    expect(['LOG_FILE_CORRUPT', 'none']).toContain(codeOf(() => Recording.decode(encodeSideFile('WIRE', { major: 1, minor: 0 }, payload))))
  }
  expect(codeOf(() => Recording.decode(encodeSideFile('WIRE', { major: 2, minor: 0 }, bytes.subarray(20))))).toBe('LOG_VERSION_UNSUPPORTED')
  expect(codeOf(() => Recording.load(join(temporary, 'none')))).toBe('LOG_NOT_FOUND')
}, 30_000)

test('what cannot be is refused at once', async () => {
  const kafka = await startBroker()
  const empty = kafka.record().stop()
  await expect(replay(empty, kafka, { pase: 'fast' } as never)).rejects.toThrow('did you mean "pace"')
  await expect(replay(empty, kafka, { ignore: 'x' } as never)).rejects.toThrow(TypeError)
  await expect(startRecordingProxy({ to: 'nowhere' })).rejects.toThrow('host:port')
  await expect(startRecordingProxy({} as never)).rejects.toThrow(TypeError)
  expect(() => kafka.record({ redact: 7 } as never)).toThrow(TypeError)
})

function codeOf(work: () => unknown): string {
  try {
    work()
    return 'none'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
