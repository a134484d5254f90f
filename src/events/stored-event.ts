/*
 * An event as a reader gets it: a place in memory that is its own, decoded when asked. What it says in JSON and when it is printed is plain.
 */
import { type InspectOptions } from 'node:util'
import { type Codec } from '../base/codec.ts'
import { LogError } from '../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { readUtf8 } from '../topics/utf8.ts'
import { type EventParser, restOfHeaders } from './event-format.ts'
import { KeptData } from './kept-data.ts'
import { type EventMetadata, type RecordedFields } from './types.ts'

/** How data that was stored becomes data of today. */
export interface EventReading {
  readonly codec: Codec<unknown>
  /** The data as today's version of its type has it. */
  upcast(type: string, schema: number, data: unknown): unknown
}

/** The names of event types: each is made a string once. */
export class TypeNames {
  private readonly names = new Map<string, string>()
  private last = ''
  private lastBytes: Buffer = Buffer.alloc(0)

  at(buffer: Buffer, from: number, to: number): string {
    const { lastBytes } = this
    if (to - from !== lastBytes.length) return this.look(buffer, from, to)
    for (let index = 0; index < lastBytes.length; index++) if (buffer[from + index] !== lastBytes[index]) return this.look(buffer, from, to)
    return this.last
  }

  private look(buffer: Buffer, from: number, to: number): string {
    const read = readUtf8(buffer, from, to)
    const known = this.names.get(read)
    if (known === undefined && this.names.size < 10_000) this.names.set(read, read)
    this.last = known ?? read
    this.lastBytes = Buffer.from(buffer.subarray(from, to))
    return this.last
  }
}

/** One event of a stream. */
export class StoredEvent implements RecordedFields {
  readonly type: string
  /** Its number in its stream, from 1. */
  readonly version: number
  readonly position: number
  /** Ms since 1970. */
  readonly time: number
  readonly reading: EventReading
  private readonly buffer: Buffer
  readonly keyAt: number
  readonly valueAt: number
  readonly valueEnd: number
  readonly keyEnd: number
  readonly idAt: number
  readonly idEnd: number
  readonly restAt: number
  readonly restCount: number
  private decoded: unknown = undefined
  private isDecoded = false
  /** What its data says, for all who read it again. */
  private kept: KeptData | undefined

  /** Takes over what the parser found in `buffer`, whose bytes stay as they are. */
  constructor(reading: EventReading, type: string, position: number, buffer: Buffer, parsed: EventParser | StoredEvent, kept?: KeptData) {
    this.type = type
    this.version = parsed.version
    this.position = position
    this.time = parsed.time
    this.reading = reading
    this.buffer = buffer
    this.keyAt = parsed.keyAt
    this.keyEnd = parsed.keyEnd
    this.valueAt = parsed.valueAt
    this.valueEnd = parsed.valueEnd
    this.idAt = parsed.idAt
    this.idEnd = parsed.idEnd
    this.restAt = parsed.restAt
    this.restCount = parsed.restCount
    this.kept = kept
  }

  /** The same event, with data of its own, as another reader wants it. */
  again(reading: EventReading): StoredEvent {
    return new StoredEvent(reading, this.type, this.position, this.buffer, this, this.kept)
  }

  /** Those that are made of this one share what its data says once it is decoded. */
  keepData(): void {
    this.kept ??= new KeptData()
  }

  /** Bytes of memory for what `keepData` keeps. */
  get keptBytes(): number {
    return this.kept === undefined ? 0 : KeptData.memoryOf(this.valueEnd - this.valueAt)
  }

  get stream(): string {
    return readUtf8(this.buffer, this.keyAt, this.keyEnd)
  }

  get id(): string {
    return readUtf8(this.buffer, this.idAt, this.idEnd)
  }

  /** The event's data, in the version that its type has today. Decoded once. */
  get data(): unknown {
    if (this.isDecoded) return this.decoded
    const { reading, buffer, valueAt, valueEnd } = this
    const { kept } = this
    const isKept = kept !== undefined && KeptData.isFor(reading.codec)
    const stored = isKept ? kept.read(buffer, valueAt, valueEnd) : reading.codec.decode(buffer, valueAt, valueEnd)
    try {
      this.decoded = this.restCount === 0 ? reading.upcast(this.type, 1, stored) : reading.upcast(this.type, this.schema, stored)
    } catch (error) {
      throw castFailed(this, error)
    }
    this.isDecoded = true
    return this.decoded
  }

  /** The version of its type that it was written as. */
  get schema(): number {
    return this.restCount === 0 ? 1 : Number(this.rest().get('schema') ?? 1)
  }

  get metadata(): EventMetadata {
    if (this.restCount === 0) return {}
    const rest = this.rest()
    const own = rest.get('metadata')
    const metadata: Record<string, unknown> = own === undefined ? {} : (JSON.parse(own) as Record<string, unknown>)
    for (const name of ['correlation', 'causation', 'trace']) if (rest.has(name)) metadata[name] = rest.get(name)
    return metadata
  }

  /** The event's data as it is stored. */
  get valueBytes(): Buffer {
    return this.buffer.subarray(this.valueAt, this.valueEnd)
  }

  /** Bytes that it takes. */
  get byteLength(): number {
    return this.restAt - this.keyAt
  }

  /** What `JSON.stringify` writes of the event. */
  toJSON(): RecordedFields & { readonly type: string; readonly data: unknown } {
    const { type, data, stream, version, position, id, time, metadata } = this
    return { type, data, stream, version, position, id, time, metadata }
  }

  /** @internal Prints the fields of `toJSON`; in place of data that cannot be read, why. */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    const data = (): unknown => {
      try {
        return this.data
      } catch (error) {
        return error
      }
    }
    return inspected('Event', () => ({ ...this.plain(), data: data() }), depth, options, inspect)
  }

  private plain(): RecordedFields & { readonly type: string } {
    const { type, stream, version, position, id, time, metadata } = this
    return { type, stream, version, position, id, time, metadata }
  }

  private rest(): Map<string, string> {
    return restOfHeaders(this.buffer, this.restAt, this.restCount)
  }
}

function castFailed(event: StoredEvent, cause: unknown): LogError {
  const { stream, version, position, type, schema } = event
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `event ${version} of stream ${JSON.stringify(stream)}, ${type} as version ${schema} of it, cannot be brought to today's: ${reason}`
  return new LogError('LOG_CAST_FAILED', message, { stream, version, position, type, schema }, cause)
}
