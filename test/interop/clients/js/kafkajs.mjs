/*
 * The scenarios with kafkajs: node kafkajs.mjs <bootstrap> <scenario>...
 */
import kafkajs from 'kafkajs'
import SnappyCodec from 'kafkajs-snappy'
import { lz4, zstd } from './codecs.mjs'
import { CODECS, LARGE, T0, codecValue, each, eventually, run, shown } from './scenario.mjs'

const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = kafkajs

// kafkajs brings gzip; other codecs are registered.
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
CompressionCodecs[CompressionTypes.LZ4] = () => lz4
CompressionCodecs[CompressionTypes.ZSTD] = () => zstd

const [bootstrap] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'kafkajs', brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
const types = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }
// A consumer that is stopped waits for the fetch that is under way.
const quick = { maxWaitTimeInMs: 100 }
const admin = kafka.admin()

/** The broker's code of what a call threw; 0 when it did not. */
async function errorOf(call) {
  try {
    await call()
    return 0
  } catch (error) {
    return (error.errors?.[0] ?? error.cause ?? error).code ?? error.message
  }
}

async function created(topic, numPartitions = 1, configEntries = []) {
  await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }] })
}

/** The first `count` records of a topic, as a group without a past sees them. */
async function consumed(topic, count, { readUncommitted = false } = {}) {
  const groupId = `${topic}-${readUncommitted ? 'all' : 'reader'}`
  const consumer = kafka.consumer({ groupId, readUncommitted, maxBytesPerPartition: 2 << 20, ...quick })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const records = []
  await consumer.run({ eachMessage: async ({ message }) => void records.push(message) })
  await eventually(() => records.length >= count)
  await consumer.disconnect()
  return records
}

async function withProducer(options, use) {
  const producer = kafka.producer(options)
  await producer.connect()
  try {
    return await use(producer)
  } finally {
    await producer.disconnect()
  }
}

const scenarios = {
  async codecs(say) {
    await created('codecs')
    await withProducer({}, async (producer) => {
      for (const codec of CODECS) {
        const messages = each(10, (i) => ({ key: `${codec}-${i}`, value: codecValue(codec, i) }))
        const [{ baseOffset }] = await producer.send({ topic: 'codecs', compression: types[codec], messages })
        say('produced', { codec, offset: Number(baseOffset) })
      }
    })
    const records = await consumed('codecs', 50)
    say('consumed', { keys: records.map(({ key }) => String(key)) })
  },

  async idempotence(say) {
    await created('idempotence')
    await withProducer({ idempotent: true, maxInFlightRequests: 1 }, async (producer) => {
      for (const b of each(10, (b) => b)) await producer.send({ topic: 'idempotence', messages: each(10, (i) => ({ value: `${b * 10 + i}` })) })
    })
    const records = await consumed('idempotence', 100)
    const distinct = new Set(records.map(({ value }) => String(value))).size
    say('consumed', { first: Number(records[0].offset), last: Number(records.at(-1).offset), distinct })
  },

  async records(say) {
    await created('records', 1, [{ name: 'retention.ms', value: '-1' }])
    await withProducer({}, async (producer) => {
      const messages = [
        { key: 'large', value: LARGE },
        { key: 'gone', value: null },
        { key: 'headers', value: 'h', headers: { trace: ['1', '2'], empty: '' } },
        { key: null, value: 'no key' },
      ]
      await producer.send({ topic: 'records', messages: messages.map((message, i) => ({ ...message, timestamp: String(T0 + i * 1000) })) })
    })
    for (const { offset, timestamp, key, value, headers } of await consumed('records', 4)) {
      const pairs = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((one) => [name, String(one)]))
      say('consumed', { offset: Number(offset), timestamp: Number(timestamp), key: shown(key), value: shown(value), headers: pairs })
    }
    for (const time of [T0 + 1500, T0 + 9000]) {
      const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp('records', time)
      say('offset for time', { time, offset: Number(offset) })
    }
    const [{ low, high }] = await admin.fetchTopicOffsets('records')
    say('offsets', { earliest: Number(low), latest: Number(high) })
  },

  async group(say) {
    const topic = 'group'
    await created(topic, 4)
    const seen = []
    const produce = (from) => withProducer({}, async (producer) => {
      const messages = each(40, (i) => ({ partition: i % 4, value: `${from + i}` }))
      await producer.send({ topic, messages })
    })
    const join = async () => {
      const consumer = kafka.consumer({ groupId: topic, rebalanceTimeout: 5000, heartbeatInterval: 200, ...quick })
      const member = { consumer, assigned: [] }
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { member.assigned = payload.memberAssignment[topic] ?? [] })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      await consumer.run({ eachMessage: async ({ partition, message }) => void seen.push(`${partition} ${message.offset} ${message.value}`) })
      return member
    }
    const read = async (by, count) => {
      await eventually(() => seen.length >= count)
      say('consumed', { by, count: seen.length, distinct: new Set(seen).size })
    }
    const committed = async (expected) => {
      let offsets = []
      await eventually(async () => {
        const [{ partitions }] = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
        offsets = partitions.toSorted((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset))
        return offsets.every((offset) => offset === expected)
      })
      say('committed', { offsets })
    }
    await produce(0)
    const first = await join()
    await eventually(() => first.assigned.length === 4)
    say('alone', { assigned: first.assigned.toSorted() })
    await read('first', 40)
    await committed(10)
    const second = await join()
    await eventually(() => first.assigned.length === 2 && second.assigned.length === 2)
    say('together', { sizes: [first.assigned.length, second.assigned.length], assigned: [...first.assigned, ...second.assigned].sort() })
    const { groups: [{ state, members }] } = await admin.describeGroups([topic])
    say('described', { state: state.toLowerCase(), members: members.length })
    await produce(40)
    await read('both', 80)
    await committed(20)
    await second.consumer.disconnect()
    await eventually(() => first.assigned.length === 4)
    say('alone', { assigned: first.assigned.toSorted() })
    await first.consumer.disconnect()
  },

  async transactions(say) {
    const topic = 'transactions'
    await created(topic)
    await withProducer({ transactionalId: 'tx', maxInFlightRequests: 1, idempotent: true }, async (producer) => {
      const committed = await producer.transaction()
      await committed.send({ topic, messages: each(5, (i) => ({ value: `c${i}` })) })
      await committed.commit()
      const aborted = await producer.transaction()
      await aborted.send({ topic, messages: each(5, (i) => ({ value: `a${i}` })) })
      await aborted.abort()
      const offsets = await producer.transaction()
      await offsets.send({ topic, messages: each(3, (i) => ({ value: `d${i}` })) })
      await offsets.sendOffsets({ consumerGroupId: 'tx-group', topics: [{ topic, partitions: [{ partition: 0, offset: '5' }] }] })
      await offsets.commit()
    })
    const committed = await consumed(topic, 8)
    say('read committed', { values: committed.map(({ value }) => String(value)), offsets: committed.map(({ offset }) => Number(offset)) })
    const all = await consumed(topic, 13, { readUncommitted: true })
    say('read uncommitted', { values: all.map(({ value }) => String(value)) })
    const [{ partitions: [{ offset }] }] = await admin.fetchOffsets({ groupId: 'tx-group', topics: [topic] })
    say('group', { offset: Number(offset) })
  },

  async admin(say) {
    const topic = 'admin'
    const config = async (...names) => {
      const { resources: [{ configEntries }] } = await admin.describeConfigs({
        includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: names }],
      })
      return Object.fromEntries(configEntries.map(({ configName, configValue }) => [configName, configValue]))
    }
    const partitions = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions
    say('created', { error: await errorOf(() => created(topic, 3, [{ name: 'cleanup.policy', value: 'compact,delete' }])) })
    // kafkajs makes false of TOPIC_ALREADY_EXISTS.
    say('created again', { error: await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }) ? 0 : 36 })
    say('created with a bad name', { error: await errorOf(() => created('no such/name')) })
    say('described', { partitions: (await partitions()).length, replicas: (await partitions())[0].replicas.length })
    say('config', { entries: await config('cleanup.policy', 'retention.ms') })
    await admin.alterConfigs({
      validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '3600000' }] }],
    })
    say('altered', { entries: await config('retention.ms') })
    await withProducer({}, (producer) => producer.send({ topic, messages: each(3, () => ({ key: 'k', partition: 0, value: 'v' })) }))
    // It knows the leaders of a topic only once it has asked for something else of it.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] })
    const { low, high } = (await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 0)
    say('records deleted', { low: Number(low), high: Number(high) })
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    await eventually(async () => (await partitions()).length === 5)
    say('more partitions', { partitions: (await partitions()).length })
    say('deleted', { error: await errorOf(() => admin.deleteTopics({ topics: [topic] })) })
    say('deleted again', { error: await errorOf(() => admin.deleteTopics({ topics: [topic] })) })
  },
}

await admin.connect()
await run(scenarios)
await admin.disconnect()
// What a scenario that failed left open would keep it from ending.
process.exit()
