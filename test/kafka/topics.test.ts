import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { type KafkaErrorName, kafkaErrorName } from '../../src/format/kafka-errors.ts'
import { NO_UUID } from '../../src/format/schema.ts'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { createTopics } from '../../src/kafka/apis/19-create-topics.ts'
import { deleteTopics } from '../../src/kafka/apis/20-delete-topics.ts'
import { describeConfigs } from '../../src/kafka/apis/32-describe-configs.ts'
import { describeLogDirs } from '../../src/kafka/apis/35-describe-log-dirs.ts'
import { createPartitions } from '../../src/kafka/apis/37-create-partitions.ts'
import { electLeaders } from '../../src/kafka/apis/43-elect-leaders.ts'
import { alterPartitionReassignments } from '../../src/kafka/apis/45-alter-partition-reassignments.ts'
import { listPartitionReassignments } from '../../src/kafka/apis/46-list-partition-reassignments.ts'
import { describeTopicPartitions } from '../../src/kafka/apis/75-describe-topic-partitions.ts'
import { type Authorizer, type Operation, type ResourceType } from '../../src/kafka/security/authorizer.ts'
import { type RawClient, startListener } from './harness.ts'

type Topic = Parameters<typeof createTopics.handle>[0]['topics'][number]

function topic(name: string, given: Partial<Topic> = {}): Topic {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...given }
}

async function create(client: RawClient, ...topics: Topic[]): Promise<(KafkaErrorName | undefined)[]> {
  const answer = await client.request(createTopics, 7, { topics, timeoutMs: 1000, validateOnly: false })
  return answer.topics.map(({ errorCode }) => kafkaErrorName(errorCode))
}

async function places(client: RawClient, name: string): Promise<{ leader: number; replicas: number[] }[]> {
  const { topics } = await client.request(metadata, 12, { topics: [{ name }], allowAutoTopicCreation: false })
  return topics[0]!.partitions.map(({ leaderId, replicaNodes }) => ({ leader: leaderId, replicas: replicaNodes }))
}

/** Denies some operations on what has some name. */
function denying(...denied: readonly (readonly [Operation, ResourceType, string])[]): Authorizer {
  return {
    allows: (_peer, operation, type, name) =>
      !denied.some(([one, kind, resource]) => one === operation && kind === type && resource === name),
  }
}

/* ---- what clients make is there for the program, and the reverse ---- */

test('a topic that a client makes is there for the program at once, with Kafka\'s defaults and the configs that were asked for', async () => {
  const { log, client } = await startListener()
  const configs = [{ name: 'cleanup.policy', value: 'delete,compact' }, { name: 'max.message.bytes', value: '2000' }]
  expect(await create(await client(), topic('orders', { numPartitions: 3, configs }))).toEqual(['NONE'])
  const { settings, partitions } = log.core.topics.find(({ name }) => name === 'orders')!
  expect(partitions).toBe(3)
  expect(settings).toEqual({
    retentionMs: 604_800_000, segmentBytes: 1 << 30, segmentMs: 604_800_000, messageTimestampAfterMaxMs: 3_600_000,
    cleanupPolicy: 'compact,delete', maxMessageBytes: 2000,
  })
  const mine = await log.topic('orders')
  await mine.producer().send({ key: 'k', value: 'v' })
})

test('what is only looked at is not made, deleted or grown', async () => {
  const { log, client } = await startListener()
  const raw = await client()
  const { topics } = await raw.request(createTopics, 7, { topics: [topic('seen', { numPartitions: 2 })], timeoutMs: 0, validateOnly: true })
  expect(topics[0]).toMatchObject({ errorCode: 0, numPartitions: 2, replicationFactor: 1 })
  expect(log.core.topics).toEqual([])
  await create(raw, topic('small'))
  const grown = await raw.request(createPartitions, 3, { topics: [{ name: 'small', count: 5, assignments: null }], timeoutMs: 0, validateOnly: true })
  expect(grown.results[0]!.errorCode).toBe(0)
  expect(log.core.topics[0]!.partitions).toBe(1)
})

test('names that a folder cannot have reach no folder', async () => {
  const { log, client } = await startListener()
  const names = ['..', '.', '', 'a/../b', '../up', 'a\\b', 'a\0b', 'x'.repeat(250), 'ünïcode', 'a:b']
  const errors = await create(await client(), ...names.map((name) => topic(name)))
  expect(errors).toEqual(names.map(() => 'INVALID_TOPIC_EXCEPTION'))
  expect(log.core.topics).toEqual([])
})

test('more partitions than a topic may have are refused before anything is made', async () => {
  const { log, client } = await startListener()
  const raw = await client()
  expect(await create(raw, topic('huge', { numPartitions: 0x7fff_ffff }))).toEqual(['POLICY_VIOLATION'])
  const many = Array.from({ length: 11 }, (_, index) => topic(`many-${index}`, { numPartitions: 1000 }))
  expect(new Set(await create(raw, ...many))).toEqual(new Set(['POLICY_VIOLATION']))
  await create(raw, topic('small'))
  const { results } = await raw.request(createPartitions, 3, {
    topics: [{ name: 'small', count: 0x7fff_ffff, assignments: null }], timeoutMs: 0, validateOnly: false,
  })
  expect(kafkaErrorName(results[0]!.errorCode)).toBe('INVALID_PARTITIONS')
  expect(log.core.topics.map(({ partitions }) => partitions)).toEqual([1])
})

test('an internal topic is made as the log makes it, and neither deleted nor grown', async () => {
  const { log, client } = await startListener()
  const raw = await client()
  expect(await create(raw, topic('__consumer_offsets', { numPartitions: 4, configs: [{ name: 'retention.ms', value: '1' }] }))).toEqual(['NONE'])
  expect(log.core.topics[0]).toMatchObject({ partitions: 4, settings: { cleanupPolicy: 'compact' } })
  const gone = await raw.request(deleteTopics, 6, { topics: [{ name: '__consumer_offsets', topicId: NO_UUID }], timeoutMs: 0 })
  expect(kafkaErrorName(gone.responses[0]!.errorCode)).toBe('INVALID_TOPIC_EXCEPTION')
  const grown = await raw.request(createPartitions, 3, {
    topics: [{ name: '__consumer_offsets', count: 9, assignments: null }], timeoutMs: 0, validateOnly: false,
  })
  expect(kafkaErrorName(grown.results[0]!.errorCode)).toBe('INVALID_TOPIC_EXCEPTION')
})

test('partitions that a client adds are there for the program', async () => {
  const { log, client } = await startListener()
  const raw = await client()
  const orders = await log.topic('orders', { partitions: 2 })
  const { results } = await raw.request(createPartitions, 0, {
    topics: [{ name: 'orders', count: 4, assignments: null }], timeoutMs: 0, validateOnly: false,
  })
  expect(results).toEqual([{ name: 'orders', errorCode: 0, errorMessage: null }])
  expect(orders.partitions).toHaveLength(4)
})

test('brokers have the ids that were asked for, and topics are placed on them by these', async () => {
  const { kafka, client } = await startListener({ brokers: 3, nodeId: 0 })
  expect(kafka.brokers.map(({ nodeId }) => nodeId)).toEqual([0, 1, 2])
  const raw = await client()
  await create(raw, topic('placed', { numPartitions: -1, replicationFactor: -1, assignments: [{ partitionIndex: 0, brokerIds: [2, 0] }] }))
  expect(await places(raw, 'placed')).toMatchObject([{ leader: 2, replicas: [2, 0] }])
})

test('what was set for a topic that was deleted is not for the next one of its name', async () => {
  const { client } = await startListener({ brokers: 3 })
  const raw = await client()
  const configs = [{ name: 'min.insync.replicas', value: '2' }, { name: 'retention.ms', value: '7' }]
  await create(raw, topic('again', { replicationFactor: 3, configs }))
  const gone = await raw.request(deleteTopics, 6, { topics: [{ name: 'again', topicId: NO_UUID }], timeoutMs: 0 })
  expect(gone.responses[0]).toMatchObject({ errorCode: 0, name: 'again' })
  await create(raw, topic('again'))
  expect(await places(raw, 'again')).toMatchObject([{ replicas: { length: 1 } }])
  const { results } = await raw.request(describeConfigs, 4, {
    resources: [{ resourceType: 2, resourceName: 'again', configurationKeys: ['min.insync.replicas', 'retention.ms'] }],
  })
  expect(results[0]!.configs.map(({ value }) => value).sort()).toEqual(['1', '604800000'])
})

test('the sizes of partitions are those of their files', async () => {
  const { log, client } = await startListener()
  const orders = await log.topic('orders')
  await orders.producer().send({ key: 'k', value: 'v'.repeat(1000) })
  const { results } = await (await client()).request(describeLogDirs, 4, { topics: null })
  expect(results).toHaveLength(1)
  const { size } = log.core.openTopics[0]!.logs[0]!
  expect(size).toBeGreaterThan(1000)
  const partition = { partitionIndex: 0, partitionSize: size, offsetLag: 0, isFutureKey: false }
  expect(results[0]).toMatchObject({ errorCode: 0, topics: [{ name: 'orders', partitions: [partition] }] })
})

/* ---- several brokers ---- */

test('partitions have as many brokers as was asked for, spread over all of them', async () => {
  const { client } = await startListener({ brokers: 3 })
  const raw = await client(1)
  expect(await create(raw, topic('two', { numPartitions: 6, replicationFactor: 2 }), topic('four', { replicationFactor: 4 })))
    .toEqual(['NONE', 'INVALID_REPLICATION_FACTOR'])
  const partitions = await places(raw, 'two')
  for (const { leader, replicas } of partitions) {
    expect(replicas).toHaveLength(2)
    expect(replicas[0]).toBe(leader)
    expect(new Set(replicas).size).toBe(2)
  }
  expect(new Set(partitions.map(({ leader }) => leader)).size).toBe(3)
})

test('partitions that are assigned by hand lie where they were put, after a restart as well', async () => {
  const files = new MemoryFileSystem()
  const first = await startListener({ brokers: 3, log: { files } })
  const raw = await first.client()
  const [one, two, three] = first.kafka.brokers.map(({ nodeId }) => nodeId) as [number, number, number]
  const assignments = [{ partitionIndex: 0, brokerIds: [three, one] }, { partitionIndex: 1, brokerIds: [two, three] }]
  expect(await create(raw, topic('placed', { numPartitions: -1, replicationFactor: -1, assignments }))).toEqual(['NONE'])
  const placed = [{ leader: three, replicas: [three, one] }, { leader: two, replicas: [two, three] }]
  expect(await places(raw, 'placed')).toEqual(placed)

  const grow = (brokerIds: number[]): Promise<unknown> => raw.request(createPartitions, 3, {
    topics: [{ name: 'placed', count: 3, assignments: [{ brokerIds }] }], timeoutMs: 0, validateOnly: false,
  })
  const unlike: unknown = expect.stringContaining('not consistent with previous partitions')
  expect(await grow([one])).toMatchObject({ results: [{ errorMessage: unlike }] })
  expect(await grow([one, two])).toMatchObject({ results: [{ errorCode: 0 }] })
  const moved = await raw.request(alterPartitionReassignments, 0, {
    timeoutMs: 0, topics: [{ name: 'placed', partitions: [{ partitionIndex: 0, replicas: [two] }] }],
  })
  expect(moved.responses[0]!.partitions).toEqual([{ partitionIndex: 0, errorCode: 0, errorMessage: null }])
  const now = [{ leader: two, replicas: [two] }, placed[1]!, { leader: one, replicas: [one, two] }]
  expect(await places(raw, 'placed')).toEqual(now)
  const { topics } = await raw.request(listPartitionReassignments, 0, { timeoutMs: 0, topics: null })
  expect(topics).toEqual([])

  await first.kafka.close()
  await first.log.close()
  const again = await startListener({ brokers: 3, log: { files } })
  expect(await places(await again.client(), 'placed')).toEqual(now)
})

test('a partition whose brokers are gone is led by one that is there', async () => {
  const files = new MemoryFileSystem()
  const first = await startListener({ brokers: 3, log: { files } })
  const last = first.kafka.brokers[2]!.nodeId
  const assignments = [{ partitionIndex: 0, brokerIds: [last] }]
  await create(await first.client(), topic('placed', { numPartitions: -1, replicationFactor: -1, assignments }))
  await first.kafka.close()
  await first.log.close()
  const again = await startListener({ brokers: 2, log: { files } })
  const [place] = await places(await again.client(), 'placed')
  expect(again.kafka.brokers.map(({ nodeId }) => nodeId)).toContain(place!.leader)
})

test('every broker makes and deletes topics, and each shows the folders of what it has', async () => {
  const { client, kafka } = await startListener({ brokers: 3 })
  for (const [index] of kafka.brokers.entries()) {
    expect(await create(await client(index), topic(`by-${index}`, { numPartitions: 3 }))).toEqual(['NONE'])
  }
  const shown = await Promise.all(kafka.brokers.map(async (_, index) => {
    const { results } = await (await client(index)).request(describeLogDirs, 4, { topics: null })
    return results[0]!.topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex }) => `${name}-${partitionIndex}`))
  }))
  expect(shown.map(({ length }) => length)).toEqual([3, 3, 3])
  expect(new Set(shown.flat()).size).toBe(9)
  const gone = await (await client(2)).request(deleteTopics, 5, { topicNames: ['by-0', 'by-1', 'by-2'], timeoutMs: 0 })
  expect(gone.responses.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0])
})

/* ---- who may ---- */

test('who may not is told so, and not what there is', async () => {
  const authorizer = denying(
    ['CREATE', 'CLUSTER', 'kafka-cluster'], ['CREATE', 'TOPIC', 'secret'], ['DESCRIBE_CONFIGS', 'TOPIC', 'shy'], ['DELETE', 'TOPIC', 'kept'],
    ['DESCRIBE', 'TOPIC', 'hidden'], ['DELETE', 'TOPIC', 'hidden'], ['ALTER', 'TOPIC', 'kept'], ['ALTER', 'CLUSTER', 'kafka-cluster'],
    ['DESCRIBE', 'CLUSTER', 'kafka-cluster'],
  )
  const { client, log } = await startListener({ authorizer })
  const raw = await client()
  expect(await create(raw, topic('secret'), topic('kept'), topic('hidden'))).toEqual(['TOPIC_AUTHORIZATION_FAILED', 'NONE', 'NONE'])
  const { topics: [shy] } = await raw.request(createTopics, 7, { topics: [topic('shy')], timeoutMs: 0, validateOnly: false })
  expect(shy).toMatchObject({ errorCode: 0, topicConfigErrorCode: 29, configs: null, numPartitions: -1, replicationFactor: -1 })

  const id = (name: string): string => Buffer.from(log.core.topics.find((one) => one.name === name)!.id).toString('base64url')
  const { responses } = await raw.request(deleteTopics, 6, {
    topics: [{ name: 'kept', topicId: NO_UUID }, { name: 'hidden', topicId: NO_UUID }, { name: null, topicId: id('hidden') }], timeoutMs: 0,
  })
  expect(responses).toMatchObject([
    { name: 'kept', topicId: id('kept'), errorCode: 29 }, { name: 'hidden', topicId: NO_UUID, errorCode: 29 },
    { name: null, topicId: id('hidden'), errorCode: 29 },
  ])

  const grown = await raw.request(createPartitions, 3, { topics: [{ name: 'kept', count: 2, assignments: null }], timeoutMs: 0, validateOnly: false })
  expect(kafkaErrorName(grown.results[0]!.errorCode)).toBe('TOPIC_AUTHORIZATION_FAILED')
  const elected = await raw.request(electLeaders, 2, { electionType: 0, topicPartitions: null, timeoutMs: 0 })
  expect(elected).toMatchObject({ errorCode: 31, replicaElectionResults: [] })
  const moved = await raw.request(alterPartitionReassignments, 0, { timeoutMs: 0, topics: [] })
  expect(moved.errorCode).toBe(31)
  const dirs = await raw.request(describeLogDirs, 4, { topics: null })
  expect(dirs).toMatchObject({ errorCode: 31, results: [] })
  const shown = await raw.request(describeTopicPartitions, 0, { topics: [{ name: 'hidden' }, { name: 'kept' }], responsePartitionLimit: 10 })
  expect(shown.topics).toMatchObject([{ name: 'kept', errorCode: 0 }, { name: 'hidden', errorCode: 29, topicId: NO_UUID, partitions: [] }])
  const all = await raw.request(describeTopicPartitions, 0, { topics: [], responsePartitionLimit: 10 })
  expect(all.topics.map(({ name }) => name)).toEqual(['kept', 'shy'])
})

test('a request that names as much as fits into it costs no more than its size', async () => {
  const { client, log } = await startListener()
  const raw = await client()
  await create(raw, topic('orders'))
  const started = performance.now()
  const topics = Array.from({ length: 20_000 }, (_, index) => ({ name: `t${index}`, topicId: NO_UUID }))
  const gone = await raw.request(deleteTopics, 6, { topics: [...topics, ...topics], timeoutMs: 0 })
  expect(gone.responses).toHaveLength(20_000)
  expect(performance.now() - started).toBeLessThan(4000)
  expect(log.core.topics).toHaveLength(1)
})

test('who asks and sends no more has everything done, and is answered', async () => {
  const { client, log, kafka } = await startListener()
  const raw = await client()
  const made = create(raw, ...Array.from({ length: 20 }, (_, index) => topic(`t${index}`)))
  raw.finish()
  expect(await made).toEqual(Array(20).fill('NONE'))
  await raw.closed
  expect(log.core.topics).toHaveLength(20)
  expect(kafka.connections).toBe(0)
})

test('many partitions of a topic are moved by one change of what is kept', async () => {
  const files = new MemoryFileSystem()
  const { client, kafka } = await startListener({ brokers: 2, log: { files } })
  const raw = await client()
  await create(raw, topic('wide', { numPartitions: 500 }))
  let changes = 0
  const rename = files.renameSync.bind(files)
  files.renameSync = (...given) => {
    changes++
    return rename(...given)
  }
  const last = kafka.brokers[1]!.nodeId
  const partitions = Array.from({ length: 500 }, (_, partitionIndex) => ({ partitionIndex, replicas: [last] }))
  const moved = await raw.request(alterPartitionReassignments, 0, { timeoutMs: 0, topics: [{ name: 'wide', partitions }] })
  expect(moved.responses[0]!.partitions.every(({ errorCode }) => errorCode === 0)).toBe(true)
  expect((await places(raw, 'wide')).every(({ leader }) => leader === last)).toBe(true)
  expect(changes).toBe(1)
})
