import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { diskFileSystem } from '../../../src/files/disk.ts'
import { MemoryFileSystem } from '../../../src/files/memory.ts'
import { encodeEndTransactionMarker } from '../../../src/format/control.ts'
import { type GroupCoordinator } from '../../../src/topics/groups/coordinator.ts'
import { type CommitRequest } from '../../../src/topics/groups/group-messages.ts'
import { mergerOf } from '../../../src/topics/groups/merger-group.ts'
import { internalTopicRequest, OFFSETS_TOPIC } from '../../../src/topics/internal-topics.ts'
import { type LogCore } from '../../../src/topics/log-core.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { fixture } from '../../tools/fixtures.ts'
import { beat } from './consumer-client.ts'
import { diskLog, failure, freshFolder, memoryLog } from '../harness.ts'
import { openCore } from './harness.ts'

const commit = (groupId: string, offset: number, more: Partial<CommitRequest['offsets'][number]> = {}): CommitRequest => (
  { groupId, memberId: '', generation: -1, offsets: [{ topic: 't', partition: 0, offset, leaderEpoch: 0, ...more }] }
)
const offsetOf = (groups: GroupCoordinator, group: string): number | undefined => groups.offsets.get(group, 't', 0)?.offset

// A folder of Kafka's -------------------------------------------------------------------------------------------------------------------

interface KafkaGroup {
  readonly state: string
  readonly members: number
  readonly offsets: Record<string, { readonly offset: number; readonly leaderEpoch: number | null; readonly metadata: string }>
}

const state = JSON.parse(fixture('offsets/state.json').toString()) as Record<string, KafkaGroup>

async function kafkaFolder(readOnly: boolean, clock = new ManualClock()): Promise<LogCore> {
  const path = freshFolder()
  cpSync(fileURLToPath(new URL('../../fixtures/kafka-4.1/offsets/log', import.meta.url)), path, { recursive: true })
  return openCore({ files: diskFileSystem, folder: path, clock, readOnly })
}

for (const readOnly of [true, false]) {
  test(`groups of Kafka's are at the offsets that Kafka tells${readOnly ? ', also read-only' : ''}`, async () => {
    const groups = await (await kafkaFolder(readOnly)).groups()
    for (const [group, { offsets }] of Object.entries(state)) {
      const told = Object.fromEntries(groups.offsets.fetch(group).map(({ topic, partition, offset, leaderEpoch, metadata }) => (
        [`${topic}-${partition}`, { offset, leaderEpoch: leaderEpoch < 0 ? null : leaderEpoch, metadata }]
      )))
      expect({ group, offsets: told }).toEqual({ group, offsets })
    }
    const listed = new Map(groups.list().map((one) => [one.groupId, one]))
    expect(listed.get('classic-one')).toMatchObject({ state: 'Empty', type: 'classic', protocolType: 'consumer' })
    expect(listed.get('consumer-one')).toMatchObject({ state: 'Empty', type: 'consumer', protocolType: 'consumer' })
    expect(listed.get('manual')).toMatchObject({ state: 'Empty', type: 'classic', protocolType: '' })
    expect(groups.describe('classic-static')).toMatchObject({ state: 'Stable', members: [{ groupInstanceId: expect.any(String) }] })
  })
}

test('a member that was there when Kafka stopped has its session time to be heard again', async () => {
  const clock = new ManualClock()
  const groups = await (await kafkaFolder(false, clock)).groups()
  const { generation, members } = groups.describe('classic-static')!
  const { memberId, groupInstanceId } = members[0]!
  expect(groups.heartbeat({ groupId: 'classic-static', memberId, groupInstanceId, generation })).toEqual({ error: 'NONE' })
  await clock.advance(400_000)
  expect(groups.describe('classic-static')).toMatchObject({ state: 'Empty', members: [] })
})

test('a static consumer of the newer protocol that was away when Kafka stopped comes back to what it had', async () => {
  const path = freshFolder()
  cpSync(fileURLToPath(new URL('../../fixtures/kafka-4.1/offsets/log', import.meta.url)), path, { recursive: true })
  for (const partition of [0, 1, 2]) {
    mkdirSync(join(path, `orders-${partition}`))
    writeFileSync(join(path, `orders-${partition}`, 'partition.metadata'), 'version: 0\ntopic_id: mZ2kfuJVQkizwyJu9c9kGw\n')
    writeFileSync(join(path, `orders-${partition}`, '00000000000000000000.log'), '')
  }
  const groups = await (await openCore({ files: diskFileSystem, folder: path })).groups()
  const { state: wanted } = state['consumer-static']!
  expect(groups.describe('consumer-static')).toMatchObject({ state: wanted, type: 'consumer', members: [{ clientHost: '/127.0.0.1' }] })
  const answer = await groups.consumerHeartbeat(beat('again', 0, {
    groupId: 'consumer-static', instanceId: 'node-1', rebalanceTimeoutMs: 1000, topicNames: ['orders'], owned: [],
  }))
  expect(answer).toMatchObject({ error: 'NONE', memberEpoch: 1, assignment: [{ topicId: 'mZ2kfuJVQkizwyJu9c9kGw', partitions: [0, 1, 2] }] })
  expect(groups.describe('consumer-static')).toMatchObject({ state: 'Stable', members: [{ memberId: 'again' }] })
})

test('a group of the newer protocol goes on as a classic one at its offsets, and stays that', async () => {
  const core = await kafkaFolder(false)
  const groups = await core.groups()
  const joined = await groups.join({
    groupId: 'consumer-one', memberId: '', clientId: 'c', clientHost: '/127.0.0.1', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer', protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
  })
  expect(joined).toMatchObject({ error: 'NONE', generation: 1 })
  groups.leave({ groupId: 'consumer-one', members: [{ memberId: joined.memberId }] })
  await core.close()
  const again = await (await openCore({ files: diskFileSystem, folder: core.folder, clock: systemClock })).groups()
  expect(again.describe('consumer-one')).toMatchObject({ type: 'classic', state: 'Empty', generation: 2 })
  expect(again.offsets.fetch('consumer-one')).toHaveLength(3)
})

// Our own -------------------------------------------------------------------------------------------------------------------------------

test('commits of one turn are one batch, and are there when the folder is opened again', async () => {
  const files = new MemoryFileSystem({ clock: systemClock })
  const core = await openCore({ files })
  const groups = await core.groups()
  expect(core.topics).toEqual([])
  await Promise.all(Array.from({ length: 100 }, (_, index) => groups.commitOffsets(commit(`g${index % 50}`, index, { metadata: `m${index}` }))))
  const log = core.openTopics[0]!.logs[0]!
  expect([core.topics[0]!.name, log.nextOffset]).toEqual([OFFSETS_TOPIC, 100])
  expect(offsetOf(groups, 'g7')).toBe(57)
  await groups.commitOffsets(commit('g7', 3, { finished: Buffer.from('bits') }))
  await core.close()
  const again = await (await openCore({ files })).groups()
  expect(offsetOf(again, 'g8')).toBe(58)
  expect(again.offsets.get('g7', 't', 0)).toMatchObject({ offset: 3, metadata: '', finished: Buffer.from('bits'), leaderEpoch: 0 })
})

test('metadata of more than 4096 characters is refused, all else of the request is taken', async () => {
  const groups = await (await openCore()).groups()
  const results = await groups.commitOffsets({
    groupId: 'g', memberId: '', generation: -1, offsets: [
      { topic: 't', partition: 0, offset: 1, leaderEpoch: -1, metadata: 'x'.repeat(4097) }, { topic: 't', partition: 1, offset: 2, leaderEpoch: -1 },
    ],
  })
  expect(results.map(({ error }) => error)).toEqual(['OFFSET_METADATA_TOO_LARGE', 'NONE'])
  expect(groups.offsets.fetch('g')).toMatchObject([{ partition: 1, offset: 2 }])
  expect(groups.offsets.fetch('g', [{ topic: 't', partition: 0 }])).toMatchObject([{ offset: -1, leaderEpoch: -1, error: 'NONE' }])
  // Nobody can join the group without a name, and yet it has offsets, as in Kafka.
  expect(await groups.commitOffsets(commit('', 1))).toMatchObject([{ error: 'NONE' }])
})

test('a commit of a transaction counts once that is committed, and never when it is aborted', async () => {
  const files = new MemoryFileSystem({ clock: systemClock })
  const core = await openCore({ files })
  const groups = await core.groups()
  await groups.commitOffsets(commit('g', 1))
  const place = groups.offsets.placeOf('g')
  for (const [producerId, committed, expected] of [[5n, false, 1], [6n, true, 12]] as const) {
    await groups.appendTransactionalOffsets(producerId, 0, commit('g', 10 + Number(producerId) - 4))
    expect(groups.offsets.fetch('g', [{ topic: 't', partition: 0 }], true)).toMatchObject([{ error: 'UNSTABLE_OFFSET_COMMIT' }])
    expect(offsetOf(groups, 'g')).toBe(1)
    const log = core.openTopics.find(({ entry }) => entry.name === place.topic)!.logs[place.partition]!
    const type = committed ? 'COMMIT' : 'ABORT'
    const marker = encodeEndTransactionMarker({ producerId, producerEpoch: 0, type, coordinatorEpoch: 0, timestamp: 0 })
    await log.durable(log.appendBatch(marker, 'coordinator').lastOffset)
    groups.offsets.transactionEnded(producerId, committed)
    expect(groups.offsets.fetch('g', [{ topic: 't', partition: 0 }], true)).toMatchObject([{ error: 'NONE', offset: expected }])
  }
  await core.close()
  expect(offsetOf(await (await openCore({ files })).groups(), 'g')).toBe(12)
})

test('offsets of a group are forgotten when it was empty for so long; nothing is while nobody asks for it', async () => {
  const clock = new ManualClock()
  const files = new MemoryFileSystem({ clock })
  const forever = await openCore({ files, clock })
  await (await forever.groups()).commitOffsets(commit('g', 1))
  await clock.advance(1e9)
  expect(await (await forever.groups()).expireOffsets(clock.now())).toBe(0)
  await forever.close()
  const core = await openCore({ files, clock, offsetsRetentionMs: 10_000 })
  const groups = await core.groups()
  await groups.commitOffsets(commit('h', 1))
  await clock.advance(9000)
  await groups.commitOffsets(commit('i', 1))
  expect(await groups.expireOffsets(clock.now())).toBe(1)
  await clock.advance(1000)
  expect(await groups.expireOffsets(clock.now())).toBe(1)
  expect(groups.list().map(({ groupId }) => groupId)).toEqual(['i'])
  await core.close()
  expect((await (await openCore({ files, clock })).groups()).list().map(({ groupId }) => groupId)).toEqual(['i'])
})

test('offsets of a topic that is gone are forgotten', async () => {
  const groups = await (await openCore()).groups()
  await groups.commitOffsets(commit('g', 1))
  await groups.commitOffsets({ groupId: 'g', memberId: '', generation: -1, offsets: [{ topic: 'u', partition: 0, offset: 2, leaderEpoch: -1 }] })
  await groups.offsets.removeTopic('t')
  expect(groups.offsets.fetch('g')).toMatchObject([{ topic: 'u' }])
})

test('the offsets of ten thousand groups are there after a restart', async () => {
  const files = new MemoryFileSystem({ clock: systemClock })
  const core = await openCore({ files, bufferBytes: 1 << 25 })
  const groups = await core.groups()
  await Promise.all(Array.from({ length: 10_000 }, (_, index) => groups.commitOffsets({
    groupId: `group-${index}`, memberId: '', generation: -1,
    offsets: [0, 1, 2].map((partition) => ({ topic: 'orders', partition, offset: index, leaderEpoch: 0 })),
  })))
  await core.close()
  const loaded = await (await openCore({ files })).groups()
  expect(loaded.list()).toHaveLength(10_000)
  for (const index of [0, 4711, 9999]) expect(loaded.offsets.get(`group-${index}`, 'orders', 2)).toMatchObject({ offset: index })
})

test('nobody but the coordinator writes to the topics of the log; everyone may read them', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  expect(await failure(() => log.topic(OFFSETS_TOPIC))).toMatchObject({ code: 'LOG_NOT_FOUND' })
  const topic = await log.topic('t')
  await topic.send({ value: 1 })
  for await (const _ of topic.consumer({ group: 'g', until: 'end' }));
  expect((await log.topics()).map(({ name }) => name)).toEqual(['t'])
  expect((await log.topics({ internal: true })).map(({ name }) => name)).toEqual(['t', OFFSETS_TOPIC])
  const own = await log.topic(OFFSETS_TOPIC)
  expect(own.partition(0).read().next().value?.topic).toBe(OFFSETS_TOPIC)
  expect(await failure(() => own.send({ value: 1 }))).toMatchObject({ code: 'LOG_TOPIC_INTERNAL' })
  expect(await failure(() => own.partition(0).append({ value: 1 }))).toMatchObject({ code: 'LOG_TOPIC_INTERNAL' })
  await log.close()
  const beside = await diskLog(folder, { readOnly: true })
  expect(await failure(async () => (await beside.topic('t')).consumer({ group: 'g' }))).toMatchObject({ code: 'LOG_READ_ONLY' })
  expect(internalTopicRequest(OFFSETS_TOPIC, true).settings.cleanupPolicy).toBe('compact')
  expect((await (await memoryLog()).topics({ internal: true }))).toEqual([])
})

test('what was replayed of dead letters is not forgotten: it would be replayed again', async () => {
  const clock = new ManualClock()
  const core = await openCore({ clock, offsetsRetentionMs: 1000 })
  const groups = await core.groups()
  await groups.commitOffsets(commit(mergerOf('g'), 7))
  await groups.commitOffsets(commit('g', 1))
  await clock.advance(5000)
  expect(await groups.expireOffsets(clock.now())).toBe(1)
  expect(groups.list().map(({ groupId }) => groupId)).toEqual([mergerOf('g')])
})
