/*
 * The `.snapshot` file: what is known of each producer up to an offset, so that opening a log need not read all of it. What the fields mean
 * for the next batch is log/producer-state.ts. Spec: docs/format.md#producer-state; Kafka's ProducerStateManager.
 *
 *   0         2        6              10
 *   +---------+--------+--------------+------------
 *   | version | crc32c | entry count  | entries, 46 bytes each
 *   +---------+--------+--------------+------------
 *
 * The CRC covers the bytes from 6 to the end.
 */
import { ByteReader, ByteWriter, setInt32 } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'

const CURRENT_VERSION = 1
const CRC_AT = 2
const CRC_COVERS_FROM = 6
const ENTRY_SIZE = 46

/** One producer. −1 stands for "none" throughout. */
export interface ProducerSnapshotEntry {
  readonly producerId: bigint
  readonly epoch: number
  /** Of the last batch, and so are the next two; −1, −1 and 0 when only a marker is known. */
  readonly lastSequence: number
  readonly lastOffset: number
  /** Last offset less first offset. */
  readonly offsetDelta: number
  /** Of the producer's last batch or marker, in ms since 1970. */
  readonly timestamp: number
  /** Of the last marker. */
  readonly coordinatorEpoch: number
  /** Where its open transaction begins. */
  readonly currentTxnFirstOffset: number
}

/** The bytes of a snapshot of these producers. */
export function encodeProducerSnapshot(entries: readonly ProducerSnapshotEntry[]): Buffer {
  const writer = new ByteWriter(Buffer.allocUnsafe(10 + entries.length * ENTRY_SIZE))
  writer.int16(CURRENT_VERSION)
  writer.int32(0) // the CRC, below
  writer.int32(entries.length)
  for (const entry of entries) {
    writer.bigint64(entry.producerId)
    writer.int16(entry.epoch)
    writer.int32(entry.lastSequence)
    writer.int64(entry.lastOffset)
    writer.int32(entry.offsetDelta)
    writer.int64(entry.timestamp)
    writer.int32(entry.coordinatorEpoch)
    writer.int64(entry.currentTxnFirstOffset)
  }
  const bytes = writer.written()
  setInt32(bytes, CRC_AT, crc32c(bytes, CRC_COVERS_FROM, bytes.length))
  return bytes
}

/**
 * The producers of a snapshot.
 *
 * @throws LogError `LOG_FILE_CORRUPT` for another version, a wrong CRC, or a size that does not fit the count. The log then takes an
 *   older snapshot and reads more
 */
export function decodeProducerSnapshot(bytes: Uint8Array, path: string): ProducerSnapshotEntry[] {
  const reader = new ByteReader(bytes, 0, bytes.length, 'LOG_FILE_CORRUPT', path)
  const version = reader.int16()
  if (version !== CURRENT_VERSION) reader.fail(`version ${version} of a producer snapshot`)
  const crc = reader.uint32()
  if (crc32c(bytes, CRC_COVERS_FROM, bytes.length) !== crc) reader.fail('the CRC does not fit')
  const count = reader.int32()
  if (count * ENTRY_SIZE !== reader.left) reader.fail(`${count} producers in ${reader.left} bytes`)
  return Array.from({ length: count }, () => ({
    producerId: reader.bigint64(),
    epoch: reader.int16(),
    lastSequence: reader.int32(),
    lastOffset: reader.int64(),
    offsetDelta: reader.int32(),
    timestamp: reader.int64(),
    coordinatorEpoch: reader.int32(),
    currentTxnFirstOffset: reader.int64(),
  }))
}
