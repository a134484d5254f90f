/*
 * Strict mode: what clients do that a cluster lets pass today and punishes later, or that hides a mistake. Each rule has a name; what breaks one is
 * a finding, and findings fail the test when the broker is closed or reset.
 */
import { LogError } from '../../base/errors.ts'
import { checkOneOf, checkOptions, describe } from '../../base/options.ts'
import { type Clock, realClock } from '../../base/clock.ts'
import { type Exchange } from '../../kafka/exchange.ts'
import { fakeTimers } from '../clock/fake-timers.ts'
import { VirtualClock } from '../clock/virtual-clock.ts'
import { topicName } from '../faults/places.ts'
import { rowsOf } from '../journal/entry.ts'
import { producedParts } from './produced-records.ts'

/** The rules, with what each is about. */
export const strictRules = {
  'commit-past-end': 'an offset is committed that lies behind the end of the partition: records to come would be skipped',
  'commit-each-record': 'offsets are committed one by one: each is a request and a write on every broker',
  'late-heartbeat': 'a member was silent for more than two thirds of its session: a pause more and it is out of the group',
  'poll-interval': 'a member left because its handler took longer than max.poll.interval.ms: its records are handled twice',
  'shared-transactional-id': 'a transactional id is begun anew while another connection uses it: that one is fenced',
  'metadata-storm': 'more than twenty requests for metadata by one client within a second',
  'unknown-topic': 'a topic is asked for that there is not: it is made with defaults here, and missing in production',
  'oversized-batch': 'a batch was refused for its size',
  'timestamp-skew': 'a record is from more than an hour in the future: retention and look-up by time go wrong',
  'scattered-key': 'records of one key go to different partitions: their order is lost',
} as const

/** The name of a rule. */
export type StrictRule = keyof typeof strictRules

/** What strict mode may be told. */
export interface StrictOptions {
  /** Rules that do not hold in this test. */
  readonly ignore?: readonly StrictRule[]
}

/** Something that a client did. */
export interface StrictFinding {
  readonly rule: StrictRule
  readonly clientId: string
  /** Where: a group, a topic and partition, a transactional id. */
  readonly what: string
}

const PRODUCE = 0
const METADATA = 3
const OFFSET_COMMIT = 8
const JOIN_GROUP = 11
const HEARTBEAT = 12
const LEAVE_GROUP = 13
const INIT_PRODUCER_ID = 22
const MESSAGE_TOO_LARGE = 10
const HOUR_MS = 3_600_000
const SINGLE_COMMITS = 10
const STORM_REQUESTS = 20
const STORM_MS = 1000
const PATIENCE = 2 / 3

/** What the last heartbeat of a member said. */
interface Pulse {
  readonly sessionTimeoutMs: number
  at: number
}

/** Looks at what clients do. */
export class StrictMode {
  /** What was found so far, each once. */
  readonly findings: StrictFinding[] = []
  readonly #clock: Clock
  readonly #ignored: ReadonlySet<StrictRule>
  readonly #seen = new Set<string>()
  readonly #commits = new Map<string, { offset: number; singles: number }>()
  readonly #members = new Map<string, Pulse>()
  readonly #transactional = new Map<string, { readonly connection: number; readonly signal: AbortSignal }>()
  readonly #metadata = new Map<string, { readonly broker: number; readonly real: number }[]>()
  readonly #keys = new Map<string, number>()

  /** @internal */
  constructor(clock: Clock, options: StrictOptions | true) {
    const given = options === true ? {} : options
    checkOptions(given, ['ignore'], 'strict mode')
    const ignored: unknown = given.ignore ?? []
    if (!Array.isArray(ignored)) throw new TypeError(`ignore is a list of rules, not ${describe(ignored)}`)
    for (const rule of ignored) checkOneOf(rule as StrictRule, 'a rule of strict mode', Object.keys(strictRules) as StrictRule[])
    this.#clock = clock
    this.#ignored = new Set(ignored as StrictRule[])
  }

  /**
   * Throws when something was found.
   *
   * @throws LogError `LOG_STRICT`
   */
  check(): void {
    if (this.findings.length === 0) return
    const lines = this.findings.map(({ rule, clientId, what }) => `\n  ${rule}: "${clientId}", ${what}: ${strictRules[rule]}`)
    throw new LogError('LOG_STRICT', `clients did what strict mode does not let pass:${lines.join('')}`, { findings: this.findings })
  }

  /** Forgets what was found, and what clients did. */
  clear(): void {
    this.findings.length = 0
    this.#seen.clear()
    for (const kept of [this.#commits, this.#members, this.#transactional, this.#metadata, this.#keys]) kept.clear()
  }

  /** @internal */
  before(exchange: Exchange): void {
    const { api: { key }, request } = exchange
    if (key === PRODUCE) this.#seeRecords(exchange)
    else if (key === METADATA) this.#seeMetadata(exchange)
    else if (key === OFFSET_COMMIT) this.#seeCommits(exchange)
    else if (key === HEARTBEAT) this.#seeHeartbeat(exchange)
    else if (key === LEAVE_GROUP) this.#seeLeave(exchange)
    else if (key === INIT_PRODUCER_ID && typeof request['transactionalId'] === 'string') this.#seeTransactional(exchange, request['transactionalId'])
  }

  /** @internal */
  after(exchange: Exchange): void {
    const { api: { key }, request, response } = exchange
    if (typeof response !== 'object') return
    if (key === JOIN_GROUP && response['errorCode'] === 0) {
      const pulse = { sessionTimeoutMs: Number(request['sessionTimeoutMs']), at: this.#memberNow }
      this.#members.set(memberOf(request['groupId'], response['memberId']), pulse)
    }
    if (key !== PRODUCE) return
    for (const { name, partitionResponses } of rowsOf(response['responses'])) {
      for (const { index, errorCode } of rowsOf(partitionResponses)) {
        if (errorCode === MESSAGE_TOO_LARGE) this.#find('oversized-batch', exchange, `${String(name)}-${String(index)}`)
      }
    }
  }

  #seeRecords(exchange: Exchange): void {
    const latest = this.#clock.now() + HOUR_MS
    for (const { topic, partition, records } of producedParts(exchange)) {
      for (const { key, timestamp } of records) {
        if (timestamp > latest) this.#find('timestamp-skew', exchange, `${topic}-${partition}`)
        if (key === null) continue
        const name = `${topic} ${Buffer.from(key).toString('latin1')}`
        const before = this.#keys.get(name)
        this.#keys.set(name, partition)
        if (before !== undefined && before !== partition) {
          this.#find('scattered-key', exchange, `topic "${topic}", key ${JSON.stringify(Buffer.from(key).toString())} in ${before} and ${partition}`)
        }
      }
    }
  }

  #seeMetadata(exchange: Exchange): void {
    const { request, context: { clientId, cluster } } = exchange
    const now = this.#clock.monotonic()
    // A second of both: where the broker's time stands, clients go by that of the machine.
    const real = realClock.monotonic()
    const times = (this.#metadata.get(clientId) ?? []).filter((at) => now - at.broker < STORM_MS && real - at.real < STORM_MS)
    times.push({ broker: now, real })
    this.#metadata.set(clientId, times)
    if (times.length > STORM_REQUESTS) this.#find('metadata-storm', exchange, `${times.length} requests`)
    for (const { name } of rowsOf(request['topics'])) {
      if (typeof name === 'string' && cluster.topic(name) === undefined) this.#find('unknown-topic', exchange, `topic "${name}"`)
    }
  }

  #seeCommits(exchange: Exchange): void {
    const { request, context: { cluster } } = exchange
    for (const row of rowsOf(request['topics'])) {
      const topic = topicName(row, (id) => cluster.topicById(id)?.name)
      const logs = cluster.core.openTopics.find(({ entry }) => entry.name === topic)?.logs
      for (const { partitionIndex, committedOffset } of rowsOf(row['partitions'])) {
        const offset = Number(committedOffset)
        const place = `group "${String(request['groupId'])}", ${topic}-${String(partitionIndex)}`
        const end = logs?.[Number(partitionIndex)]?.nextOffset
        if (end !== undefined && offset > end) this.#find('commit-past-end', exchange, `${place}: ${offset} of ${end}`)
        const last = this.#commits.get(place)
        // One who has read all that there is commits what came, even if that was one record.
        const more = end === undefined || offset < end
        const singles = last !== undefined && offset === last.offset + 1 && more ? last.singles + 1 : 0
        this.#commits.set(place, { offset, singles })
        if (singles >= SINGLE_COMMITS) this.#find('commit-each-record', exchange, place)
      }
    }
  }

  /** The time that members go by: where the clock skips what they wait for, and their timers are not faked, that of the machine. */
  get #memberNow(): number {
    const skips = this.#clock instanceof VirtualClock && !this.#clock.steady && fakeTimers() === undefined
    return (skips ? realClock : this.#clock).monotonic()
  }

  #seeHeartbeat(exchange: Exchange): void {
    const { groupId, memberId } = exchange.request
    const pulse = this.#members.get(memberOf(groupId, memberId))
    if (pulse === undefined) return
    const now = this.#memberNow
    const silent = now - pulse.at
    pulse.at = now
    if (silent > pulse.sessionTimeoutMs * PATIENCE) {
      this.#find('late-heartbeat', exchange, `group "${String(groupId)}": ${Math.round(silent)} ms of ${pulse.sessionTimeoutMs}`)
    }
  }

  #seeLeave(exchange: Exchange): void {
    const { groupId, members } = exchange.request
    for (const { reason } of rowsOf(members)) {
      if (/poll.*(?:timeout|interval)/i.test(String(reason ?? ''))) this.#find('poll-interval', exchange, `group "${String(groupId)}"`)
    }
  }

  #seeTransactional(exchange: Exchange, id: string): void {
    const { connection: { id: connection }, signal } = exchange.context
    const before = this.#transactional.get(id)
    if (before !== undefined && before.connection !== connection && !before.signal.aborted) {
      this.#find('shared-transactional-id', exchange, `transactional id "${id}"`)
    }
    this.#transactional.set(id, { connection, signal })
  }

  #find(rule: StrictRule, { context: { clientId } }: Exchange, what: string): void {
    const known = `${rule} ${clientId} ${what.replaceAll(/\d+/g, '')}`
    if (this.#ignored.has(rule) || this.#seen.has(known)) return
    this.#seen.add(known)
    this.findings.push({ rule, clientId, what })
  }
}

function memberOf(groupId: unknown, memberId: unknown): string {
  return `${String(groupId)} ${String(memberId)}`
}
