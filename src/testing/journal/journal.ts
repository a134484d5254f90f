/*
 * What was said between clients and a test broker: every request with its answer, connections that came and went, and what faults did. As much of
 * it as there is room for: the oldest goes first.
 */
import { closest } from '../../base/options.ts'
import { type Clock } from '../../base/clock.ts'
import { apis } from '../../kafka/apis.ts'
import { type AnswerBytes, type Exchange, type UnservedRequest } from '../../kafka/exchange.ts'
import { type ListenerEvent } from '../../kafka/events.ts'
import { JournalEntry } from './entry.ts'
import { pcapOf } from './pcap.ts'
import { timelineOf, type TimelineOptions } from './timeline.ts'

/** How much a journal keeps. */
export interface JournalOptions {
  /** Requests. Default 10,000. */
  readonly maxEntries?: number
  /** Bytes of requests and answers. Default 64 MiB. */
  readonly maxBytes?: number
}

/** A connection that came, or went. */
export interface ConnectionNote {
  readonly kind: 'connected' | 'disconnected'
  readonly connection: number
  /** Ms since the journal began. */
  readonly since: number
  /** Why it went, where it did not go by itself. */
  readonly reason: string | undefined
  /** @internal Place in the order of all that the journal has. */
  readonly order: number
}

/** A member of a group that was thrown out, since it was silent for too long. */
export interface ExpiredNote {
  readonly clientId: string
  readonly groupId: string
  readonly memberId: string
  /** Ms since the journal began. */
  readonly since: number
  /** @internal Place in the order of all that the journal has. */
  readonly order: number
}

/** Which requests are looked for. */
export interface EntryFilter {
  readonly client?: string | RegExp
  readonly connection?: number
  readonly broker?: number
  /** Of those that are left, those that it says true of. */
  readonly matching?: (entry: JournalEntry) => boolean
}

const DEFAULTS = { maxEntries: 10_000, maxBytes: 64 * 1024 * 1024 }
const SASL_AUTHENTICATE = 36
/** API, version and correlation id of a request. */
const START_BYTES = 8
/** A name of an API stands for itself and nothing else. */
const names: readonly string[] = apis.map(({ name }) => name)

/** What was said. */
export class Journal {
  /** Requests that were forgotten for want of room. */
  dropped = 0
  readonly #clock: Clock
  readonly #limits: Required<JournalOptions>
  #byExchange = new WeakMap<Exchange, JournalEntry>()
  #entries: JournalEntry[] = []
  #notes: ConnectionNote[] = []
  #expired: ExpiredNote[] = []
  #bytes = 0
  #number = 0
  #order = 0
  #began: number

  /** @internal */
  constructor(clock: Clock, options: JournalOptions = {}) {
    this.#clock = clock
    this.#limits = { ...DEFAULTS, ...options }
    this.#began = clock.monotonic()
  }

  /** All requests that are kept, in the order in which they were begun. */
  get entries(): readonly JournalEntry[] {
    return this.#entries
  }

  /** Connections that came and went. */
  get connections(): readonly ConnectionNote[] {
    return this.#notes
  }

  /** Members of groups whose sessions ended. */
  get expired(): readonly ExpiredNote[] {
    return this.#expired
  }

  /** Requests of an API, by Kafka's name of it. Throws TypeError for a name that none has. */
  of(api: string, filter: EntryFilter = {}): readonly JournalEntry[] {
    checkApiName(api)
    return this.#entries.filter((entry) => entry.api === api && fits(entry, filter))
  }

  /** Requests of all APIs. */
  filter(filter: EntryFilter): readonly JournalEntry[] {
    return this.#entries.filter((entry) => fits(entry, filter))
  }

  /** The requests, answers, connections and faults in the order of time, a line each. */
  timeline(options?: TimelineOptions): string {
    return timelineOf({ entries: this.#entries, connections: this.#notes, expired: this.#expired }, options)
  }

  /** The same as a capture file: Wireshark and tshark show it as Kafka's protocol. */
  toPcap(): Buffer {
    return pcapOf(this.#entries, this.#clock.now() - this.#clock.monotonic() + this.#began)
  }

  /** Forgets everything, and begins anew. */
  clear(): void {
    this.#entries = []
    this.#notes = []
    this.#expired = []
    this.#byExchange = new WeakMap()              // answers to requests of before are not of this journal
    this.#bytes = 0
    this.#number = 0
    this.#order = 0
    this.dropped = 0
    this.#began = this.#clock.monotonic()
  }

  /** @internal A request is begun. */
  begin(exchange: Exchange): JournalEntry {
    const { api, correlationId, frame, context: { version, clientId, connection, broker } } = exchange
    const entry = this.#add({ api, correlationId, frame, version, clientId, connection, broker, served: true })
    this.#byExchange.set(exchange, entry)
    return entry
  }

  /** @internal A request in a version that is not served, with what it was told. */
  unserved(request: UnservedRequest, bytes: AnswerBytes): void {
    // Somewhere in it is a password, wherever that version has it.
    const frame = request.api.key === SASL_AUTHENTICATE ? request.frame.subarray(0, START_BYTES) : request.frame
    const entry = this.#add({ ...request, frame, served: false })
    if (bytes === undefined) return
    entry.durationMs = 0
    entry.order.answered = ++this.#order
    entry.responseFrame = Buffer.concat(bytes)
    this.#bytes += entry.responseBytes
    this.#makeRoom()
  }

  /** @internal What is sent as the answer. The bytes are copied: those of records lie in memory of the log. */
  end(exchange: Exchange, bytes: AnswerBytes): void {
    const entry = this.#byExchange.get(exchange)
    if (entry === undefined) return
    entry.durationMs = this.#since - entry.since
    entry.order.answered = ++this.#order
    // One that was forgotten meanwhile takes no room any more.
    if (bytes === undefined || entry.number < (this.#entries[0]?.number ?? Infinity)) return
    entry.responseFrame = Buffer.concat(bytes)
    this.#bytes += entry.responseBytes
    this.#makeRoom()
  }

  /** @internal The entry of a request. */
  entryOf(exchange: Exchange): JournalEntry | undefined {
    return this.#byExchange.get(exchange)
  }

  /** @internal What the listener tells. */
  note(event: ListenerEvent): void {
    if (event.type !== 'connected' && event.type !== 'disconnected') return
    const reason = event.type === 'disconnected' ? event.reason : undefined
    this.#notes.push({ kind: event.type, connection: event.connection, since: this.#since, reason, order: ++this.#order })
    if (this.#notes.length > this.#limits.maxEntries) this.#notes.shift()
  }

  /** @internal What the log tells. */
  noteExpired({ clientId, groupId, memberId }: Omit<ExpiredNote, 'since' | 'order'>): void {
    this.#expired.push({ clientId, groupId, memberId, since: this.#since, order: ++this.#order })
    if (this.#expired.length > this.#limits.maxEntries) this.#expired.shift()
  }

  #add({ connection, broker, ...parts }: UnservedRequest & { readonly served: boolean }): JournalEntry {
    const { software } = connection
    const entry = new JournalEntry({
      ...parts, number: ++this.#number, connection: connection.id, broker: broker.nodeId,
      software: software === undefined ? '' : `${software.name} ${software.version}`, at: this.#clock.now(), since: this.#since,
      asked: ++this.#order,
    })
    this.#entries.push(entry)
    this.#bytes += entry.requestBytes
    this.#makeRoom()
    return entry
  }

  get #since(): number {
    return Math.max(0, this.#clock.monotonic() - this.#began)
  }

  #makeRoom(): void {
    const { maxEntries, maxBytes } = this.#limits
    while (this.#entries.length > maxEntries || (this.#bytes > maxBytes && this.#entries.length > 1)) {
      const { requestBytes, responseBytes } = this.#entries.shift()!
      this.#bytes -= requestBytes + responseBytes
      this.dropped++
    }
  }
}

/** Throws a TypeError when no API has the name, with the one that was probably meant. */
export function checkApiName(name: string): void {
  if (names.includes(name)) return
  const meant = closest(name, names)
  throw new TypeError(`there is no API "${name}"${meant === undefined ? `: there are ${names.join(', ')}` : `: did you mean "${meant}"?`}`)
}

/** Whether a client id is the one, or fits the pattern. */
export function isClient(clientId: string, wanted: string | RegExp | undefined): boolean {
  if (wanted === undefined) return true
  return typeof wanted === 'string' ? clientId === wanted : clientId.search(wanted) >= 0
}

function fits(entry: JournalEntry, { client, connection, broker, matching }: EntryFilter): boolean {
  return isClient(entry.clientId, client) && (connection === undefined || entry.connection === connection) &&
    (broker === undefined || entry.broker === broker) && (matching === undefined || matching(entry))
}
