/*
 * The scenarios with @platformatic/kafka: node platformatic.mjs <bootstrap> <scenario>...
 */
import {
  Admin, ConfigResourceTypes, Consumer, IncrementalAlterConfigOperationTypes, Producer, stringDeserializers, stringSerializers,
} from '@platformatic/kafka'
import { CODECS, LARGE, T0, codecValue, each, eventually, run, shown } from './scenario.mjs'

const [bootstrap] = process.argv.slice(2)
const base = { clientId: 'platformatic', bootstrapBrokers: bootstrap.split(',') }
const admin = new Admin(base)

const create = (topic, partitions = 1, configs = []) => admin.createTopics({ topics: [topic], partitions, replicas: 1, configs })

/** The broker's code of what a call threw; 0 when it did not. */
async function errorOf(call) {
  try {
    await call()
    return 0
  } catch (error) {
    for (let cause = error; cause !== undefined; cause = cause.cause ?? cause.errors?.[0]) if (cause.apiCode !== undefined) return cause.apiCode
    return String(error)
  }
}

async function withProducer(options, use) {
  const producer = new Producer({ ...base, serializers: stringSerializers, autocreateTopics: false, ...options })
  try {
    return await use(producer)
  } finally {
    await producer.close()
  }
}

const produce = (topic, messages, options = {}) =>
  withProducer(options, (producer) => producer.send({ messages: messages.map((message) => ({ topic, partition: 0, ...message })) }))

/** A transaction. A broker may need a moment to end the one before, and this client does not try again when it is told so. */
async function begun(producer) {
  await new Promise((resolve) => { setTimeout(resolve, 500) })
  return producer.beginTransaction()
}

/** The first records of a topic, as a group without a past sees them. */
async function consumed(topic, count, { isolationLevel = 0, groupId = `${topic}-${isolationLevel}`, use = () => {} } = {}) {
  const consumer = new Consumer({ ...base, groupId, deserializers: stringDeserializers, isolationLevel })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false, maxWaitTime: 100 })
  const records = []
  for await (const message of stream) {
    records.push(message)
    if (records.length === count) break
  }
  await use(records.at(-1), consumer)
  await consumer.close(true)
  return records
}

/** The offset of partition 0 for a time; -1 is the end, -2 the beginning. */
async function listed(topic, timestamp) {
  const partition = { partitionIndex: 0, timestamp: BigInt(timestamp) }
  const [{ partitions: [{ offset }] }] = await admin.listOffsets({ topics: [{ name: topic, partitions: [partition] }] })
  return Number(offset)
}

async function groupOffsets(group) {
  const [{ topics }] = await admin.listConsumerGroupOffsets({ groups: [group] })
  const partitions = topics[0]?.partitions ?? []
  return partitions.toSorted((one, other) => one.partitionIndex - other.partitionIndex).map(({ committedOffset }) => Number(committedOffset))
}

const grouped = (groupProtocol) => async (say) => {
  const topic = `${groupProtocol}-group`
  await create(topic, 4)
  const seen = []
  const send = (from) => produce(topic, each(40, (i) => ({ partition: i % 4, value: `${from + i}` })))
  const join = async () => {
    const timing = groupProtocol === 'classic' ? { heartbeatInterval: 200, sessionTimeout: 6000, rebalanceTimeout: 6000 } : {}
    const consumer = new Consumer({ ...base, groupId: topic, groupProtocol, deserializers: stringDeserializers, ...timing })
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit: 100, maxWaitTime: 100 })
    stream.on('data', ({ partition, offset, value }) => void seen.push(`${partition} ${offset} ${value}`))
    const assigned = () => (consumer.assignments ?? []).flatMap(({ partitions }) => partitions).toSorted()
    return { assigned, leave: async () => { await stream.close(); await consumer.close(true) } }
  }
  const read = async (by, count) => {
    // On a busy machine this client may hand out again, behind a rebalance, what it had fetched before: what counts is that all of it comes.
    await eventually(() => new Set(seen).size >= count)
    seen.splice(0, seen.length, ...new Set(seen))
    say('consumed', { by, count: seen.length, distinct: new Set(seen).size })
  }
  const committed = async (expected) => {
    let offsets
    await eventually(async () => {
      offsets = await groupOffsets(topic)
      return offsets.length === 4 && offsets.every((offset) => offset === expected)
    })
    say('committed', { offsets })
  }
  await send(0)
  const first = await join()
  await eventually(() => first.assigned().length === 4)
  say('alone', { assigned: first.assigned() })
  await read('first', 40)
  await committed(10)
  const second = await join()
  await eventually(() => first.assigned().length === 2 && second.assigned().length === 2)
  say('together', { sizes: [first.assigned().length, second.assigned().length], assigned: [...first.assigned(), ...second.assigned()].sort() })
  if (groupProtocol === 'classic') {
    const { state, members } = (await admin.describeGroups({ groups: [topic] })).get(topic)
    say('described', { state: state.toLowerCase(), members: members.size })
  }
  await send(40)
  await read('both', 80)
  await committed(20)
  await second.leave()
  await eventually(() => first.assigned().length === 4)
  say('alone', { assigned: first.assigned() })
  await first.leave()
}

const scenarios = {
  async codecs(say) {
    await create('codecs')
    for (const codec of CODECS) {
      const messages = each(10, (i) => ({ key: `${codec}-${i}`, value: codecValue(codec, i) }))
      const { offsets: [{ offset }] } = await produce('codecs', messages, { compression: codec })
      say('produced', { codec, offset: Number(offset) })
    }
    say('consumed', { keys: (await consumed('codecs', 50)).map(({ key }) => key) })
  },

  async idempotence(say) {
    await create('idempotence')
    await withProducer({ idempotent: true }, async (producer) => {
      for (const b of each(10, (b) => b)) await producer.send({ messages: each(10, (i) => ({ topic: 'idempotence', value: `${b * 10 + i}` })) })
    })
    const records = await consumed('idempotence', 100)
    const distinct = new Set(records.map(({ value }) => value)).size
    say('consumed', { first: Number(records[0].offset), last: Number(records.at(-1).offset), distinct })
  },

  async records(say) {
    await create('records', 1, [{ name: 'retention.ms', value: '-1' }])
    const messages = [
      { key: 'large', value: LARGE },
      { key: 'gone' },
      // Its headers are a Map: a name stands once.
      { key: 'headers', value: 'h', headers: { trace: '2', empty: '' } },
      { value: 'no key' },
    ]
    await produce('records', messages.map((message, i) => ({ ...message, timestamp: BigInt(T0 + i * 1000) })))
    for (const { offset, timestamp, key, value, headers } of await consumed('records', 4)) {
      say('consumed', { offset: Number(offset), timestamp: Number(timestamp), key: shown(key), value: shown(value), headers: [...headers] })
    }
    for (const time of [T0 + 1500, T0 + 9000]) {
      const offset = await listed('records', time)
      say('offset for time', { time, offset: offset === -1 ? null : offset })
    }
    say('offsets', { earliest: await listed('records', -2), latest: await listed('records', -1) })
  },

  group: grouped('classic'),
  'consumer-group': grouped('consumer'),

  async transactions(say) {
    const topic = 'transactions'
    await create(topic)
    const values = (prefix, count) => ({ messages: each(count, (i) => ({ topic, value: `${prefix}${i}` })) })
    await withProducer({ transactionalId: 'tx', idempotent: true }, async (producer) => {
      const committed = await begun(producer)
      await committed.send(values('c', 5))
      await committed.commit()
      const aborted = await begun(producer)
      await aborted.send(values('a', 5))
      await aborted.abort()
      // Offsets are committed by what has read them.
      const use = async (last, consumer) => {
        const offsets = await begun(producer)
        await offsets.addConsumer(consumer)
        await offsets.send(values('d', 3))
        await offsets.addOffset(last)
        await offsets.commit()
      }
      await consumed(topic, 5, { groupId: 'tx-group', isolationLevel: 1, use })
    })
    const committed = await consumed(topic, 8, { isolationLevel: 1 })
    say('read committed', { values: committed.map(({ value }) => value), offsets: committed.map(({ offset }) => Number(offset)) })
    say('read uncommitted', { values: (await consumed(topic, 13)).map(({ value }) => value) })
    say('group', { offset: (await groupOffsets('tx-group'))[0] })
  },

  async admin(say) {
    const topic = 'admin'
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }
    const config = async (...names) => {
      const [{ configs }] = await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: names }] })
      return Object.fromEntries(configs.map(({ name, value }) => [name, value]))
    }
    const partitions = async () => (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic).partitions
    say('created', { error: await errorOf(() => create(topic, 3, [{ name: 'cleanup.policy', value: 'compact,delete' }])) })
    say('created again', { error: await errorOf(() => create(topic, 3)) })
    say('created with a bad name', { error: await errorOf(() => create('no such/name')) })
    say('described', { partitions: (await partitions()).length, replicas: (await partitions())[0].replicas.length })
    say('config', { entries: await config('cleanup.policy', 'retention.ms') })
    const configs = [{ name: 'retention.ms', configOperation: IncrementalAlterConfigOperationTypes.SET, value: '3600000' }]
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs }] })
    say('altered', { entries: await config('retention.ms') })
    await produce(topic, each(3, () => ({ partition: 0, key: 'k', value: 'v' })))
    await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 2n }] }] })
    say('records deleted', { low: await listed(topic, -2), high: await listed(topic, -1) })
    await admin.createPartitions({ topics: [{ name: topic, count: 5, assignments: null }] })
    await eventually(async () => (await partitions()).length === 5)
    say('more partitions', { partitions: (await partitions()).length })
    say('deleted', { error: await errorOf(() => admin.deleteTopics({ topics: [topic] })) })
    say('deleted again', { error: await errorOf(() => admin.deleteTopics({ topics: [topic] })) })
  },
}

await run(scenarios)
await admin.close()
// What a scenario that failed left open would keep it from ending.
process.exit()
