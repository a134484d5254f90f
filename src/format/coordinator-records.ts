/*
 * Records of Kafka's internal topics: which kind a record is, and its key and value to and from bytes. The kinds themselves are declared
 * in consumer-offsets.ts and transaction-state.ts; what they mean is the coordinators' business.
 *
 *    key:   int16 type    | fields, never flexible          the type says what the record is
 *    value: int16 version | fields of that version          no value at all: a tombstone
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts'
import { LogError } from '../base/errors.ts'
import { type Fields } from './field.ts'
import { type Decoded, type Encodable, type Message, type StructIn, type StructOut } from './schema.ts'

/** One kind of record. */
export interface RecordKind {
  /** The types in the key that mean this kind; the first is what is written. */
  readonly types: readonly number[]
  readonly key: AnyMessage
  readonly value: AnyMessage
  /** The version in which values are written when nobody names one. */
  readonly writes: number
}

// `any`, since messages with all kinds of fields must fit.
type AnyMessage = Message<any>

/** A record as {@link CoordinatorRecords.decode} gives it, for each kind of `Kinds`. Encoding it again gives the same bytes. */
export type CoordinatorRecord<Kinds> = {
  readonly [K in keyof Kinds]: Kinds[K] extends RecordKind
    ? {
        readonly kind: K
        readonly type: number
        readonly key: Decoded<Kinds[K]['key']>
        /** Null is a tombstone. */
        readonly value: Decoded<Kinds[K]['value']> | null
        /** The version that the value had; -1 for a tombstone. */
        readonly version: number
      }
    : never
}[keyof Kinds]

/** A record as {@link CoordinatorRecords.encode} takes it: type and version are those that we write, unless it names others. */
export type CoordinatorRecordInput<Kinds> = {
  readonly [K in keyof Kinds]: Kinds[K] extends RecordKind
    ? {
        readonly kind: K
        readonly type?: number
        readonly key: Encodable<Kinds[K]['key']>
        readonly value: Encodable<Kinds[K]['value']> | null
        readonly version?: number
      }
    : never
}[keyof Kinds]

/** A record of a type that we do not know: newer Kafkas add some. To be left alone. */
export interface UnknownRecord {
  readonly kind: 'unknown'
  readonly type: number
}

/** The records of one internal topic. */
export interface CoordinatorRecords<Kinds> {
  encode(record: CoordinatorRecordInput<Kinds>): { key: Buffer; value: Buffer | null }
  /**
   * Takes a record apart. Bytes in the result are views.
   *
   * @throws LogError `LOG_DECODE_FAILED` when the bytes are not what their type or version says; `LOG_VERSION_UNSUPPORTED` when the value has
   *   a version that we do not know
   */
  decode(key: Uint8Array, value: Uint8Array | null): CoordinatorRecord<Kinds> | UnknownRecord
}

/** Makes the codec of an internal topic from its kinds of records. `topic` is for errors. */
export function coordinatorRecords<const Kinds extends { readonly [kind: string]: RecordKind }>(
  topic: string,
  kinds: Kinds,
): CoordinatorRecords<Kinds> {
  const byType = new Map<number, readonly [string, RecordKind]>()
  for (const entry of Object.entries(kinds)) for (const type of entry[1].types) byType.set(type, entry)
  return {
    encode(record) {
      const kind = kinds[record.kind]!
      const version = record.version === undefined || record.version < 0 ? kind.writes : record.version
      return {
        key: encodeKey(kind, record.type ?? kind.types[0]!, record.key),
        value: record.value === null ? null : encodeVersioned(kind.value, version, record.value),
      }
    },
    decode(key, value) {
      const reader = new ByteReader(key, 0, key.length, 'LOG_DECODE_FAILED', `key in ${topic}`)
      const type = reader.int16()
      const known = byType.get(type)
      if (known === undefined) return { kind: 'unknown', type }
      const [name, kind] = known
      const decoded = value === null ? { version: -1, value: null } : decodeVersioned(kind.value, value)
      return { kind: name, type, key: wholly(kind.key.at(kind.key.last).decode(reader), reader), ...decoded } as CoordinatorRecord<Kinds>
    },
  }
}

/** A message behind its version: int16, then the fields. */
export function encodeVersioned<F extends Fields>(message: Message<F>, version: number, value: StructIn<F>): Buffer {
  return encodePrefixed(version, message, version, value)
}

/**
 * What {@link encodeVersioned} made. Bytes in it are views.
 *
 * @throws LogError `LOG_VERSION_UNSUPPORTED` for a version that the message does not have; `LOG_DECODE_FAILED` for other bytes
 */
function decodeVersioned<F extends Fields>(message: Message<F>, bytes: Uint8Array): { version: number; value: StructOut<F> } {
  const reader = new ByteReader(bytes, 0, bytes.length, 'LOG_DECODE_FAILED', message.name)
  const version = reader.int16()
  if (!message.supports(version)) {
    const reason = `${message.name} has version ${version}, known are ${message.first} to ${message.last}`
    throw new LogError('LOG_VERSION_UNSUPPORTED', reason, { message: message.name, version })
  }
  return { version, value: wholly(message.at(version).decode(reader), reader) }
}

function encodeKey(kind: RecordKind, type: number, key: StructIn<Fields>): Buffer {
  if (!kind.types.includes(type)) throw new RangeError(`${kind.key.name} has types ${kind.types.join(', ')}, not ${type}`)
  return encodePrefixed(type, kind.key, kind.key.last, key)
}

function encodePrefixed<F extends Fields>(prefix: number, message: Message<F>, version: number, value: StructIn<F>): Buffer {
  const codec = message.at(version)
  const writer = new ByteWriter()
  writer.int16(prefix)
  codec.encode(value, writer)
  return writer.written()
}

function wholly<T>(value: T, reader: ByteReader): T {
  return reader.left === 0 ? value : reader.fail(`${reader.left} bytes behind the last field`)
}
