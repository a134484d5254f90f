import fc from 'fast-check'
import { expect, test } from 'vitest'
import { setInt16, setInt32, setInt64 } from '../../src/base/bytes.ts'
import { isLogError } from '../../src/base/errors.ts'
import * as batch from '../../src/format/batch.ts'
import { compressionNames } from '../../src/format/compression.ts'
import { batchOptions, batchRecords, codecInstalled } from '../tools/batches.ts'
import { golden } from '../tools/golden.ts'

const h = ['h', Buffer.from('x')] as const
const n = ['n', null] as const
const records: batch.BatchRecord[] = [
  { timestamp: 1_700_000_000_000, key: Buffer.from('k1'), value: Buffer.from('v1'), headers: [h, n] },
  { timestamp: 1_699_999_999_990, key: null, value: Buffer.from('v2') },
  { timestamp: 1_700_000_000_300, key: Buffer.from('k3'), value: null },
]
type Case = [name: string, records: batch.BatchRecord[], options: batch.EncodeBatchOptions]

const producer = { producerId: 7n, producerEpoch: 1, transactional: true }
/** zstd takes Node 22.15 or an optional package; what happens without is told in compression.test.ts. */
const compressions = compressionNames.slice(1).filter(codecInstalled)

// Golden bytes ---------------------------------------------------------------------------------------------------------------------------

test.each([
  ['uncompressed', records, { baseOffset: 5, leaderEpoch: 3 }],
  ['transactional', records, { baseOffset: 5, leaderEpoch: 3, ...producer, baseSequence: 2_147_483_646 }],
  ['empty', [], { baseOffset: 5, lastOffset: 9, leaderEpoch: 3, ...producer, baseSequence: 0, maxTimestamp: 1_700_000_000_300 }],
  ['delete-horizon', [{ ...records[2]!, offset: 5 }], { leaderEpoch: 3, deleteHorizonMs: 1_700_086_400_000 }],
  ['log-append-time', records, { baseOffset: 100, leaderEpoch: 8, timestampType: 'LogAppendTime', maxTimestamp: 1_700_000_001_000 }],
] satisfies Case[])("the %s batch is written as Kafka's classes write it", (name, list, options) => {
  expect(batch.encodeBatch(list, options).toString('hex')).toBe(golden('batch-v2', name).toString('hex'))
})

test.each(['uncompressed', 'transactional', ...compressions])("the %s batch that Kafka's classes wrote is read", (name) => {
  const bytes = golden('batch-v2', name)
  const { header, records: read } = batch.decodeBatch(bytes, 0, bytes.length)
  expect(header).toMatchObject({
    baseOffset: 5, size: bytes.length, leaderEpoch: 3, magic: 2, timestampType: 'CreateTime', control: false, deleteHorizon: false,
    lastOffsetDelta: 2, lastOffset: 7, baseTimestamp: 1_700_000_000_000, maxTimestamp: 1_700_000_000_300, recordCount: 3,
  })
  expect(header.compression).toBe(compressions.find((compression) => compression === name) ?? 'none')
  expect(header.transactional).toBe(name === 'transactional')
  expect(read).toEqual(records.map((record, index) => ({ headers: [], ...record, offset: 5 + index, attributes: 0 })))
})

test('a batch that carries its append time gives it to every record', () => {
  const { header, records: read } = decoded(golden('batch-v2', 'log-append-time'))
  expect(header).toMatchObject({ timestampType: 'LogAppendTime', maxTimestamp: 1_700_000_001_000 })
  expect(read.map(({ offset, timestamp }) => [offset, timestamp])).toEqual([100, 101, 102].map((offset) => [offset, 1_700_000_001_000]))
})

test('a delete horizon stands in for the base timestamp, and timestamps stay what they were', () => {
  const { header, records: read } = decoded(golden('batch-v2', 'delete-horizon'))
  expect(header).toMatchObject({ deleteHorizon: true, baseTimestamp: 1_700_086_400_000 })
  expect(read).toMatchObject([{ offset: 5, timestamp: 1_700_000_000_300 }])
})

test('a batch that compaction emptied keeps its offsets and its producer', () => {
  const { header, records: read } = decoded(golden('batch-v2', 'empty'))
  expect(header).toMatchObject({ baseOffset: 5, lastOffset: 9, recordCount: 0, ...producer, baseSequence: 0 })
  expect(read).toEqual([])
})

test('offset and leader epoch are given to a batch without touching its CRC', () => {
  const bytes = batch.encodeBatch(records)
  batch.assignOffsets(bytes, 0, 5, 3)
  expect(bytes.toString('hex')).toBe(golden('batch-v2', 'uncompressed').toString('hex'))
})

test('an append time is given to a batch as a leader does it', () => {
  const bytes = batch.encodeBatch(records)
  batch.assignOffsets(bytes, 0, 100, 8)
  batch.assignAppendTime(bytes, 0, 1_700_000_001_000)
  expect(bytes.toString('hex')).toBe(golden('batch-v2', 'log-append-time').toString('hex'))
})

// Any batch ------------------------------------------------------------------------------------------------------------------------------

test('what is written is read back, wherever it lies', () => {
  fc.assert(
    fc.property(batchRecords, batchOptions, fc.nat(20), (list, options, before) => {
      const bytes = Buffer.concat([Buffer.alloc(before, 1), batch.encodeBatch(list, options), Buffer.alloc(9, 2)])
      expect(batch.batchDamage(bytes, before, bytes.length)).toBeUndefined()
      const { header, records: read } = batch.decodeBatch(bytes, before, bytes.length)
      expect(header.size).toBe(bytes.length - before - 9)
      expect(header).toMatchObject({ leaderEpoch: -1, producerId: -1n, producerEpoch: -1, baseSequence: -1, ...withoutMaking(options) })
      expect(header.lastOffset).toBe(list.at(-1)?.offset ?? 0)
      const appended = options.timestampType === 'LogAppendTime' ? { timestamp: options.maxTimestamp } : {}
      expect(read).toEqual(list.map((record) => ({ ...record, ...appended, attributes: 0 })))
    }),
  )
})

test.each(compressions)('records compressed by %s are read back, and their CRC covers the compressed bytes', (compression) => {
  fc.assert(
    fc.property(batchRecords, (list) => {
      const bytes = batch.encodeBatch(list, { compression })
      expect(batch.batchDamage(bytes, 0, bytes.length)).toBeUndefined()
      const { header, records: read } = decoded(bytes)
      expect(header.compression).toBe(list.length === 0 ? 'none' : compression)
      expect(read).toEqual(list.map((record) => ({ ...record, attributes: 0 })))
    }),
    { numRuns: 30 },
  )
})

test('a batch that decompresses to more than is allowed is refused', () => {
  const bytes = batch.encodeBatch([{ value: Buffer.alloc(100_000) }], { compression: 'gzip' })
  expect(() => batch.decodeBatch(bytes, 0, bytes.length, { maxDecompressedBytes: 50_000 })).toThrow(withCode('LOG_DECOMPRESSED_TOO_LARGE'))
})

test('records are views of the batch', () => {
  const bytes = batch.encodeBatch([{ key: Buffer.from('key'), value: Buffer.from('value') }])
  const [record] = decoded(bytes).records
  bytes.fill(0x2a, batch.RECORDS_AT)
  expect([String(record!.key), String(record!.value)]).toEqual(['***', '*****'])
})

test('bytes that are no Buffer are read all the same', () => {
  const bytes = Uint8Array.from(batch.encodeBatch(records))
  expect(batch.decodeBatch(bytes, 0, bytes.length).records).toHaveLength(3)
})

// Damage ---------------------------------------------------------------------------------------------------------------------------------

test('any flipped bit that the CRC covers is noticed', () => {
  fc.assert(
    fc.property(batchRecords, batchOptions, fc.nat(), fc.nat(7), (list, options, byte, bit) => {
      const bytes = batch.encodeBatch(list, options)
      const at = batch.CRC_AT + (byte % (bytes.length - batch.CRC_AT))
      bytes[at]! ^= 1 << bit
      expect(batch.batchDamage(bytes, 0, bytes.length)).toBe('bad-crc')
      expect(() => decoded(bytes)).toThrow(withCode('LOG_BATCH_CORRUPT'))
    }),
    { numRuns: 500 },
  )
})

test('every bit of one batch, flipped in turn, is noticed or is outside the CRC', () => {
  const whole = golden('batch-v2', 'uncompressed')
  const unnoticed = new Set<number>()
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const bytes = Buffer.from(whole)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    if (batch.batchDamage(bytes, 0, bytes.length) === undefined) unnoticed.add(bit >> 3)
  }
  expect([...unnoticed].every((at) => at < batch.LENGTH_AT || (at >= batch.LEADER_EPOCH_AT && at < batch.MAGIC_AT))).toBe(true)
})

test('a batch cut short anywhere says so', () => {
  const bytes = golden('batch-v2', 'uncompressed')
  for (let end = 0; end < bytes.length; end++) {
    expect(batch.batchDamage(bytes, 0, end)).toBe(end < batch.RECORDS_AT ? 'short-header' : 'short-batch')
    expect(() => batch.decodeBatch(bytes, 0, end)).toThrow(withCode('LOG_BATCH_CORRUPT'))
  }
})

test('zeros are a bad length', () => expect(batch.batchDamage(Buffer.alloc(100), 0, 100)).toBe('bad-length'))

test.each<[batch.BatchDamage, string, (bytes: Buffer) => void]>([
  ['bad-length', 'less than a header', (bytes) => setInt32(bytes, batch.LENGTH_AT, 48)],
  ['bad-length', 'negative', (bytes) => setInt32(bytes, batch.LENGTH_AT, -1)],
  ['bad-magic', 'of an older format', (bytes) => (bytes[batch.MAGIC_AT] = 1)],
  ['bad-magic', 'of a newer format', (bytes) => (bytes[batch.MAGIC_AT] = 3)],
  ['bad-compression', 'without a codec', (bytes) => setInt16(bytes, batch.ATTRIBUTES_AT, 5)],
  ['bad-offset', 'a negative base', (bytes) => setInt64(bytes, batch.BASE_OFFSET_AT, -1)],
  ['bad-offset', 'beyond 2^53', (bytes) => setInt64(bytes, batch.BASE_OFFSET_AT, Number.MAX_SAFE_INTEGER - 1)],
  ['bad-offset', 'a negative delta', (bytes) => setInt32(bytes, batch.LAST_OFFSET_DELTA_AT, -1)],
  ['bad-timestamp', 'a base beyond 2^53', (bytes) => setInt32(bytes, batch.BASE_TIMESTAMP_AT, 0x7fff_ffff)],
  ['bad-timestamp', 'a maximum beyond 2^53', (bytes) => setInt32(bytes, batch.MAX_TIMESTAMP_AT, -0x8000_0000)],
  ['bad-count', 'negative', (bytes) => setInt32(bytes, batch.RECORD_COUNT_AT, -1)],
  ['bad-count', 'more records than offsets', (bytes) => setInt32(bytes, batch.RECORD_COUNT_AT, 4)],
])('a header with a %s (%s) is corrupt even with the right CRC', (reason, _, change) => {
  const bytes = Buffer.from(golden('batch-v2', 'uncompressed'))
  change(bytes)
  batch.sealCrc(bytes, 0, bytes.length)
  expect(batch.batchDamage(bytes, 0, bytes.length)).toBe(reason)
  expect(() => batch.readBatchHeader(bytes, 0, bytes.length)).toThrow(withCode('LOG_BATCH_CORRUPT', reason))
})

test.each<[string, (bytes: Buffer) => void]>([
  ['more than there are', (bytes) => [setInt32(bytes, batch.LAST_OFFSET_DELTA_AT, 9), setInt32(bytes, batch.RECORD_COUNT_AT, 4)]],
  ['fewer than there are', (bytes) => setInt32(bytes, batch.RECORD_COUNT_AT, 2)],
  ['none of those there are', (bytes) => setInt32(bytes, batch.RECORD_COUNT_AT, 0)],
  ['two milliards', (bytes) => [setInt32(bytes, batch.LAST_OFFSET_DELTA_AT, 0x7fff_ffff), setInt32(bytes, batch.RECORD_COUNT_AT, 0x7fff_ffff)]],
])('a count of records that is %s is corrupt', (_, change) => {
  const bytes = Buffer.from(golden('batch-v2', 'uncompressed'))
  change(bytes)
  batch.sealCrc(bytes, 0, bytes.length)
  expect(() => decoded(bytes)).toThrow(withCode('LOG_BATCH_CORRUPT'))
})

test('a record whose offset lies outside the batch, or not above the one before, is corrupt', () => {
  for (const delta of [0x01, 0x00, 0x06]) {
    const bytes = Buffer.from(golden('batch-v2', 'uncompressed'))
    expect(bytes[82]).toBe(0x02)
    bytes[82] = delta
    batch.sealCrc(bytes, 0, bytes.length)
    expect(() => decoded(bytes)).toThrow(withCode('LOG_BATCH_CORRUPT', 'bad-offset'))
  }
})

test('a timestamp whose sum with the base passes 2^53 is corrupt', () => {
  const bytes = batch.encodeBatch([{ timestamp: 0 }, { timestamp: 100 }])
  setInt64(bytes, batch.BASE_TIMESTAMP_AT, Number.MAX_SAFE_INTEGER - 50)
  batch.sealCrc(bytes, 0, bytes.length)
  expect(() => decoded(bytes)).toThrow(withCode('LOG_BATCH_CORRUPT', 'bad-timestamp'))
})

test('random changes with the right CRC, cuts and garbage raise a LogError or nothing', () => {
  const names = ['uncompressed', 'transactional', 'delete-horizon', 'log-append-time', 'commit-marker', 'gzip', 'snappy', 'lz4', 'zstd']
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 })
  fc.assert(
    fc.property(fc.constantFrom(...names), changes, fc.nat(), fc.boolean(), (name, list, cut, seal) => {
      const bytes = Buffer.from(golden('batch-v2', name))
      for (const [at, byte] of list) bytes[batch.MAGIC_AT + (at % (bytes.length - batch.MAGIC_AT))] = byte
      if (seal) batch.sealCrc(bytes, 0, bytes.length)
      onlyLogErrors(() => batch.decodeBatch(bytes, 0, seal ? bytes.length : cut % (bytes.length + 1)))
    }),
    { numRuns: 5000 },
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => onlyLogErrors(() => batch.decodeBatch(bytes, 0, bytes.length))))
})

// Misuse ---------------------------------------------------------------------------------------------------------------------------------

test.each<Case>([
  ['offsets that do not increase', [{ offset: 5 }, { offset: 5 }], {}],
  ['an offset below the base', [{ offset: 5 }], { baseOffset: 6 }],
  ['a negative offset', [{ offset: -1 }], {}],
  ['an offset beyond 2^53', [{ offset: 2 ** 53 }], {}],
  ['an offset that is no integer', [{ offset: 0.5 }], {}],
  ['a last offset below the last record', [{ offset: 5 }], { lastOffset: 4 }],
  ['a span of more than 2^31', [{ offset: 0 }, { offset: 2 ** 31 }], {}],
  ['a timestamp below -1', [{ timestamp: -2 }], {}],
  ['a timestamp that is no integer', [{ timestamp: 0.5 }], {}],
  ['a transaction without a producer', [{}], { transactional: true }],
  ['a producer without an epoch', [{}], { producerId: 1n, baseSequence: 0 }],
  ['a producer without a sequence', [{}], { producerId: 1n, producerEpoch: 0 }],
])('%s cannot be encoded', (_, list, options) => {
  expect(() => batch.encodeBatch(list, options)).toThrow(/./)
  expect(() => batch.encodeBatch(list, options)).not.toThrow(expect.objectContaining({ name: 'LogError' }))
})

function decoded(bytes: Buffer): ReturnType<typeof batch.decodeBatch> {
  return batch.decodeBatch(bytes, 0, bytes.length)
}

/** The options of a batch that its header shows under the same names. */
function withoutMaking({ deleteHorizonMs, ...options }: batch.EncodeBatchOptions): Partial<batch.BatchHeader> {
  return deleteHorizonMs === undefined ? options : { ...options, deleteHorizon: true, baseTimestamp: deleteHorizonMs }
}

function withCode(code: string, reason?: string): unknown {
  const detail: unknown = expect.objectContaining(reason === undefined ? {} : { reason })
  return expect.objectContaining({ name: 'LogError', code, detail })
}

function onlyLogErrors(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!isLogError(error)) throw error
  }
}
