/*
 * A record as a test looks at it: bytes of its own, read as text, as JSON or by a codec. It stays what it is, whatever becomes of the topic.
 */
import { type Codec } from '../../base/codec.ts'
import { type Inspect, INSPECT, inspected } from '../../base/inspect.ts'
import { type InspectOptions } from 'node:util'
import { type LogRecord } from '../../log/record.ts'

/** One record of a topic. */
export class TestRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Ms since 1970. */
  readonly timestamp: number
  readonly leaderEpoch: number
  /** In their order; a name may stand twice. */
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[]
  readonly keyBytes: Buffer | null
  /** The value; null for a tombstone. */
  readonly bytes: Buffer | null

  /** @internal */
  constructor(record: LogRecord<Uint8Array, Uint8Array>) {
    this.topic = record.topic
    this.partition = record.partition
    this.offset = record.offset
    this.timestamp = record.timestamp
    this.leaderEpoch = record.leaderEpoch
    this.headers = record.headers.map(([name, value]) => [name, copied(value)])
    this.keyBytes = copied(record.keyBytes)
    this.bytes = copied(record.valueBytes)
  }

  /** The key as text; null when there is none. */
  get key(): string | null {
    return this.keyBytes?.toString() ?? null
  }

  /** The value as text; null for a tombstone. */
  text(): string | null {
    return this.bytes?.toString() ?? null
  }

  /** The value as JSON; null for a tombstone. Throws SyntaxError when it is none. */
  json<T = unknown>(): T {
    return JSON.parse(this.text() ?? 'null') as T
  }

  /** The value by a codec; null for a tombstone. */
  decode<T>(codec: Codec<T>): T | null {
    return this.bytes === null ? null : codec.decode(this.bytes, 0, this.bytes.length)
  }

  /** The last header with this name, as text; undefined when there is none. */
  header(name: string): string | null | undefined {
    const found = this.headers.findLast(([one]) => one === name)
    return found === undefined ? undefined : found[1]?.toString() ?? null
  }

  /** What `JSON.stringify` writes: key, value and headers as text, the value as JSON where it is some. */
  toJSON(): Record<string, unknown> {
    const { topic, partition, offset, timestamp, key } = this
    const headers = this.headers.map(([name, value]) => [name, value?.toString() ?? null])
    return { topic, partition, offset, timestamp, key, value: readable(this.text()), headers }
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    return inspected('TestRecord', () => this.toJSON(), depth, options, inspect)
  }
}

function copied(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes)
}

function readable(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return text
  }
}
