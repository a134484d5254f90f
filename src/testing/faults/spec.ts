/*
 * Faults as data: what they are about, when they happen, and what they do. `kafka.faults.on(…)` writes them; they may as well come from a file.
 */
import { checkInteger, checkNumber, checkOneOf, checkOptions, closest, describe } from '../../base/options.ts'
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { type Fields, isField } from '../../format/field.ts'
import { type AnyApi } from '../../kafka/api.ts'
import { apis as served } from '../../kafka/apis.ts'
import { type Duration, durationMs } from '../clock/durations.ts'
import { type Decoding } from '../journal/entry.ts'
import { checkApiName } from '../journal/journal.ts'

/**
 * When in the life of a request something happens to it: before it has done anything, or once it has done everything and only its answer is
 * left.
 */
export type FaultMoment = 'before-apply' | 'after-apply'

/** What about an answer is wrong: any byte, its length, its correlation id, or the checksum of a batch of records in it. */
export type Corruption = 'bytes' | 'length' | 'correlation-id' | 'crc'

const faultMoments = ['before-apply', 'after-apply'] as const satisfies readonly FaultMoment[]
const corruptions = ['bytes', 'length', 'correlation-id', 'crc'] as const satisfies readonly Corruption[]

/** Which requests a fault is about. All that is given must fit; nothing given is every request. */
export interface FaultTarget {
  /** One that names this topic. */
  readonly topic?: string
  /** Of that topic this partition. */
  readonly partition?: number
  /** One about this group. */
  readonly group?: string
  /** The client id. */
  readonly client?: string | RegExp
  /** The number of the connection, from 1 on. */
  readonly connection?: number
  /** The node id of the broker that is asked. */
  readonly broker?: number
}

/** What a fault does. */
export type FaultAction =
  | { readonly type: 'error'; readonly error: KafkaErrorName; readonly when: FaultMoment }
  | { readonly type: 'delay'; readonly ms: number; readonly when: FaultMoment }
  | { readonly type: 'close' | 'reset' | 'half-close' | 'silence'; readonly when: FaultMoment }
  | { readonly type: 'throttle'; readonly ms: number }
  | { readonly type: 'corrupt'; readonly what: Corruption }
  | { readonly type: 'truncate'; readonly bytes: number }
  | { readonly type: 'split'; readonly bytes: number }
  | { readonly type: 'duplicate' }
  | { readonly type: 'stale-metadata' }
  | { readonly type: 'shift-epoch'; readonly by: number }
  | { readonly type: 'answer'; readonly change: (response: Decoding, request: Decoding) => Decoding }

/** A fault. */
export interface FaultSpec {
  /** Kafka's names of APIs, or `*` for all. */
  readonly api: string | readonly string[]
  readonly target?: FaultTarget
  /** Says of those that are left whether they are meant. */
  readonly matching?: (request: Decoding) => boolean
  /** How often it happens. Default: always. */
  readonly times?: number
  /** Which of the matching requests, from 1 on. */
  readonly onCalls?: readonly number[]
  /** Every so many of them. */
  readonly every?: number
  /** 0 to 1, drawn from the seed of the broker. */
  readonly probability?: number
  /** Need not happen. Default false: a fault that never happened fails the test. */
  readonly optional?: boolean
  /** For messages. */
  readonly name?: string
  readonly actions: readonly FaultAction[]
}

const targetNames = ['topic', 'partition', 'group', 'client', 'connection', 'broker']
/** APIs whose requests name neither topics nor partitions. */
const withoutTopics = new Set([
  'Heartbeat', 'JoinGroup', 'SyncGroup', 'LeaveGroup', 'DescribeGroups', 'ListGroups', 'ApiVersions', 'SaslHandshake', 'SaslAuthenticate',
  'FindCoordinator', 'InitProducerId', 'EndTxn', 'AddOffsetsToTxn', 'DeleteGroups', 'DescribeCluster', 'ConsumerGroupDescribe',
])

/** The APIs of a fault, checked; undefined for all. Throws TypeError for names that none has. */
export function checkedApis(api: string | readonly string[]): ReadonlySet<string> | undefined {
  const names = typeof api === 'string' ? [api] : api
  if (!Array.isArray(names) || names.length === 0) {
    throw new TypeError(`a fault is on the name of an API, a list of them, or '*', not ${describe(api)}`)
  }
  if (names.includes('*')) return undefined
  for (const name of names) checkApiName(name)
  return new Set(names)
}

/** Throws when no request can be what a fault is about. */
export function checkTarget(target: FaultTarget, apis: ReadonlySet<string> | undefined, nodeIds: readonly number[]): void {
  checkOptions(target, targetNames, 'what a fault is about')
  const { topic, partition, connection, broker, client } = target
  checkInteger(partition, 'partition', 0)
  checkInteger(connection, 'connection', 1)
  if (partition !== undefined && topic === undefined) throw new TypeError('partition is one of a topic: name the topic too')
  if (client !== undefined && typeof client !== 'string' && !(client instanceof RegExp)) {
    throw new TypeError(`client is a client id or a pattern of them, not ${describe(client)}`)
  }
  if (broker !== undefined) checkBroker(broker, nodeIds)
  const blind = topic === undefined ? undefined : [...apis ?? []].find((name) => withoutTopics.has(name))
  if (blind !== undefined) throw new TypeError(`requests of ${blind} name no topics: a fault on them cannot be about topic "${topic}"`)
}

/** Throws a RangeError for a broker that there is not. */
export function checkBroker(nodeId: number, nodeIds: readonly number[]): void {
  if (!nodeIds.includes(nodeId)) throw new RangeError(`there is no broker ${String(nodeId)}: there are ${nodeIds.join(', ')}`)
}

/** Throws TypeError and RangeError for times and chances that cannot be. */
export function checkTriggers({ times, onCalls, every, probability }: FaultSpec): void {
  checkInteger(times, 'times', 1)
  if (onCalls?.length === 0) throw new TypeError('onCall takes the numbers of calls, from 1 on')
  for (const call of onCalls ?? []) checkInteger(call ?? null, 'the number of a call', 1)
  checkInteger(every, 'every', 1)
  checkNumber(probability, 'probability', 0, 1)
}

/** Throws TypeError and RangeError for actions that cannot be. */
export function checkAction(action: FaultAction): void {
  if ('when' in action) checkOneOf(action.when, 'when', faultMoments)
  if (action.type === 'error') checkErrorName(action.error)
  if (action.type === 'corrupt') checkOneOf(action.what, 'what is corrupt', corruptions)
  if (action.type === 'truncate') checkInteger(action.bytes, 'bytes', 0)
  if (action.type === 'split') checkInteger(action.bytes, 'bytes', 1)
  if (action.type === 'delay' || action.type === 'throttle') durationMs(action.ms)
}

/** Throws TypeError for what cannot be done to any answer of the APIs that a fault is on, or not to all. */
export function checkUse(action: FaultAction, apis: ReadonlySet<string> | undefined): void {
  if (action.type === 'stale-metadata' && (apis === undefined || apis.size > 1 || !apis.has('Metadata'))) {
    throw new TypeError(`old metadata is told by Metadata: use on('Metadata'), not on ${[...apis ?? ['*']].join(', ')}`)
  }
  if (action.type === 'corrupt' && action.what === 'crc' && apis !== undefined && !apis.has('Fetch')) {
    throw new TypeError(`only answers to Fetch have records with a checksum: a wrong crc cannot be on ${[...apis].join(', ')}`)
  }
  const needed = neededFields[action.type]
  const without = needed === undefined ? undefined : [...apis ?? []].find((name) => !hasField(responseOf(name), needed.field))
  if (without !== undefined) throw new TypeError(`answers to ${without} have no ${needed!.what}`)
}

/** What an answer has to have for an action to be of any use. */
const neededFields: Partial<Record<FaultAction['type'], { readonly field: string; readonly what: string }>> = {
  throttle: { field: 'throttleTimeMs', what: 'throttle time' },
  'shift-epoch': { field: 'leaderEpoch', what: 'leader epochs' },
}

/** Whether an answer in some version can show what an action does. */
export function canShow({ type }: FaultAction, { response }: AnyApi, version: number): boolean {
  const needed = neededFields[type]
  return needed === undefined || hasField(response.fields, needed.field, version)
}

function responseOf(name: string): Fields {
  return served.find((api) => api.name === name)!.response.fields as Fields
}

/** Whether a message, or a row of one of its lists, has a field: in some version, or in any. */
function hasField(fields: Fields, wanted: string, version?: number): boolean {
  return Object.entries(fields).some(([name, { options: { since = 0, until = Infinity }, shape }]) => {
    if (version !== undefined && (version < since || version > until)) return false
    if (name === wanted) return true
    if (shape.kind === 'struct') return hasField(shape.fields, wanted, version)
    return shape.kind === 'array' && !isField(shape.element) && hasField(shape.element, wanted, version)
  })
}

/** A length of time for a fault. */
export function faultMs(duration: Duration): number {
  return durationMs(duration, 'the time of a fault')
}

function checkErrorName(name: string): void {
  if (Object.hasOwn(kafkaErrors, name)) return
  const meant = closest(name, Object.keys(kafkaErrors))
  throw new TypeError(`Kafka has no error "${name}"${meant === undefined ? '' : `: did you mean "${meant}"?`}`)
}

/** The fault in words. */
export function faultText({ api, target = {}, name, actions, times, onCalls, every, probability }: FaultSpec): string {
  if (name !== undefined) return name
  const about = Object.entries(target).map(([key, value]) => `${key} ${String(value)}`)
  const often = [
    times === undefined ? '' : times === 1 ? 'once' : `${times} times`, onCalls === undefined ? '' : `on call ${onCalls.join(', ')}`,
    every === undefined ? '' : `every ${every}`, probability === undefined ? '' : `with probability ${probability}`,
  ]
  const what = actions.map(actionText).join(' and ')
  return [[api].flat().join(', '), ...about, ...often.filter((text) => text !== ''), what === '' ? '' : `→ ${what}`].join(' ').trimEnd()
}

/** What it does, in words. */
export function actionText(action: FaultAction): string {
  const when = 'when' in action && action.when === 'after-apply' ? ' after it was applied' : ''
  switch (action.type) {
    case 'error': return `${action.error}${when}`
    case 'delay': return `a delay of ${action.ms} ms${when}`
    case 'throttle': return `a throttle time of ${action.ms} ms`
    case 'corrupt': return `a wrong ${action.what}`
    case 'truncate': return `cut after ${action.bytes} bytes`
    case 'split': return `in pieces of ${action.bytes} bytes`
    case 'duplicate': return 'answered twice'
    case 'stale-metadata': return 'old metadata'
    case 'shift-epoch': return `leader epochs off by ${action.by}`
    case 'answer': return 'another answer'
    default: return `${action.type}${when}`
  }
}
