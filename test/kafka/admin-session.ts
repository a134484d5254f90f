/*
 * What an administrator asks of a cluster of one broker, in order: every admin API in every version, with what is right and what is wrong. The
 * answers of a real Kafka 4.1.1 to it are recorded in test/fixtures/kafka-4.1/admin.jsonl, and those of the listener are compared with them.
 */
import { type AnyApi } from '../../src/kafka/api.ts'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { createTopics } from '../../src/kafka/apis/19-create-topics.ts'
import { deleteTopics } from '../../src/kafka/apis/20-delete-topics.ts'
import { describeConfigs } from '../../src/kafka/apis/32-describe-configs.ts'
import { alterConfigs } from '../../src/kafka/apis/33-alter-configs.ts'
import { describeLogDirs } from '../../src/kafka/apis/35-describe-log-dirs.ts'
import { createPartitions } from '../../src/kafka/apis/37-create-partitions.ts'
import { electLeaders } from '../../src/kafka/apis/43-elect-leaders.ts'
import { incrementalAlterConfigs } from '../../src/kafka/apis/44-incremental-alter-configs.ts'
import { alterPartitionReassignments } from '../../src/kafka/apis/45-alter-partition-reassignments.ts'
import { listPartitionReassignments } from '../../src/kafka/apis/46-list-partition-reassignments.ts'
import { describeClientQuotas } from '../../src/kafka/apis/48-describe-client-quotas.ts'
import { alterClientQuotas } from '../../src/kafka/apis/49-alter-client-quotas.ts'
import { updateFeatures } from '../../src/kafka/apis/57-update-features.ts'
import { describeCluster } from '../../src/kafka/apis/60-describe-cluster.ts'
import { getTelemetrySubscriptions } from '../../src/kafka/apis/71-get-telemetry-subscriptions.ts'
import { pushTelemetry } from '../../src/kafka/apis/72-push-telemetry.ts'
import { listConfigResources } from '../../src/kafka/apis/74-list-config-resources.ts'
import { describeTopicPartitions } from '../../src/kafka/apis/75-describe-topic-partitions.ts'

/** Asks, notes the answer under a label that is there once, and gives it. */
export type Ask = (label: string, api: AnyApi, version: number, value: unknown) => Promise<Answer>

/** A decoded answer, whatever its API. */
export type Answer = any

const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA'
const SOME_ID = 'abcdefghijklmnopqrstuQ'
const [TOPIC, BROKER, LOGGER, METRICS, GROUP] = [2, 4, 8, 16, 32] as const
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3] as const

/**
 * Runs the session.
 *
 * @param settle  waits until all of a real cluster knows what was changed
 */
export async function adminSession(ask: Ask, settle: () => Promise<void>): Promise<void> {
  const cluster = await ask('who is there', describeCluster, 0, { includeClusterAuthorizedOperations: false })
  const session: Session = { ask, settle, node: cluster.brokers[0].brokerId }
  await creates(session)
  await describes(session)
  await altersTopics(session)
  await altersBrokers(session)
  await altersOthers(session)
  await replaces(session)
  await grows(session)
  await moves(session)
  await quotas(session)
  await features(session)
  await partitions(session)
  await deletes(session)
}

interface Session {
  readonly ask: Ask
  readonly settle: () => Promise<void>
  readonly node: number
}

/* ---- CreateTopics ---- */

type Pairs = readonly (readonly [string, string | null])[]

function topic(name: string, given: object = {}): object {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...given }
}

function withConfigs(name: string, ...configs: Pairs): object {
  return topic(name, { configs: configs.map(([config, value]) => ({ name: config, value })) })
}

function byHand(name: string, ...brokers: readonly (readonly number[])[]): object {
  return topic(name, {
    numPartitions: -1, replicationFactor: -1, assignments: brokers.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
  })
}

async function creates({ ask, settle, node }: Session): Promise<void> {
  const make = (label: string, topics: object[], version = 7, validateOnly = false): Promise<Answer> =>
    ask(`create ${label}`, createTopics, version, { topics, timeoutMs: 10_000, validateOnly })
  const check = (label: string, ...topics: object[]): Promise<Answer> => make(label, topics, 7, true)
  for (const version of [2, 3, 4, 5, 6, 7]) await make(`plain ${version}`, [topic(`plain-${version}`)], version)
  await check('only to see', topic('vo', { numPartitions: 3 }))
  await make('only to see, 4', [topic('vo', { numPartitions: 3 })], 4, true)
  await make('with defaults', [topic('defaults', { numPartitions: -1, replicationFactor: -1 })])
  await make('with configs', [withConfigs('conf', ['retention.ms', '1000'], ['cleanup.policy', 'compact,delete'], ['min.insync.replicas', '2'])])
  await check('with the default as config', withConfigs('usual', ['retention.ms', '604800000'], ['segment.bytes', '1073741824']))
  for (const replicationFactor of [3, 0, -2]) await check(`factor ${replicationFactor}`, topic('factor', { replicationFactor }))
  for (const numPartitions of [0, -2, 200_000]) await check(`partitions ${numPartitions}`, topic('partitions', { numPartitions }))
  await check('neither partitions nor replicas', topic('none', { numPartitions: 0, replicationFactor: 0 }))
  const internal = ['__consumer_offsets', '__cluster_metadata', '__transaction_state']
  const names = ['', '.', '..', 'a/b', 'a b', 'ü', 'x'.repeat(250), 'x'.repeat(249), ...internal]
  for (const name of names) await check(`name ${name.length > 200 ? name.length : name}`, topic(name))
  await make('what is there', [topic('conf')])
  await make('what is there, with nonsense', [withConfigs('conf', ['nonsense', '1'])])
  await make('col.li_de', [topic('col.li_de')])
  await make('col_li.de', [topic('col_li.de')])
  await make('col.li_de again', [topic('col.li_de')])
  await check('two that collide', topic('q.a'), topic('q_a'))
  await make('twice', [topic('dup'), topic('other-of-dup'), topic('dup')])
  await make('good and bad', [topic('mixed-ok'), topic('mixed-bad', { numPartitions: -5 }), topic('conf')])
  await make('by hand', [byHand('manual', [node], [node])])
  await check('by hand, with a count', { ...byHand('m', [node]), numPartitions: 2 })
  await check('by hand, with a factor', { ...byHand('m', [node]), replicationFactor: 1 })
  await check('by hand, unknown broker', byHand('m', [77]))
  await check('by hand, broker twice', byHand('m', [node, node]))
  await check('by hand, no broker', byHand('m', []))
  await check('by hand, with a gap', { ...byHand('m'), assignments: [{ partitionIndex: 1, brokerIds: [node] }] })
  const same = { partitionIndex: 0, brokerIds: [node] }
  await check('by hand, partition twice', { ...byHand('m'), assignments: [same, same] })
  for (const [name, value] of configTexts) await check(`${name}=${value}`, withConfigs('bc', [name, value]))
  await check('lags that contradict', withConfigs('bc', ['min.compaction.lag.ms', '10'], ['max.compaction.lag.ms', '5']))
  await check('config twice', withConfigs('bc', ['retention.ms', '1'], ['retention.ms', '2']))
  await check('two configs that are null', withConfigs('bc', ['retention.ms', null], ['segment.ms', null]))
  await make('nothing', [])
  await settle()
}

/** Right and wrong. */
const configTexts: Pairs = [
  ['nonsense', '1'], ['', '1'], ['Retention.ms', '1'], ['message.format.version', '2.8'], ['internal.segment.bytes', '100'],
  ['retention.ms', null], ['retention.ms', 'abc'], ['retention.ms', '-2'], ['retention.ms', ''], ['retention.ms', ' 5 '],
  ['retention.ms', '99999999999999999999'], ['retention.bytes', '-7'],
  ['cleanup.policy', 'compaction'], ['cleanup.policy', ''], ['cleanup.policy', 'delete,compact'], ['cleanup.policy', 'compact, compact'],
  ['segment.bytes', '14'], ['segment.bytes', '1048576'], ['segment.ms', '0'], ['flush.messages', '1'], ['file.delete.delay.ms', '99999999999'],
  ['compression.type', 'none'], ['compression.type', 'lz4'], ['compression.gzip.level', '0'], ['compression.gzip.level', '-1'],
  ['compression.lz4.level', '18'], ['compression.zstd.level', '-131073'],
  ['min.insync.replicas', '0'], ['min.cleanable.dirty.ratio', '1.5'], ['min.cleanable.dirty.ratio', '1'], ['min.cleanable.dirty.ratio', 'x'],
  ['min.cleanable.dirty.ratio', '-0.25'], ['min.compaction.lag.ms', '9223372036854775807'],
  ['preallocate', 'yes'], ['preallocate', 'TRUE'], ['unclean.leader.election.enable', 'true'],
  ['message.timestamp.type', 'now'], ['max.message.bytes', '10'], ['max.message.bytes', '3000000000'], ['max.message.bytes', '+10'],
  ['leader.replication.throttled.replicas', 'abc'], ['leader.replication.throttled.replicas', '*'],
  ['follower.replication.throttled.replicas', '0:1,1:x'], ['follower.replication.throttled.replicas', '0:1,1:1'],
  ['remote.storage.enable', 'true'], ['local.retention.ms', '-3'], ['delete.retention.ms', '1.5'],
]

/* ---- configs ---- */

type Operation = readonly [name: string, configOperation: number, value: string | null]

function resource(resourceType: number, resourceName: string, configurationKeys: readonly string[] | null = null): object {
  return { resourceType, resourceName, configurationKeys }
}

function change(resourceType: number, resourceName: string, ...configs: readonly Operation[]): object {
  return { resourceType, resourceName, configs: configs.map(([name, configOperation, value]) => ({ name, configOperation, value })) }
}

function describing({ ask }: Session): (label: string, resources: object[], version?: number, includeSynonyms?: boolean) => Promise<Answer> {
  return (label, resources, version = 4, includeSynonyms = true) =>
    ask(`describe ${label}`, describeConfigs, version, { resources, includeSynonyms, includeDocumentation: false })
}

function changing({ ask }: Session): (label: string, resources: object[], version?: number, validateOnly?: boolean) => Promise<Answer> {
  return (label, resources, version = 1, validateOnly = false) =>
    ask(`change ${label}`, incrementalAlterConfigs, version, { resources, validateOnly })
}

async function describes(session: Session): Promise<void> {
  const describe = describing(session)
  const node = String(session.node)
  await describe('a topic', [resource(TOPIC, 'plain-7')])
  await describe('a topic with configs', [resource(TOPIC, 'conf')])
  await describe('without synonyms', [resource(TOPIC, 'conf')], 4, false)
  for (const version of [1, 2, 3]) await describe(`in ${version}`, [resource(TOPIC, 'conf', ['retention.ms', 'nonsense'])], version)
  await describe('for no keys', [resource(TOPIC, 'conf', [])])
  await describe('a topic that is not there', [resource(TOPIC, 'unknown')])
  await describe('a topic that cannot be', [resource(TOPIC, 'a/b')])
  await describe('a broker', [resource(BROKER, node)])
  await describe('all brokers', [resource(BROKER, '')])
  for (const name of ['99', 'abc']) await describe(`broker ${name}`, [resource(BROKER, name)])
  for (const name of ['99', 'abc', '']) await describe(`loggers of ${name}`, [resource(LOGGER, name)])
  await describe('a logger', [resource(LOGGER, node, ['root'])])
  for (const name of ['sub', '']) await describe(`metrics of ${name}`, [resource(METRICS, name)])
  for (const name of ['g', '']) await describe(`group ${name}`, [resource(GROUP, name)])
  for (const type of [0, 3]) await describe(`type ${type}`, [resource(type, 'x')])
  await describe('two', [resource(TOPIC, 'conf', ['retention.ms']), resource(BROKER, node, ['node.id', 'log.retention.hours', 'log.retention.ms'])])
}

async function altersTopics(session: Session): Promise<void> {
  const [describe, alter] = [describing(session), changing(session)]
  const on = (label: string, ...operations: readonly Operation[]): Promise<Answer> => alter(label, [change(TOPIC, 'plain-7', ...operations)])
  const after = async (label: string, ...keys: string[]): Promise<void> => {
    await session.settle()
    await describe(`after ${label}`, [resource(TOPIC, 'plain-7', keys)])
  }
  await on('three', ['retention.ms', SET, '5000'], ['min.insync.replicas', SET, '1'], ['segment.bytes', SET, '2097152'])
  await alter('one in 0', [change(TOPIC, 'plain-6', ['max.message.bytes', SET, '2000000'])], 0)
  await after('three', 'retention.ms', 'min.insync.replicas', 'segment.bytes')
  await on('back', ['retention.ms', DELETE, null])
  await on('back what was not set', ['flush.ms', DELETE, null])
  await on('back nonsense', ['nonsense', DELETE, null])
  await after('back', 'retention.ms', 'min.insync.replicas')
  await on('to the default', ['segment.ms', SET, '604800000'])
  await on('one that is only shown', ['flush.messages', SET, '7'])
  await after('to the default', 'segment.ms', 'flush.messages')
  await on('append', ['cleanup.policy', APPEND, 'compact'])
  await after('append', 'cleanup.policy')
  await on('append again', ['cleanup.policy', APPEND, 'compact'])
  await on('subtract', ['cleanup.policy', SUBTRACT, 'delete'])
  await after('subtract', 'cleanup.policy')
  await on('subtract all', ['cleanup.policy', SUBTRACT, 'compact'])
  await after('subtract all', 'cleanup.policy', 'retention.ms')
  await on('back to deletion', ['cleanup.policy', SET, 'delete'])
  await on('append to a number', ['retention.ms', APPEND, '1'])
  await on('subtract from a number', ['retention.ms', SUBTRACT, '1'])
  await on('null', ['retention.ms', SET, null])
  await on('two that are null', ['retention.ms', SET, null], ['cleanup.policy', APPEND, null])
  await on('bad value', ['retention.ms', SET, 'x'])
  await on('bad name', ['nonsense', SET, 'x'])
  await on('one good and one bad', ['retention.ms', SET, '1'], ['segment.bytes', SET, 'x'])
  await on('config twice', ['retention.ms', SET, '1'], ['retention.ms', SET, '2'])
  await on('nothing')
  for (const name of ['unknown', 'a/b', '']) await alter(`topic ${name}`, [change(TOPIC, name, ['retention.ms', SET, '1'])])
  await alter('only to see', [change(TOPIC, 'plain-7', ['retention.ms', SET, '77'])], 1, true)
  await alter('only to see, bad', [change(TOPIC, 'plain-7', ['retention.ms', SET, 'x'])], 1, true)
  await after('only to see', 'retention.ms', 'segment.bytes')
  const one = change(TOPIC, 'plain-7', ['retention.ms', SET, '1'])
  await alter('resource twice', [one, one, change(TOPIC, 'conf', ['segment.ms', SET, '100'])])
  for (const type of [0, 3]) await alter(`type ${type}`, [change(type, 'x', ['a', SET, 'b'])])
  await alter('no resource', [])
}

async function altersBrokers(session: Session): Promise<void> {
  const [describe, alter] = [describing(session), changing(session)]
  const node = String(session.node)
  const on = (label: string, name: string, ...operations: readonly Operation[]): Promise<Answer> =>
    alter(`broker, ${label}`, [change(BROKER, name, ...operations)])
  await on('one', node, ['log.cleaner.threads', SET, '2'])
  await on('all', '', ['log.retention.ms', SET, '86400000'], ['num.io.threads', SET, '4'])
  await session.settle()
  await describe('a broker after', [resource(BROKER, node, ['log.cleaner.threads', 'log.retention.ms', 'num.io.threads'])])
  await describe('all brokers after', [resource(BROKER, '')])
  await describe('topics after', [resource(TOPIC, 'plain-6', ['retention.ms', 'max.message.bytes']), resource(TOPIC, 'conf', ['retention.ms'])])
  await on('all back', '', ['log.retention.ms', DELETE, null], ['num.io.threads', DELETE, null])
  await session.settle()
  await describe('topics after all', [resource(TOPIC, 'plain-6', ['retention.ms']), resource(BROKER, node, ['log.retention.ms'])])
  await on('read-only', node, ['node.id', SET, '3'])
  await on('all, read-only', '', ['num.partitions', SET, '3'])
  for (const name of [node, '']) await on(`bad value for ${name === '' ? 'all' : 'one'}`, name, ['log.cleaner.threads', SET, 'x'])
  await on('out of range', '', ['log.segment.bytes', SET, '5'])
  for (const name of ['99', 'abc']) await on(name, name, ['log.cleaner.threads', SET, '1'])
  await on('throttle', node, ['leader.replication.throttled.rate', SET, '1000'])
  await session.settle()
  await describe('a throttle', [resource(BROKER, node, ['leader.replication.throttled.rate'])])
  await on('what is set for each listener', '', ['ssl.keystore.location', SET, '/x'])
  await on('too many threads', '', ['num.io.threads', SET, '1000'])
  await on('too few threads', '', ['num.io.threads', SET, '1'])
  await on('append', '', ['log.cleanup.policy', APPEND, 'compact'])
  await session.settle()
  await describe('an appended one', [resource(BROKER, node, ['log.cleanup.policy'])])
  await on('appended back', '', ['log.cleanup.policy', DELETE, null])
  await on('nonsense', node, ['nonsense', SET, '3'])
  await session.settle()
  await describe('nonsense', [resource(BROKER, node, ['nonsense'])])
}

async function altersOthers(session: Session): Promise<void> {
  const [describe, alter] = [describing(session), changing(session)]
  const node = String(session.node)
  const logger = (label: string, ...operations: readonly Operation[]): Promise<Answer> =>
    alter(`logger, ${label}`, [change(LOGGER, node, ...operations)])
  await logger('a level', ['kafka.server.KafkaApis', SET, 'ERROR'])
  await logger('no level', ['kafka.server.KafkaApis', SET, 'LOUD'])
  await logger('unknown', ['no.such.logger.x', SET, 'DEBUG'])
  await logger('append', ['root', APPEND, 'DEBUG'])
  await logger('root away', ['root', DELETE, null])
  await alter('logger, of another', [change(LOGGER, '99', ['root', SET, 'ERROR'])])
  const metrics = (label: string, ...operations: readonly Operation[]): Promise<Answer> =>
    alter(`metrics, ${label}`, [change(METRICS, 'sub', ...operations)])
  await metrics('all', ['interval.ms', SET, '1000'], ['metrics', SET, 'org.apache'], ['match', SET, 'client_id=.*'])
  await session.settle()
  await describe('metrics after', [resource(METRICS, 'sub')])
  for (const interval of ['1', '99999999']) await metrics(`interval ${interval}`, ['interval.ms', SET, interval])
  for (const match of ['nonsense=1', 'client_id=((', 'client_id']) await metrics(`match ${match}`, ['match', SET, match])
  await metrics('nonsense', ['nonsense', SET, '1'])
  await alter('metrics, without a name', [change(METRICS, '', ['interval.ms', SET, '1000'])])
  const group = (label: string, ...operations: readonly Operation[]): Promise<Answer> => alter(`group, ${label}`, [change(GROUP, 'g', ...operations)])
  await group('session', ['consumer.session.timeout.ms', SET, '50000'])
  await session.settle()
  await describe('group after', [resource(GROUP, 'g')])
  for (const value of ['5', '500000', 'x']) await group(`session ${value}`, ['consumer.session.timeout.ms', SET, value])
  for (const value of ['1', '16000']) await group(`heartbeat ${value}`, ['consumer.heartbeat.interval.ms', SET, value])
  await group('reset', ['share.auto.offset.reset', SET, 'nonsense'])
  await group('reset by time', ['share.auto.offset.reset', SET, 'by_duration:PT1H'])
  await group('isolation', ['share.isolation.level', SET, 'nonsense'])
  await group('standby', ['streams.num.standby.replicas', SET, '9'])
  await group('nonsense', ['nonsense', SET, '1'])
  await alter('group, without a name', [change(GROUP, '', ['consumer.session.timeout.ms', SET, '50000'])])
  await session.settle()
  await session.ask('resources in 0', listConfigResources, 0, {})
  for (const resourceTypes of [[], [GROUP, METRICS, TOPIC], [BROKER, LOGGER], [99]]) {
    await session.ask(`resources ${resourceTypes.join()}`, listConfigResources, 1, { resourceTypes })
  }
}

async function replaces(session: Session): Promise<void> {
  const describe = describing(session)
  const node = String(session.node)
  const replace = (label: string, resourceType: number, resourceName: string, configs: Pairs, version = 2, validateOnly = false): Promise<Answer> => {
    const resources = [{ resourceType, resourceName, configs: configs.map(([name, value]) => ({ name, value })) }]
    return session.ask(`replace ${label}`, alterConfigs, version, { resources, validateOnly })
  }
  for (const version of [0, 1, 2]) await replace(`in ${version}`, TOPIC, 'plain-5', [['retention.ms', String(1000 + version)]], version)
  await replace('by another', TOPIC, 'plain-5', [['segment.ms', '1000']])
  await session.settle()
  await describe('after by another', [resource(TOPIC, 'plain-5', ['retention.ms', 'segment.ms'])])
  await replace('by null', TOPIC, 'plain-5', [['segment.ms', null]])
  await replace('by a bad value', TOPIC, 'plain-5', [['segment.ms', 'x']])
  await replace('by a bad name', TOPIC, 'plain-5', [['nonsense', '1']])
  await replace('config twice', TOPIC, 'plain-5', [['segment.ms', '1'], ['segment.ms', '2']])
  await replace('of an unknown topic', TOPIC, 'unknown', [['segment.ms', '1']])
  await replace('of type 0', 0, 'plain-5', [['segment.ms', '1']])
  await replace('of a logger', LOGGER, node, [['root', 'INFO']])
  await replace('of a broker, read-only', BROKER, node, [['num.partitions', '2']])
  await replace('of a broker', BROKER, node, [['log.cleaner.threads', '1']])
  await replace('only to see', TOPIC, 'plain-5', [], 2, true)
  await replace('by nothing', TOPIC, 'plain-5', [])
  await replace('of a group', GROUP, 'g', [])
  await replace('of metrics', METRICS, 'sub', [])
  await session.settle()
  await describe('after all', [
    resource(TOPIC, 'plain-5', ['retention.ms', 'segment.ms']), resource(GROUP, 'g', ['consumer.session.timeout.ms']),
    resource(METRICS, 'sub', ['interval.ms']), resource(BROKER, node, ['log.cleaner.threads', 'leader.replication.throttled.rate']),
  ])
}

/* ---- partitions ---- */

async function grows({ ask, settle, node }: Session): Promise<void> {
  const one = (name: string, count: number, brokers?: readonly (readonly number[])[]): object =>
    ({ name, count, assignments: brokers?.map((brokerIds) => ({ brokerIds })) ?? null })
  const grow = (label: string, topics: object[], version = 3, validateOnly = false): Promise<Answer> =>
    ask(`grow ${label}`, createPartitions, version, { topics, timeoutMs: 10_000, validateOnly })
  for (const version of [0, 1, 2, 3]) await grow(`in ${version}`, [one('plain-4', 2 + version)], version)
  for (const count of [5, 2, 0, -1]) await grow(`to ${count}`, [one('plain-4', count)])
  for (const name of ['unknown', 'a/b']) await grow(name, [one(name, 2)])
  await grow('only to see', [one('plain-4', 9)], 3, true)
  await grow('by hand', [one('plain-4', 6, [[node]])])
  await grow('by hand, too few', [one('plain-4', 9, [[node]])])
  await grow('by hand, too many', [one('plain-4', 7, [[node], [node]])])
  await grow('by hand, unknown broker', [one('plain-4', 7, [[77]])])
  await grow('by hand, no broker', [one('plain-4', 7, [[]])])
  await grow('by hand, nothing', [one('plain-4', 7, [])])
  await grow('twice', [one('plain-4', 7), one('plain-4', 8), one('plain-3', 2)])
  await settle()
}

async function moves({ ask, node }: Session): Promise<void> {
  const asked = [{ topic: 'plain-4', partitions: [0, 1, 77] }, { topic: 'unknown', partitions: [0] }]
  for (const version of [1, 2, 3, 4]) await ask(`folders in ${version}`, describeLogDirs, version, { topics: asked })
  await ask('folders for nothing', describeLogDirs, 4, { topics: [] })
  const elect = (label: string, version: number, topicPartitions: object[] | null, electionType = 0): Promise<Answer> =>
    ask(`elect ${label}`, electLeaders, version, { electionType, topicPartitions, timeoutMs: 5000 })
  for (const version of [0, 1, 2]) await elect(`in ${version}`, version, asked)
  await elect('any', 2, asked, 1)
  await elect('all', 2, null)
  await elect('otherwise', 2, asked, 7)
  const move = (label: string, replicas: readonly number[] | null, partitionIndex = 0, name = 'plain-4'): Promise<Answer> =>
    ask(`move ${label}`, alterPartitionReassignments, 0, { timeoutMs: 5000, topics: [{ name, partitions: [{ partitionIndex, replicas }] }] })
  await move('to where it is', [node])
  await move('back', null)
  await move('to an unknown broker', [77])
  await move('to one twice', [node, node])
  await move('to none', [])
  await move('of an unknown partition', [node], 55)
  await move('of an unknown partition back', null, 55)
  await move('of an unknown topic', [node], 0, 'unknown')
  const topics = [{ name: 'plain-4', partitions: [{ partitionIndex: 0, replicas: [node] }] }]
  await ask('move in 1', alterPartitionReassignments, 1, { timeoutMs: 5000, allowReplicationFactorChange: false, topics })
  const listed = [null, [{ name: 'plain-4', partitionIndexes: [0] }], [{ name: 'unknown', partitionIndexes: [0] }]]
  for (const [index, one] of listed.entries()) await ask(`moves ${index}`, listPartitionReassignments, 0, { timeoutMs: 1000, topics: one })
}

async function partitions({ ask }: Session): Promise<void> {
  const show = (label: string, names: string[], responsePartitionLimit: number, cursor: readonly [string, number] | null = null): Promise<Answer> =>
    ask(`partitions ${label}`, describeTopicPartitions, 0, {
      topics: names.map((name) => ({ name })), responsePartitionLimit,
      cursor: cursor === null ? null : { topicName: cursor[0], partitionIndex: cursor[1] },
    })
  await show('of two', ['plain-4', 'manual'], 2000)
  await show('up to a limit', ['plain-4', 'manual'], 3)
  await show('from a cursor', ['plain-4', 'manual'], 3, ['plain-4', 3])
  await show('from behind the last', ['plain-4'], 3, ['plain-4', 30])
  await show('up to none', ['plain-4'], 0)
  await show('up to the end of one', ['manual', 'plain-4'], 2)
  await show('up to the end', ['manual'], 2)
  await show('of unknown ones', ['unknown', 'manual', 'a/b'], 10)
  await show('of an unknown one behind the limit', ['manual', 'zzz'], 2)
  await show('of one twice', ['manual', 'manual'], 10)
  await show('from before the first', ['manual'], 10, ['manual', -1])
  await show('from another', ['manual'], 10, ['other', 0])
  await show('of an internal one', ['__consumer_offsets'], 4)
}

async function deletes({ ask, settle }: Session): Promise<void> {
  const listed = await ask('all topics', metadata, 12, { topics: null, allowAutoTopicCreation: false })
  const id = (name: string): string => listed.topics.find((one: { name: string }) => one.name === name)?.topicId ?? NO_ID
  for (const [version, name] of [[1, 'plain-7'], [2, 'plain-2'], [3, 'plain-3'], [4, 'plain-4'], [5, 'plain-5']] as const) {
    await ask(`delete in ${version}`, deleteTopics, version, { topicNames: [name], timeoutMs: 10_000 })
  }
  for (const version of [4, 5]) await ask(`delete unknown in ${version}`, deleteTopics, version, { topicNames: ['unknown'], timeoutMs: 10_000 })
  const drop = (label: string, ...topics: readonly (readonly [string | null, string?])[]): Promise<Answer> =>
    ask(`delete ${label}`, deleteTopics, 6, { topics: topics.map(([name, topicId = NO_ID]) => ({ name, topicId })), timeoutMs: 10_000 })
  await drop('by name', ['plain-6'])
  await drop('by id', [null, id('manual')])
  await drop('by both', ['mixed-ok', id('mixed-ok')])
  await drop('by neither', [null])
  await drop('unknown', ['unknown'])
  await drop('what cannot be', ['a/b'])
  await drop('unknown id', [null, SOME_ID])
  await drop('name twice', ['mixed-ok'], ['mixed-ok'])
  await drop('id twice', [null, id('mixed-ok')], [null, id('mixed-ok')])
  await drop('by name and by id', ['mixed-ok'], [null, id('mixed-ok')])
  await drop('good and bad', ['defaults'], ['unknown'])
  await drop('nothing')
  await settle()
  await ask('create what was deleted', createTopics, 7, { topics: [topic('plain-7')], timeoutMs: 10_000, validateOnly: false })
}

/* ---- the cluster ---- */

type Names = readonly (readonly [entityType: string, entityName: string | null])[]

async function quotas({ ask, settle }: Session): Promise<void> {
  const entry = (entity: Names, ...ops: readonly (readonly [key: string, value: number, remove?: boolean])[]): object => ({
    entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
    ops: ops.map(([key, value, remove = false]) => ({ key, value, remove })),
  })
  const set = (label: string, entries: object[], version = 1, validateOnly = false): Promise<Answer> =>
    ask(`quota ${label}`, alterClientQuotas, version, { entries, validateOnly })
  const [alice, x, ip]: readonly Names[] = [[['user', 'alice']], [['user', 'x']], [['ip', '127.0.0.1']]]
  const both: Names = [['client-id', 'c1'], ['user', 'alice']]
  await set('of a user, in 0', [entry(alice!, ['producer_byte_rate', 1000], ['consumer_byte_rate', 2000])], 0)
  await set('of a user and a client', [entry(both, ['request_percentage', 12.5])])
  await set('of others', [entry([['user', null]], ['consumer_byte_rate', 3]), entry([['client-id', null]], ['controller_mutation_rate', 3.5])])
  await set('of addresses', [entry(ip!, ['connection_creation_rate', 7]), entry([['ip', null]], ['connection_creation_rate', 9])])
  await set('of no address', [entry([['ip', 'not an ip']], ['connection_creation_rate', 9])])
  await set('wrong for an address', [entry(ip!, ['producer_byte_rate', 9])])
  for (const key of ['connection_creation_rate', 'nonsense', 'SCRAM-SHA-256']) await set(`key ${key}`, [entry(x!, [key, 9])])
  await set('nonsense away', [entry(x!, ['nonsense', 9, true])])
  for (const type of ['team', '']) await set(`type ${type}`, [entry([[type, 'x']], ['producer_byte_rate', 9])])
  await set('of nobody', [entry([], ['producer_byte_rate', 9])])
  await set('of no name', [entry([['user', '']], ['producer_byte_rate', 9])])
  await set('of address and user', [entry([...ip!, ...x!], ['producer_byte_rate', 9])])
  await set('user twice', [entry([['user', 'x'], ['user', 'y']], ['producer_byte_rate', 9])])
  for (const value of [0, -1, 1.5, 1e20]) await set(`rate ${value}`, [entry(x!, ['producer_byte_rate', value])])
  await set('too many connections', [entry(ip!, ['connection_creation_rate', 1e12])])
  await set('only to see', [entry([['user', 'vo']], ['producer_byte_rate', 5])], 1, true)
  await set('entity twice', [entry([['user', 'tw']], ['producer_byte_rate', 5]), entry([['user', 'tw']], ['producer_byte_rate', 6])])
  await set('key twice', [entry([['user', 'tw2']], ['producer_byte_rate', 5], ['producer_byte_rate', 6])])
  await settle()
  const [EXACT, DEFAULT, ANY] = [0, 1, 2]
  const show = (label: string, parts: readonly (readonly [string, number, string | null])[], strict = false, version = 1): Promise<Answer> => {
    const components = parts.map(([entityType, matchType, match]) => ({ entityType, matchType, match }))
    return ask(`quotas ${label}`, describeClientQuotas, version, { components, strict })
  }
  for (const version of [0, 1]) await show(`in ${version}`, [], false, version)
  await show('of exactly nobody', [], true)
  for (const strict of [false, true]) {
    await show(`of a user, ${strict}`, [['user', EXACT, 'alice']], strict)
    await show(`of any user, ${strict}`, [['user', ANY, null]], strict)
    await show(`of other users, ${strict}`, [['user', DEFAULT, null]], strict)
    await show(`of users and a client, ${strict}`, [['user', ANY, null], ['client-id', EXACT, 'c1']], strict)
    await show(`of addresses, ${strict}`, [['ip', ANY, null]], strict)
  }
  await show('of addresses and users', [['ip', ANY, null], ['user', ANY, null]])
  for (const type of ['team', '']) await show(`of type ${type}`, [[type, ANY, null]])
  await show('otherwise', [['user', 5, null]])
  await show('of null', [['user', EXACT, null]])
  await show('of others with a name', [['user', DEFAULT, 'x']])
  await show('of any with a name', [['user', ANY, 'x']])
  await show('of a type twice', [['user', EXACT, 'a'], ['user', EXACT, 'b']])
  await set('away', [
    entry(alice!, ['producer_byte_rate', 0, true]), entry(both, ['request_percentage', 0, true]),
    entry([['user', 'never']], ['producer_byte_rate', 0, true]),
  ])
  await settle()
  await show('after that', [['user', EXACT, 'alice']])
}

async function features({ ask }: Session): Promise<void> {
  type Update = readonly [feature: string, level: number, upgradeType?: number]
  const update = (label: string, version: number, ...updates: readonly Update[]): Promise<Answer> =>
    ask(`feature ${label} in ${version}`, updateFeatures, version, {
      timeoutMs: 5000, ...(version > 0 && { validateOnly: true }),
      featureUpdates: updates.map(([feature, maxVersionLevel, upgradeType]) => ({ feature, maxVersionLevel, ...(version > 0 && { upgradeType }) })),
    })
  for (const version of [0, 1, 2]) {
    await update('as it is', version, ['transaction.version', 2])
    await update('unknown', version, ['nonsense', 2])
  }
  for (const version of [1, 2]) {
    await update('too high', version, ['group.version', 9])
    await update('below nothing', version, ['group.version', -1])
    await update('lower', version, ['transaction.version', 1])
    await update('lower, safely', version, ['transaction.version', 1, 2])
    for (const type of [0, 9]) await update(`by ${type}`, version, ['group.version', 1, type])
    await update('two', version, ['group.version', 1], ['nonsense', 1])
    await update('none', version)
  }
  for (const version of [0, 1, 2]) await ask(`cluster in ${version}`, describeCluster, version, { includeClusterAuthorizedOperations: true })
  for (const endpointType of [2, 9]) {
    await ask(`endpoints ${endpointType}`, describeCluster, 2, { includeClusterAuthorizedOperations: false, endpointType })
  }
  await ask('fenced brokers', describeCluster, 2, { includeClusterAuthorizedOperations: false, includeFencedBrokers: true })
  await ask('subscriptions of a new client', getTelemetrySubscriptions, 0, { clientInstanceId: NO_ID })
  const { subscriptionId } = await ask('subscriptions', getTelemetrySubscriptions, 0, { clientInstanceId: SOME_ID })
  const push = { clientInstanceId: SOME_ID, subscriptionId, terminating: false, compressionType: 0, metrics: Buffer.alloc(0) }
  await ask('push', pushTelemetry, 0, push)
  await ask('push of nobody', pushTelemetry, 0, { ...push, clientInstanceId: NO_ID })
}
