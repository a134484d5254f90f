/*
 * What `commitlog topics` changes: a topic is made, altered, deleted. Settings go by Kafka's dotted names or by ours.
 */
import { checkTopicName } from '../format/names.ts'
import { builtInCodec } from '../topics/codecs.ts'
import { CommitLog } from '../topics/commit-log.ts'
import { MAX_PARTITIONS } from '../topics/define-topic.ts'
import { knownSetting, settingFromText } from '../topics/kafka-settings.ts'
import { type TopicSettings } from '../topics/settings.ts'
import { type TopicChanges } from '../topics/topic-admin.ts'
import { type Call, type Option, UsageError } from './command.ts'
import { chosenTopics, openPlain } from './records.ts'
import { count, counted, jsonLine, size } from './text.ts'

/** The changes, each of which names a topic. */
const changes = ['create', 'alter', 'delete'] as const

const codecNames = ['string', 'json', 'msgpack', 'bytes'] as const

/** Options of the changes. */
export const changeOptions: Readonly<Record<string, Option>> = {
  create: { value: 'NAME', help: 'make this topic' },
  alter: { value: 'NAME', help: 'change this topic' },
  delete: { value: 'NAME', help: 'delete this topic with all its records; only with --yes' },
  partitions: { value: 'N', help: 'how many partitions: of a new topic 1 by default; one that is there can get more, never fewer' },
  set: { value: 'NAME=VALUE', many: true, help: 'a setting, by Kafka\'s name or ours: --set retention.ms=86400000; -1 for no limit' },
  unset: { value: 'NAME', many: true, help: 'take a setting back to its default' },
  key: { value: 'CODEC', help: 'codec of the keys of a new topic: string (default), json, msgpack, bytes' },
  codec: { value: 'CODEC', help: 'codec of the values of a new topic: string (default), json, msgpack, bytes' },
  yes: { short: 'y', help: 'really delete' },
  wait: { value: 'SECONDS', help: 'with a change: how long to wait while another process holds the folder' },
}

/** The options that go with each change. */
const goesWith: Readonly<Record<string, readonly (typeof changes)[number][]>> = {
  partitions: ['create', 'alter'], set: ['create', 'alter'], unset: ['alter'], key: ['create'], codec: ['create'], yes: ['delete'],
}

/** Does the change that is asked for and gives the exit code; undefined when none is. */
export async function changeTopic(call: Call): Promise<number | undefined> {
  const asked = changes.filter((name) => call.text(name) !== undefined)
  const [change] = asked
  checkOptions(call, asked)
  if (change === undefined) return undefined
  const name = call.text(change)!
  if (change === 'create') checkName(name)
  const settings = settingsOf(call, `topic "${name}"`)
  const waitMs = (call.number('wait') ?? 0) * 1000
  const log = await CommitLog.open(call.argument('folder'), { create: change === 'create', waitMs, signal: call.terminal.signal })
  try {
    if (change === 'create') return await create(call, log, name, settings)
    if (change === 'alter') return await alter(call, log, name, settings)
    return await remove(call, log, name)
  } finally {
    await log.close()
  }
}

function checkOptions(call: Call, asked: readonly (typeof changes)[number][]): void {
  if (asked.length > 1) throw new UsageError(`--${asked[0]} and --${asked[1]} exclude each other`)
  const [change] = asked
  if (change !== undefined && call.text('topic') !== undefined) throw new UsageError(`--topic and --${change} exclude each other`)
  for (const [option, allowed] of Object.entries(goesWith)) {
    const given = call.flag(option) || (changeOptions[option]!.many === true ? call.texts(option).length > 0 : call.text(option) !== undefined)
    if (!given || (change !== undefined && allowed.includes(change))) continue
    throw new UsageError(`--${option} goes with ${allowed.map((name) => `--${name}`).join(' or ')}`)
  }
}

function checkName(name: string): void {
  asUsage(() => checkTopicName(name))
}

/** What a library calls a TypeError or RangeError is, on the command line, a mistake in how it was called. */
function asUsage<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}

/** What `--set` says, of what `where` names. */
export function settingsOf(call: Call, where: string): TopicSettings {
  let settings: TopicSettings = {}
  for (const text of call.texts('set')) {
    const at = text.indexOf('=')
    if (at <= 0) throw new UsageError(`--set takes NAME=VALUE, not "${text}"`)
    settings = { ...settings, ...asUsage(() => settingFromText(text.slice(0, at), text.slice(at + 1), where)) }
  }
  return settings
}

function partitionsOf(call: Call): number | undefined {
  const partitions = call.number('partitions', 1)
  if (partitions === undefined || partitions <= MAX_PARTITIONS) return partitions
  throw new UsageError(`a topic has at most ${count(MAX_PARTITIONS)} partitions, not ${count(partitions)}`)
}

async function create(call: Call, log: CommitLog, name: string, settings: TopicSettings): Promise<number> {
  const [key, value] = [call.oneOf('key', codecNames) ?? 'string', call.oneOf('codec', codecNames) ?? 'string']
  const partitions = partitionsOf(call) ?? 1
  await log.createTopic<unknown, unknown>(name, { partitions, key: builtInCodec(key)!, value: builtInCodec(value)!, ...settings })
  await told(call, { topic: name, created: true, partitions, settings }, `created topic ${name} with ${counted(partitions, 'partition')}`)
  return 0
}

async function alter(call: Call, log: CommitLog, name: string, settings: TopicSettings): Promise<number> {
  const [info] = await chosenTopics(log, name)
  const partitions = partitionsOf(call) ?? info!.partitions
  if (partitions < info!.partitions) throw new UsageError(`topic "${name}" has ${counted(info!.partitions, 'partition')}: they can only become more`)
  const taken = call.texts('unset').map((setting) => asUsage(() => knownSetting(setting)))
  const asked: TopicChanges = { ...settings, ...Object.fromEntries(taken.map((setting) => [setting, null])) }
  if (Object.keys(asked).length === 0 && partitions === info!.partitions) throw new UsageError('nothing to alter: --set, --unset or --partitions')
  const topic = await openPlain(log, info!)
  if (Object.keys(asked).length > 0) await topic.alter(asked)
  if (partitions > info!.partitions) await topic.addPartitions(partitions - info!.partitions)
  await told(call, { topic: name, altered: true, partitions, settings: topic.settings }, `altered topic ${name}`)
  return 0
}

async function remove(call: Call, log: CommitLog, name: string): Promise<number> {
  const [info] = await chosenTopics(log, name)
  if (!call.flag('yes')) throw new UsageError(`topic "${name}" has ${await contents(log, name)}: --yes deletes it`)
  await log.deleteTopic(info!.name)
  await told(call, { topic: name, deleted: true }, `deleted topic ${name}`)
  return 0
}

async function contents(log: CommitLog, name: string): Promise<string> {
  const { stats } = await log.describeTopic(name)
  const offsets = stats.reduce((sum, { startOffset, highWatermark }) => sum + highWatermark - startOffset, 0)
  return `${counted(offsets, 'offset')} in ${counted(stats.length, 'partition')}, ${size(stats.reduce((sum, { bytes }) => sum + bytes, 0))}`
}

async function told(call: Call, as: object, words: string): Promise<void> {
  await call.screen.print(call.json ? jsonLine(as) : words)
}
