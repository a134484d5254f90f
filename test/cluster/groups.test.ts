/*
 * Groups through the door of clusters: what is only there, beside what every log does (portable-conformance.test.ts).
 */
import { randomUUID } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { connect } from '../../src/cluster/index.ts'
import { type GroupOffset } from '../../src/cluster/group-offsets.ts'
import { RemoteOffsets } from '../../src/cluster/remote-groups.ts'
import { CommitLog, defineTopic, type PortableLog, string } from '../../src/index.ts'
import { listen } from '../../src/kafka/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { overListener } from './harness.ts'

const Words = defineTopic('words', { partitions: 1, value: string })
const nine = Array.from({ length: 9 }, (_, value) => String(value))

/** Consumes with one key in hand for good, until the others are committed as finished above it. */
async function finishAllButTheFirst(log: PortableLog): Promise<void> {
  const topic = await log.topic(Words)
  let letGo = (): void => {}
  const held = new Promise<void>((resolve) => { letGo = resolve })
  const handled: (string | null)[] = []
  const consumption = topic.consume({ group: 'g', order: 'key', deadLetter: false, autoCommitIntervalMs: 1 }, async ({ value }) => {
    if (value === '0') await held
    else handled.push(value)
  })
  await vi.waitFor(() => expect(handled).toHaveLength(8), 10_000)
  await consumption.stop({ deadlineMs: 0 })
  letGo()
}

async function handledBy(log: PortableLog): Promise<(string | null)[]> {
  const topic = await log.topic(Words)
  const handled: (string | null)[] = []
  const consumption = topic.consume({ group: 'g', order: 'key', deadLetter: false }, ({ value }) => void handled.push(value))
  await topic.send({ key: 'last', value: 'last' })
  await vi.waitFor(() => expect(handled).toContain('last'), 10_000)
  await consumption.stop()
  return handled
}

for (const [first, then] of [['a cluster', 'a cluster'], ['a cluster', 'in process'], ['in process', 'a cluster']] as const) {
  test(`what consume finished above a commit on ${first} is not handled again ${then === first ? 'there' : `by consume of ${then}`}`, () => (
    overListener(async ({ log, local }) => {
      const of = (name: string): PortableLog => (name === 'a cluster' ? log : local)
      await (await log.topic(Words)).send(nine.map((value) => ({ key: value, value, partition: 0 })))
      await finishAllButTheFirst(of(first))
      expect(await handledBy(of(then))).toEqual(['0', 'last'])
    })
  ))
}

test('a group of the newer protocol is listed and described as one, with its generation and what its members have', async () => {
  const kafka = await startTestBroker({ brokers: 2 })
  const log = await connect({ brokers: kafka.bootstrap })
  await log.topic(Words)
  await heartbeat(kafka.bootstrap)
  const [info] = await log.groups.list()
  expect(info).toMatchObject({ group: 'newer', type: 'consumer', protocolType: 'consumer' })
  const { type, generation, members } = await log.groups.describe('newer')
  expect([type, generation >= 1]).toEqual(['consumer', true])
  expect(members).toMatchObject([{ clientId: 'newcomer', partitions: [{ topic: 'words', partition: 0 }] }])
  await log.close()
  await kafka.close()
})

/** Joins a group as clients of KIP-848 do. */
async function heartbeat(bootstrap: string): Promise<void> {
  const { ConnectionPool, consumerGroupHeartbeatV1, findCoordinatorV4 } = await import('@platformatic/kafka')
  const pool = new ConnectionPool('newcomer', {})
  const addressOf = (text: string): { host: string; port: number } => ({ host: text.split(':')[0]!, port: Number(text.split(':')[1]) })
  const any = await pool.get(addressOf(bootstrap.split(',')[0]!))
  const { host, port } = (await findCoordinatorV4.api.async(any, 0, ['newer'])).coordinators[0]!
  const coordinator = await pool.get({ host, port })
  await consumerGroupHeartbeatV1.api.async(coordinator, 'newer', randomUUID(), 0, null, null, 30_000, ['words'], null, null, [])
  await pool.close()
}

test('what a consume had open when it was killed is ended by the next one, which waits for nothing', async () => {
  const kafka = await startTestBroker()
  const names = new Set<unknown>()
  kafka.faults.on('InitProducerId').matching(({ transactionalId }) => {
    names.add(transactionalId)
    return false
  }).error('NOT_COORDINATOR').optional()
  const log = await connect({ brokers: kafka.bootstrap })
  const topic = await log.topic(Words)
  await topic.send({ value: 'bad' })
  const first = topic.consume({ group: 'g', retry: { attempts: 1 } }, () => { throw new Error('not today') })
  await kafka.group('g').caughtUp({ topics: ['words'] })
  await first.stop()
  const [name] = [...names].filter((one) => one !== null)
  expect(name).toBe('commitlog-consume-g/words/0')
  // A process that was killed between putting aside and its end leaves this behind.
  const left = await log.beginTransaction({ transactionalId: String(name), timeoutMs: 600_000 })
  await left.commitOffsets('g', [{ topic: 'words', partition: 0, offset: 1 }])
  const handled: (string | null)[] = []
  const second = topic.consume({ group: 'g' }, ({ value }) => void handled.push(value))
  await topic.send({ value: 'good' })
  await vi.waitFor(() => expect(handled).toEqual(['good']), 20_000)
  await expect(left.commit()).rejects.toMatchObject({ code: 'LOG_PRODUCER_FENCED' })
  await second.stop()
  await log.close()
  await kafka.close()
}, 30_000)

test('transactions of consume of different groups and topics have different names, where both have dashes', async () => {
  const kafka = await startTestBroker()
  const names = new Set<unknown>()
  kafka.faults.on('InitProducerId').matching(({ transactionalId }) => {
    if (transactionalId !== null) names.add(transactionalId)
    return false
  }).error('NOT_COORDINATOR').optional()
  const log = await connect({ brokers: kafka.bootstrap })
  for (const [group, name] of [['billing', 'eu-orders'], ['billing-eu', 'orders']] as const) {
    const topic = await log.topic(defineTopic(name, { partitions: 1, value: string }))
    await topic.send({ value: 'bad' })
    const consumption = topic.consume({ group, retry: { attempts: 1 } }, () => { throw new Error('not today') })
    await kafka.group(group).caughtUp({ topics: [name] })
    await consumption.stop()
  }
  expect(names.size).toBe(2)
  await log.close()
  await kafka.close()
}, 30_000)

test('members that leave keep no connections, and nothing of theirs is kept', () => overListener(async ({ log }) => {
  const topic = await log.topic(Words)
  await topic.send({ value: 'a' })
  const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPSocket')).length
  const before = sockets()
  for (let round = 0; round < 10; round++) for await (const { offset } of topic.consumer({ group: `g${round}`, until: 'end' })) expect(offset).toBe(0)
  await vi.waitFor(() => expect(sockets() - before).toBeLessThan(6), 10_000)
  // One that loops again is a member again.
  const again = topic.consumer({ group: 'again' })
  for (let round = 0; round < 3; round++) for await (const { offset } of again) if (offset >= 0) break
  await again.close()
  expect((await log.groups.describe('again')).state).toBe('Empty')
}), 30_000)

test('one budget is for all that waits: records of transactions are counted, and what is too much is LOG_BUFFER_FULL', async () => {
  const local = await CommitLog.memory()
  const kafka = await listen(local, { port: 0 })
  const log = await connect({ brokers: kafka.bootstrap, bufferBytes: 1000 })
  const topic = await log.topic(Words)
  const one = await log.beginTransaction()
  const other = await log.beginTransaction()
  const sending = one.send(topic, { value: 'x'.repeat(2000) })
  expect(log.stats().bufferedBytes).toBeGreaterThan(2000)
  await expect(other.send(topic, { value: 'y' })).rejects.toMatchObject({ code: 'LOG_BUFFER_FULL' })
  await sending
  expect(log.stats().bufferedBytes).toBe(0)
  await one.commit()
  await other.abort()
  await log.close()
  await kafka.close()
  await local.close()
})

test('an answer that tells of older commits does not take the place of a newer one', async () => {
  const of = (partition: number, offset: number): GroupOffset => ({ topic: 'words', partition, offset, leaderEpoch: -1, metadata: '' })
  let answer = (_committed: GroupOffset[]): void => {}
  const source = { committed: () => new Promise<GroupOffset[]>((resolve) => { answer = resolve }) }
  const offsets = new RemoteOffsets('g', source)
  const loading = offsets.load()
  offsets.stored({ topic: 'words', partition: 0, offset: 7, leaderEpoch: -1 })
  answer([of(0, 5), of(1, 3)])
  await loading
  expect([0, 1].map((partition) => offsets.get('g', 'words', partition)?.offset)).toEqual([7, 3])
  const again = offsets.load()
  answer([of(0, 2)])
  await again
  expect([0, 1].map((partition) => offsets.get('g', 'words', partition)?.offset)).toEqual([2, undefined])
})
