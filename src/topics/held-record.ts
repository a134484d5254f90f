/*
 * A record whose send waits for room, as it was when it was sent: encoded, its partition chosen. Its owner may change what it was made of,
 * or use the memory again.
 */
import { ByteWriter } from '../base/bytes.ts'
import { type Codec } from '../base/codec.ts'
import { headerList } from '../log/batch-builder.ts'
import { type RecordCodecs, type RecordInput } from '../log/record-input.ts'
import { bytes } from './codecs.ts'

/** The codecs of records that are encoded already. */
export const encodedCodecs: RecordCodecs<Uint8Array, Uint8Array> = { key: bytes, value: bytes }

/** A record that waits. */
export interface HeldRecord extends RecordInput<Uint8Array, Uint8Array> {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [string, Uint8Array | string | null])[]
  readonly timestamp: number
  readonly partition: number
}

/**
 * Copies a record.
 *
 * @throws TypeError for a key, value or header that cannot be encoded; what the codecs throw
 */
export function holdRecord<K, V>(codecs: RecordCodecs<K, V>, record: RecordInput<K, V>, { partition, timestamp }: {
  readonly partition: number
  readonly timestamp: number
}): HeldRecord {
  const headers = record.headers === undefined ? [] : headerList(record.headers).map(([name, value]) => (
    [name, value instanceof Uint8Array ? Buffer.from(value) : value] as const
  ))
  return { key: encoded(codecs.key, record.key), value: encoded(codecs.value, record.value), headers, timestamp, partition }
}

/** Bytes of a record's key, value and headers. */
export function heldSize({ key, value, headers }: HeldRecord): number {
  let size = (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, bytes] of headers) size += name.length + (bytes?.length ?? 0)
  return size
}

function encoded<T>(codec: Codec<T>, value: T | null | undefined): Uint8Array | null {
  if (value === null || value === undefined) return null
  const writer = new ByteWriter(Buffer.allocUnsafe(codec.size?.(value) ?? 256))
  codec.encode(value, writer)
  return writer.buffer.subarray(0, writer.at)
}
