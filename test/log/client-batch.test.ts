import { expect, onTestFinished, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import {
  type BatchRecord, decodeBatch, encodeBatch, type EncodeBatchOptions, RECORDS_AT, sealCrc, writeBatchHeader,
  readBatchHeader,
} from '../../src/format/batch.ts'
import { compress, type CompressionName } from '../../src/format/compression.ts'
import { recordBodySize, putRecord, recordSize } from '../../src/format/record.ts'
import { type LogConfig } from '../../src/log/config.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { openLog } from './harness.ts'

const NOW = Date.UTC(2026, 0, 1)
const key = Buffer.from('k')
const value = Buffer.from('value')

test('a batch is stored as it came, but for its offset and epoch', async () => {
  const stored = await appended([{ timestamp: NOW, key, value }, { timestamp: NOW + 5, value }], { compression: 'gzip' })
  expect(stored.bytes.subarray(21).equals(stored.sent.subarray(21))).toBe(true)
  expect(stored.header).toMatchObject({ baseOffset: 0, compression: 'gzip', maxTimestamp: NOW + 5 })
})

for (const [compressionType, compression] of [['gzip', 'gzip'], ['uncompressed', 'none'], ['producer', 'snappy'], ['lz4', 'lz4']] as const) {
  test(`a topic of compressionType ${compressionType} has ${compression} of what comes as snappy`, async () => {
    const producer = { producerId: 5n, producerEpoch: 1, baseSequence: 0, transactional: true }
    const sent = [{ timestamp: NOW, key, value }, { timestamp: NOW + 5, value }]
    const { header, records } = await appended(sent, { compression: 'snappy', ...producer }, { compressionType })
    expect(header).toMatchObject({ compression, ...producer, lastOffsetDelta: 1 })
    expect(records.map(({ offset, timestamp }) => [offset, timestamp])).toEqual([[0, NOW], [1, NOW + 5]])
    expect(records[0]).toMatchObject({ key, value })
  })
}

test('a batch that is too large only after it was made anew is refused', async () => {
  const records = [{ value: Buffer.alloc(5000) }]
  const refused = appended(records, { compression: 'gzip' }, { compressionType: 'uncompressed', maxMessageBytes: 1000 })
  await expect(refused).rejects.toMatchObject({ code: 'LOG_BATCH_TOO_LARGE', detail: { limit: 1000 } })
})

test('the largest timestamp is that of the records, whatever the header says', async () => {
  const stored = await appended([{ timestamp: NOW, value }, { timestamp: NOW + 7, value }], { maxTimestamp: 3 })
  expect(stored.header.maxTimestamp).toBe(NOW + 7)
})

test('a client does not say that the log stamped its records', async () => {
  const stamped = { timestampType: 'LogAppendTime', maxTimestamp: NOW } as const
  expect((await appended([{ timestamp: 5, value }], stamped)).header).toMatchObject({ timestampType: 'CreateTime', maxTimestamp: NOW })
  const timeless = appended([{ value }], { ...stamped, maxTimestamp: -1 })
  await expect(timeless).rejects.toMatchObject({ detail: { refused: [{ index: 0, reason: 'timestamp-type' }] } })
  const log = appended([{ timestamp: 5, value }], stamped, { messageTimestampType: 'LogAppendTime' })
  await expect(log).rejects.toMatchObject({ detail: { refused: [{ index: 0, reason: 'timestamp-type' }] } })
})

test('where the log stamps records the moment of the append counts', async () => {
  const stored = await appended([{ timestamp: 5, value }], {}, { messageTimestampType: 'LogAppendTime' })
  expect(stored.header).toMatchObject({ timestampType: 'LogAppendTime', maxTimestamp: NOW })
})

test('each record that a compacted topic does not take is told', async () => {
  const refused = appended([{ value }, { key, value }, { key, value: null }, { value: null }], { compression: 'gzip' }, { cleanupPolicy: 'compact' })
  await expect(refused).rejects.toMatchObject({
    code: 'LOG_RECORD_INVALID', detail: { refused: [{ index: 0, reason: 'no-key' }, { index: 3, reason: 'no-key' }] },
  })
})

test('each record is told whose timestamp is too far from the clock; one without a timestamp is not', async () => {
  const bounds = { messageTimestampBeforeMaxMs: 10, messageTimestampAfterMaxMs: 5 }
  const times = [NOW, NOW + 5, NOW + 6, NOW - 10, NOW - 11, -1]
  const refused = appended(times.map((timestamp) => ({ timestamp, value })), {}, bounds)
  await expect(refused).rejects.toMatchObject({
    detail: { earliest: NOW - 10, latest: NOW + 5, refused: [{ index: 2, timestamp: NOW + 6 }, { index: 4, timestamp: NOW - 11 }] },
  })
})

test('records that do not count from 0 are counted anew', async () => {
  for (const compression of ['none', 'gzip'] as const) {
    const batch = encodeBatch([{ timestamp: NOW, key, value }, { timestamp: NOW + 1, value, headers: [['h', value]] }])
    const { log, close } = await opened({})
    const offsets = [3, 7]
    const { records: sent } = decodeBatch(batch, 0, batch.length)
    const plain = Buffer.concat(sent.map((record, index) => recordBytes(record.timestamp - NOW, offsets[index]!, record.key, record.value!)))
    const bytes = withRecords(batch, plain, compression)
    log.appendBatch(bytes)
    await log.flush()
    const { records } = await log.readBatches({ from: 0, maxBytes: 10_000 })
    expect(decodeBatch(records, 0, records.length).records.map(({ offset, timestamp }) => [offset, timestamp])).toEqual([[0, NOW], [1, NOW + 1]])
    await close()
  }
})

test('bytes that are no records are refused, though their checksum is right', async () => {
  const batch = encodeBatch([{ value: Buffer.alloc(100) }])
  const { log, close } = await opened({})
  const whole = batch.subarray(RECORDS_AT)
  const huge = Buffer.from(whole)
  huge[0] = 0xff
  for (const [plain, compression] of [
    [whole.subarray(0, 50), 'none'], [Buffer.concat([whole, Buffer.from([0])]), 'none'], [huge, 'none'], [Buffer.concat([whole, whole]), 'gzip'],
  ] as const) {
    expect(() => log.appendBatch(withRecords(batch, plain, compression))).toThrowError(expect.objectContaining({ code: 'LOG_RECORD_INVALID' }))
  }
  const garbage = withRecords(batch, whole, 'gzip')
  garbage.fill(0xee, RECORDS_AT + 2)
  sealCrc(garbage, 0, garbage.length)
  expect(() => log.appendBatch(garbage)).toThrowError(expect.objectContaining({ code: 'LOG_RECORD_INVALID' }))
  expect(log.nextOffset).toBe(0)
  await close()
})

test('a producer with an id counts its records', async () => {
  const { log, close } = await opened({})
  const batch = encodeBatch([{ value }], { producerId: 4n, producerEpoch: 0, baseSequence: 0 })
  batch.writeInt32BE(-1, 53)
  sealCrc(batch, 0, batch.length)
  expect(() => log.appendBatch(batch)).toThrowError(expect.objectContaining({ code: 'LOG_RECORD_INVALID' }))
  await close()
})

async function opened(config: Partial<LogConfig>) {
  return openLog(new MemoryFileSystem(), '/', config, { clock: new ManualClock({ now: NOW }) })
}

/** What becomes of a batch. */
async function appended(records: readonly BatchRecord[], options: EncodeBatchOptions, config: Partial<LogConfig> = {}) {
  const { log, close } = await opened(config)
  onTestFinished(close)
  const sent = encodeBatch(records, options)
  log.appendBatch(sent)
  await log.flush()
  const { records: bytes } = await log.readBatches({ from: 0, maxBytes: 100_000 })
  return { sent, bytes, ...decodeBatch(bytes, 0, bytes.length) }
}

function recordBytes(timestampDelta: number, offsetDelta: number, key: Buffer | null, value: Buffer): Buffer {
  const bodySize = recordBodySize(timestampDelta, offsetDelta, key?.length ?? -1, value.length, 1)
  const bytes = Buffer.alloc(recordSize(bodySize))
  putRecord(bytes, 0, bodySize, timestampDelta, offsetDelta, key, value, [])
  return bytes
}

/** The header of a batch before other records. */
function withRecords(batch: Buffer, plain: Uint8Array, compression: CompressionName): Buffer {
  const bytes = Buffer.concat([batch.subarray(0, RECORDS_AT), compress(compression, plain)])
  writeBatchHeader(bytes, 0, { ...readBatchHeader(batch, 0, batch.length), size: bytes.length, attributes: ['none', 'gzip'].indexOf(compression) })
  return bytes
}
