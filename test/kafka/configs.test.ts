import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { kafkaErrorName } from '../../src/format/kafka-errors.ts'
import { createTopics } from '../../src/kafka/apis/19-create-topics.ts'
import { describeConfigs } from '../../src/kafka/apis/32-describe-configs.ts'
import { alterConfigs } from '../../src/kafka/apis/33-alter-configs.ts'
import { incrementalAlterConfigs } from '../../src/kafka/apis/44-incremental-alter-configs.ts'
import { describeClientQuotas } from '../../src/kafka/apis/48-describe-client-quotas.ts'
import { alterClientQuotas } from '../../src/kafka/apis/49-alter-client-quotas.ts'
import { updateFeatures } from '../../src/kafka/apis/57-update-features.ts'
import { listConfigResources } from '../../src/kafka/apis/74-list-config-resources.ts'
import { brokerConfigs, dynamicBrokerConfigs } from '../../src/kafka/configs/broker-configs.ts'
import { wrongValue } from '../../src/kafka/configs/config-types.ts'
import { clientMetricsConfigs, groupConfigs } from '../../src/kafka/configs/other-configs.ts'
import { brokerSynonyms, settingOf, topicConfigs } from '../../src/kafka/configs/topic-configs.ts'
import { settingsOf } from '../../src/kafka/configs/topic-settings.ts'
import { type RawClient, startListener } from './harness.ts'

const [TOPIC, BROKER, LOGGER, METRICS, GROUP] = [2, 4, 8, 16, 32] as const
const [SET, DELETE] = [0, 1] as const
const [DYNAMIC_TOPIC, STATIC_BROKER, DEFAULT] = [1, 4, 5] as const

async function create(client: RawClient, name: string, configs: Readonly<Record<string, string>> = {}): Promise<void> {
  const given = Object.entries(configs).map(([config, value]) => ({ name: config, value }))
  const topics = [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: given }]
  const answer = await client.request(createTopics, 5, { topics, timeoutMs: 0, validateOnly: false })
  expect(answer.topics[0]).toMatchObject({ errorCode: 0 })
}

/** `value@source` of some configs. */
async function described(client: RawClient, type: number, name: string, ...configs: string[]): Promise<(string | undefined)[]> {
  const resources = [{ resourceType: type, resourceName: name, configurationKeys: null }]
  const { results } = await client.request(describeConfigs, 4, { resources })
  expect(results[0]).toMatchObject({ errorCode: 0 })
  return configs.map((config) => {
    const found = results[0]!.configs.find((one) => one.name === config)
    return found === undefined ? undefined : `${found.value}@${found.configSource}`
  })
}

async function alter(client: RawClient, type: number, name: string, configs: Readonly<Record<string, string | null>>): Promise<string> {
  const given = Object.entries(configs).map(([config, value]) => ({ name: config, value, configOperation: value === null ? DELETE : SET }))
  const resources = [{ resourceType: type, resourceName: name, configs: given }]
  const { responses } = await client.request(incrementalAlterConfigs, 1, { resources, validateOnly: false })
  return `${kafkaErrorName(responses[0]!.errorCode)} ${responses[0]!.errorMessage ?? ''}`.trim()
}

/* ---- tables ---- */

test('every default is a value that its config may have, and every setting of ours that Kafka has is honoured', () => {
  for (const table of [topicConfigs, brokerConfigs, dynamicBrokerConfigs, groupConfigs, clientMetricsConfigs]) {
    for (const definition of table.values()) {
      if (definition.default !== null) expect([definition.name, wrongValue(definition, definition.default)]).toEqual([definition.name, undefined])
    }
  }
  for (const [name, synonyms] of brokerSynonyms) {
    expect(topicConfigs.has(name)).toBe(true)
    for (const synonym of synonyms) expect(brokerConfigs.has(synonym)).toBe(true)
  }
  expect([...settingOf.keys()].sort()).toEqual([
    'cleanup.policy', 'compression.type', 'delete.retention.ms', 'file.delete.delay.ms', 'index.interval.bytes', 'max.compaction.lag.ms',
    'max.message.bytes', 'message.timestamp.after.max.ms', 'message.timestamp.before.max.ms', 'message.timestamp.type',
    'min.cleanable.dirty.ratio', 'min.compaction.lag.ms', 'retention.bytes', 'retention.ms', 'segment.bytes', 'segment.index.bytes',
    'segment.jitter.ms', 'segment.ms',
  ])
})

test('who asks for documentation is told what the configs mean that change something here, by each of their names', async () => {
  const client = await (await startListener()).client()
  await create(client, 'a')
  const both = [[TOPIC, 'a'], [BROKER, '1']] as const
  const resources = both.map(([resourceType, resourceName]) => ({ resourceType, resourceName, configurationKeys: null }))
  const asked = await client.request(describeConfigs, 4, { resources, includeDocumentation: true })
  const [topic, broker] = asked.results.map(({ configs }) => new Map(configs.map(({ name, documentation }) => [name, documentation])))
  for (const name of settingOf.keys()) {
    expect([name, topic!.get(name)]).toEqual([name, expect.stringMatching(/^["A-Z].+\.$/)])
    expect(broker!.get(brokerSynonyms.get(name)![0]!)).toBe(topic!.get(name))
  }
  expect(broker!.get('num.partitions')).toMatch(/^Partitions of a topic/)
  expect(topic!.get('preallocate')).toBe(null)

  const unasked = await client.request(describeConfigs, 4, { resources })
  expect(unasked.results.flatMap(({ configs }) => configs).every(({ documentation }) => documentation === null)).toBe(true)
})

test('a value that our settings do not go to is honoured as far as they do', () => {
  const means = (name: string, text: string): unknown => Object.values(settingsOf(new Map([[name, text]])))
  expect(means('max.message.bytes', '10')).toEqual([100])
  expect(means('file.delete.delay.ms', '99999999999')).toEqual([0x7fff_ffff])
  expect(means('segment.index.bytes', '4')).toEqual([24])
  expect(means('retention.ms', '-1')).toEqual([Infinity])
  expect(means('retention.bytes', '-9')).toEqual([Infinity])
  expect(means('retention.ms', '9223372036854775807')).toEqual([Infinity])
  expect(means('max.compaction.lag.ms', '9007199254740993')).toEqual([Infinity])
  expect(means('cleanup.policy', 'delete, compact')).toEqual(['compact,delete'])
  expect(means('internal.segment.bytes', '200')).toEqual([200])
  expect(settingsOf(new Map([['cleanup.policy', ''], ['retention.ms', '5']])))
    .toEqual({ cleanupPolicy: 'delete', retentionMs: Infinity, retentionBytes: Infinity })
})

/* ---- topics ---- */

test('a config of a topic is a setting of it at once, and a setting that the program makes is a config', async () => {
  const { log, client } = await startListener()
  const raw = await client()
  await create(raw, 'orders', { 'retention.ms': '5000' })
  const orders = await log.topic('orders')
  const entry = (): object => log.core.topics[0]!.settings
  expect(await alter(raw, TOPIC, 'orders', { 'max.message.bytes': '3000', 'flush.ms': '9', 'retention.ms': null })).toBe('NONE')
  expect(entry()).toMatchObject({ maxMessageBytes: 3000, retentionMs: 604_800_000 })
  expect(await described(raw, TOPIC, 'orders', 'max.message.bytes', 'flush.ms', 'retention.ms')).toEqual(['3000@1', '9@1', '604800000@5'])

  await orders.alter({ maxMessageBytes: 4000, retentionMs: 8 })
  expect(await described(raw, TOPIC, 'orders', 'max.message.bytes', 'flush.ms', 'retention.ms')).toEqual(['4000@1', '9@1', '8@1'])
  expect(await alter(raw, TOPIC, 'orders', { 'retention.ms': null })).toBe('NONE')
  expect(entry()).toMatchObject({ maxMessageBytes: 4000, retentionMs: 604_800_000 })
})

test('a topic of the program shows what holds for it, and from where', async () => {
  const { log, client } = await startListener({ log: { segmentBytes: 1 << 24 } })
  await log.topic('mine', { partitions: 1, retentionBytes: 1 << 20 })
  const shown = await described(await client(), TOPIC, 'mine', 'retention.ms', 'retention.bytes', 'segment.bytes', 'segment.ms')
  expect(shown).toEqual([`-1@${DEFAULT}`, `1048576@${DYNAMIC_TOPIC}`, `16777216@${STATIC_BROKER}`, `604800000@${DEFAULT}`])
})

test('replacing all configs takes back those that are not named, whoever set them', async () => {
  const { log, client } = await startListener()
  const raw = await client()
  await create(raw, 'orders', { 'retention.ms': '5000', 'flush.ms': '7' })
  await (await log.topic('orders')).alter({ segmentMs: 1000 })
  const resources = [{ resourceType: TOPIC, resourceName: 'orders', configs: [{ name: 'max.message.bytes', value: '900' }] }]
  const { responses } = await raw.request(alterConfigs, 2, { resources, validateOnly: false })
  expect(responses).toEqual([{ errorCode: 0, errorMessage: null, resourceType: TOPIC, resourceName: 'orders' }])
  expect(await described(raw, TOPIC, 'orders', 'retention.ms', 'flush.ms', 'segment.ms', 'max.message.bytes'))
    .toEqual(['604800000@5', '9223372036854775807@5', '604800000@5', '900@1'])
})

test('changes of one topic at the same time are all there afterwards', async () => {
  const { client } = await startListener()
  const clients = await Promise.all(Array.from({ length: 5 }, () => client()))
  await create(clients[0]!, 'orders')
  const names = ['retention.ms', 'segment.ms', 'flush.ms', 'max.message.bytes', 'index.interval.bytes']
  await Promise.all(names.map((name, index) => alter(clients[index]!, TOPIC, 'orders', { [name]: '1234' })))
  expect(await described(clients[0]!, TOPIC, 'orders', ...names)).toEqual(names.map(() => '1234@1'))
})

test('a config that cannot be leaves the others as they were', async () => {
  const { client, log } = await startListener()
  const raw = await client()
  await create(raw, 'orders')
  expect(await alter(raw, TOPIC, 'orders', { 'retention.ms': '1', 'segment.bytes': '1' }))
    .toBe('INVALID_CONFIG Invalid value 1 for configuration segment.bytes: Value must be at least 1048576')
  expect(log.core.topics[0]!.settings).toMatchObject({ retentionMs: 604_800_000 })
  const { responses } = await raw.request(incrementalAlterConfigs, 1, {
    resources: ['unknown', 'orders'].map((resourceName) => ({
      resourceType: TOPIC, resourceName, configs: [{ name: 'retention.ms', configOperation: SET, value: '3' }],
    })), validateOnly: false,
  })
  expect(responses.map(({ errorCode }) => kafkaErrorName(errorCode))).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'NONE'])
})

/* ---- brokers ---- */

test('what brokers say of topics holds for those that have not their own, made before and after', async () => {
  const { client, log } = await startListener({ topicDefaults: { segmentMs: 5000 } })
  const raw = await client()
  await create(raw, 'before')
  await create(raw, 'own', { 'retention.ms': '5' })
  await log.topic('mine')
  expect(await described(raw, TOPIC, 'before', 'segment.ms')).toEqual([`5000@${STATIC_BROKER}`])
  expect(await alter(raw, BROKER, '', { 'log.retention.ms': '1000', 'message.max.bytes': '700' })).toBe('NONE')
  await create(raw, 'after')
  const retention = (): (number | undefined)[] => ['before', 'own', 'mine', 'after']
    .map((name) => log.core.topics.find((entry) => entry.name === name)!.settings.retentionMs)
  expect(retention()).toEqual([1000, 5, undefined, 1000])
  expect(await described(raw, TOPIC, 'before', 'retention.ms', 'max.message.bytes')).toEqual(['1000@3', '700@3'])
  expect(await described(raw, TOPIC, 'own', 'retention.ms', 'max.message.bytes')).toEqual(['5@1', '700@3'])
  expect(await alter(raw, BROKER, '', { 'log.retention.ms': null, 'message.max.bytes': null })).toBe('NONE')
  expect(retention()).toEqual([604_800_000, 5, undefined, 604_800_000])
  expect(await described(raw, TOPIC, 'after', 'retention.ms', 'max.message.bytes')).toEqual(['604800000@5', '1048588@5'])
})

test('what was set is there after a restart', async () => {
  const files = new MemoryFileSystem()
  const first = await startListener({ log: { files } })
  const raw = await first.client()
  const node = String(first.kafka.brokers[0]!.nodeId)
  await create(raw, 'orders', { 'flush.ms': '8', 'cleanup.policy': 'delete,compact' })
  await alter(raw, BROKER, node, { 'num.io.threads': '9' })
  await alter(raw, GROUP, 'g', { 'consumer.session.timeout.ms': '50000' })
  await alter(raw, METRICS, 'm', { 'interval.ms': '500' })
  const entity = [{ entityType: 'user', entityName: 'ada' }]
  await raw.request(alterClientQuotas, 1, {
    entries: [{ entity, ops: ['producer_byte_rate', 'consumer_byte_rate'].map((key) => ({ key, value: 9, remove: false })) }], validateOnly: false,
  })
  await first.kafka.close()
  await first.log.close()

  const again = await (await startListener({ log: { files } })).client()
  expect(await described(again, TOPIC, 'orders', 'flush.ms', 'cleanup.policy')).toEqual(['8@1', 'delete,compact@1'])
  expect(await described(again, BROKER, node, 'num.io.threads')).toEqual(['9@2'])
  expect(await described(again, GROUP, 'g', 'consumer.session.timeout.ms')).toEqual(['50000@8'])
  expect(await described(again, METRICS, 'm', 'interval.ms')).toEqual(['500@7'])
  const { entries } = await again.request(describeClientQuotas, 1, { components: [], strict: false })
  // As Kafka does: clients compare them in order.
  expect(entries).toEqual([{ entity, values: [{ key: 'consumer_byte_rate', value: 9 }, { key: 'producer_byte_rate', value: 9 }] }])
  const { configResources } = await again.request(listConfigResources, 1, { resourceTypes: [GROUP, METRICS] })
  expect(configResources.map(({ resourceName }) => resourceName)).toEqual(['g', 'm'])
})

test('a broker answers for itself, and says what it is', async () => {
  const { client, kafka } = await startListener({ brokers: 2, numPartitions: 4, autoCreateTopics: false })
  const [one, two] = kafka.brokers.map(({ nodeId }) => String(nodeId)) as [string, string]
  const raw = await client(1)
  expect(await described(raw, BROKER, two, 'node.id', 'num.partitions', 'auto.create.topics.enable', 'listener.security.protocol.map'))
    .toEqual([`${two}@4`, '4@4', 'false@4', 'PLAINTEXT:PLAINTEXT@4'])
  const { results } = await raw.request(describeConfigs, 1, { resources: [{ resourceType: BROKER, resourceName: one, configurationKeys: null }] })
  expect(results[0]).toMatchObject({ errorCode: 42, errorMessage: `Unexpected broker id, expected ${two} or empty string, but received ${one}` })
  expect(await alter(raw, BROKER, one, { 'num.io.threads': '9' })).toBe(`INVALID_REQUEST Unexpected broker id, expected ${two}, but received ${one}`)
})

test('how logins are renewed may be told to all brokers, keys of TLS only to a listener', async () => {
  const { client } = await startListener()
  const raw = await client()
  expect(await alter(raw, BROKER, '', { 'sasl.kerberos.min.time.before.relogin': '58000' })).toBe('NONE')
  expect(await alter(raw, BROKER, '', { 'ssl.key.password': 'x' })).toMatch(/^INVALID_REQUEST .*per-listener/)
})

test('secrets are not shown', async () => {
  const { client, kafka } = await startListener()
  const raw = await client()
  const node = String(kafka.brokers[0]!.nodeId)
  expect(await alter(raw, BROKER, node, { 'my.own.secret': 'hunter2' })).toBe('NONE')
  const { results } = await raw.request(describeConfigs, 4, {
    resources: [{ resourceType: BROKER, resourceName: node, configurationKeys: ['my.own.secret', 'ssl.key.password'] }], includeSynonyms: true,
  })
  expect(JSON.stringify(results)).not.toContain('hunter2')
  expect(results[0]!.configs).toMatchObject([{ value: null, isSensitive: true }, { value: null, isSensitive: true }])
})

test('levels of loggers are held', async () => {
  const { client, kafka } = await startListener()
  const raw = await client()
  const node = String(kafka.brokers[0]!.nodeId)
  expect(await alter(raw, LOGGER, node, { 'kafka.log': 'TRACE' })).toBe('NONE')
  expect(await described(raw, LOGGER, node, 'root', 'kafka.log')).toEqual(['INFO@6', 'TRACE@6'])
})

/* ---- who may ---- */

test('who may not describe or alter is told so, for each resource', async () => {
  const { client, kafka } = await startListener({ authorizer: { allows: (_peer, operation) => !/CONFIGS|^ALTER$/.test(operation) } })
  const raw = await client()
  const node = String(kafka.brokers[0]!.nodeId)
  const resources = [[TOPIC, 'orders'], [BROKER, node], [METRICS, 'm'], [GROUP, 'g']] as const
  const codes = ['TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED', 'GROUP_AUTHORIZATION_FAILED']
  const shown = await raw.request(describeConfigs, 4, {
    resources: resources.map(([resourceType, resourceName]) => ({ resourceType, resourceName, configurationKeys: null })),
  })
  expect(shown.results.map(({ errorCode }) => kafkaErrorName(errorCode))).toEqual(codes)
  expect(shown.results.flatMap(({ configs }) => configs)).toEqual([])
  const altered = await raw.request(incrementalAlterConfigs, 1, {
    resources: resources.map(([resourceType, resourceName]) => ({ resourceType, resourceName, configs: [] })), validateOnly: false,
  })
  expect(altered.responses.map(({ errorCode }) => kafkaErrorName(errorCode))).toEqual(codes)
  expect(await raw.request(listConfigResources, 1, { resourceTypes: [] })).toMatchObject({ errorCode: 31, configResources: [] })
  expect(await raw.request(describeClientQuotas, 1, { components: [], strict: false })).toMatchObject({ errorCode: 31, entries: null })
  const entity = [{ entityType: 'user', entityName: 'ada' }]
  const quotas = await raw.request(alterClientQuotas, 1, { entries: [{ entity, ops: [] }], validateOnly: false })
  expect(quotas.entries).toMatchObject([{ errorCode: 31, entity }])
  expect(await raw.request(updateFeatures, 2, { featureUpdates: [] })).toMatchObject({ errorCode: 31 })
})
