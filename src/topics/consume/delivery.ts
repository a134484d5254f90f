/*
 * A record in the hand of a handler, once per attempt. Key and value are decoded before the handler is called, so that bytes which cannot be
 * are nobody's error but the record's; they stay as they are when the memory that the record came from is used again.
 */
import type { LogRecord, RecordHeaders } from '../../log/record.ts'
import type { PortableRecord } from '../contract.ts'

/** What is to become of a record: Kafka's words for share groups. */
export type Outcome =
  | { readonly type: 'accept' }
  | { readonly type: 'release'; readonly delayMs: number | undefined }
  | { readonly type: 'reject'; readonly error: unknown }

/** What an attempt belongs to. */
interface Attempted {
  /** Default: one of its own. */
  readonly signal?: AbortSignal
  readonly origin: Origin | undefined
}

const ACCEPT: Outcome = { type: 'accept' }

/** Where a record came from that was read elsewhere: in the retry topic, or among the dead letters. */
export interface Origin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** As they were there. */
  readonly headers: RecordHeaders
}

/** A record as a handler gets it. A handler that returns accepts it, one that throws releases it; or it says what else shall become of it. */
export class Delivery<K, V> implements PortableRecord<K, V> {
  /** The decoded key, null when there is none. */
  readonly key: K | null
  /** The decoded value, null for a tombstone. */
  readonly value: V | null
  /** How often the record was handed out, this time included: 1, 2, … */
  readonly attempt: number
  private readonly record: LogRecord<K, V>
  private readonly attempted: Attempted
  private decided: Outcome | undefined
  private renewed: boolean
  private controller: AbortController | undefined

  /** @internal Throws what the codecs throw. */
  constructor(record: LogRecord<K, V>, attempt: number, attempted: Attempted) {
    this.record = record
    this.key = record.key
    this.value = record.value
    this.attempt = attempt
    this.attempted = attempted
    this.decided = undefined
    this.renewed = false
    this.controller = undefined
  }

  get topic(): string {
    return (this.attempted.origin ?? this.record).topic
  }

  get partition(): number {
    return (this.attempted.origin ?? this.record).partition
  }

  get offset(): number {
    return (this.attempted.origin ?? this.record).offset
  }

  /** Milliseconds since 1970; −1 when the producer gave none. */
  get timestamp(): number {
    return this.record.timestamp
  }

  /** Names as strings, values as views. */
  get headers(): RecordHeaders {
    return (this.attempted.origin ?? this.record).headers
  }

  /** The value of the last header called `name`; undefined when there is none. */
  header(name: string): Buffer | null | undefined {
    const { origin } = this.attempted
    return origin === undefined ? this.record.header(name) : origin.headers.findLast(([one]) => one === name)?.[1]
  }

  /** Aborted when the result is not waited for any longer: the partition went to another member, or the time to stop ran out. */
  get signal(): AbortSignal {
    return this.attempted.signal ?? (this.controller ??= new AbortController()).signal
  }

  /** @internal Nobody waits for the handler any longer, and whoever asks for the signal only now is told too. */
  abandon(reason: unknown): void {
    ;(this.controller ??= new AbortController()).abort(reason)
  }

  /** The record is done, whatever the handler does from now on. */
  accept(): void {
    this.decided ??= ACCEPT
  }

  /** The record is to be tried again when the handler returned: after the usual wait, or `delayMs` milliseconds. Counts as an attempt. */
  release(options: { readonly delayMs?: number } = {}): void {
    this.decided ??= { type: 'release', delayMs: options.delayMs }
  }

  /** The record is not to be tried again: it goes to the dead letters, with this error. */
  reject(error: unknown): void {
    this.decided ??= { type: 'reject', error }
  }

  /** The handler is at work and needs longer: it is waited for at least as long again as `handlerTimeoutMs` says. */
  renew(): void {
    this.renewed = true
  }

  /** @internal Whether it was renewed since this was asked before. */
  takeRenewal(): boolean {
    const { renewed } = this
    this.renewed = false
    return renewed
  }

  /** @internal What the handler said; undefined when it said nothing. */
  get outcome(): Outcome | undefined {
    return this.decided
  }
}

/** What becomes of a record: what the handler said, else what it did. */
export function outcomeOf<K, V>(delivery: Delivery<K, V>, failure: { readonly error: unknown } | undefined): Outcome & { readonly error?: unknown } {
  const said = delivery.outcome
  if (said === undefined) return failure === undefined ? ACCEPT : { type: 'release', delayMs: undefined, error: failure.error }
  if (said.type === 'release') return { ...said, error: failure?.error ?? new Error('the handler released the record') }
  return said
}
