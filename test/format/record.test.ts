import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import * as record from '../../src/format/record.ts'
import { bytesOrNull } from '../tools/batches.ts'
import { goldenLines } from '../tools/golden.ts'

const delta = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(2 ** 53, -(2 ** 53)), fc.integer({ min: -1000, max: 1000 }), fc.integer())
const headers = fc.array(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 100 }), bytesOrNull), { maxLength: 5 })

test('what is written is read back, and takes as many bytes as was said', () => {
  fc.assert(
    fc.property(delta, fc.integer(), bytesOrNull, bytesOrNull, headers, fc.nat(5), (timestampDelta, offsetDelta, key, value, headers, before) => {
      const bytes = encoded({ timestampDelta, offsetDelta, key, value, headers }, before)
      const layout = new record.RecordLayout()
      expect(layout.read(bytes, before, bytes.length)).toBe(bytes.length)
      expect(record.recordEnd(bytes, before, bytes.length)).toBe(bytes.length)
      expect(layout).toMatchObject({ start: before, attributes: 0, timestampDelta, offsetDelta })
      expect(layout.key(bytes)).toEqual(key)
      expect(layout.value(bytes)).toEqual(value)
      expect(layout.headers(bytes)).toEqual(headers)
    }),
  )
})

test('a record cut short anywhere is corrupt', () => {
  const bytes = encoded({ key: Buffer.alloc(5), value: Buffer.alloc(70), headers: [['a', null], ['b', Buffer.alloc(3)]] })
  for (let end = 0; end < bytes.length; end++) {
    expectCorrupt(() => new record.RecordLayout().read(bytes, 0, end))
    expectCorrupt(() => record.recordEnd(bytes, 0, end))
  }
})

test('a size that is wrong by any amount is corrupt', () => {
  const bytes = encoded({ key: Buffer.from('k'), value: Buffer.from('v'), headers: [['h', null]] })
  for (let size = -64; size < 64; size++) {
    const changed = Buffer.concat([bytes, Buffer.alloc(80)])
    changed[0] = (size << 1) ^ (size >> 31)
    if (size !== bytes.length - 1) expectCorrupt(() => new record.RecordLayout().read(changed, 0, changed.length))
  }
})

test.each([
  ['a key of -2 bytes', '10 00 00 00 03 01 00 00 00'],
  ['a key longer than the record', '0e 00 00 00 7e 01 00 00'],
  ['a value longer than the record', '0e 00 00 00 01 7e 00 00'],
  ['a negative count of headers', '0c 00 00 00 01 01 01'],
  ['more headers than fit', '0c 00 00 00 01 01 02'],
  ['fewer headers than bytes', '10 00 00 00 01 01 00 00 00'],
  ['a header without a name', '10 00 00 00 01 01 02 01 01'],
  ['a header value of -2 bytes', '10 00 00 00 01 01 02 00 03'],
  ['an offset delta of more than 32 bits', '14 00 00 ff ff ff ff 1f 01 01 00'],
  ['an offset delta of six bytes', '16 00 00 80 80 80 80 80 00 01 01 00'],
  ['a timestamp delta of more than 64 bits', '1e 00 ff ff ff ff ff ff ff ff ff 02 00 01 01 00'],
  ['a timestamp delta of eleven bytes', '20 00 80 80 80 80 80 80 80 80 80 80 00 00 01 01 00'],
  ['a timestamp delta beyond 2^53', '1e 00 fe ff ff ff ff ff ff ff ff 01 00 01 01 00'],
  ['a size of more than 32 bits', 'ff ff ff ff 1f'],
  ['a negative size', '01'],
  ['no bytes at all', ''],
])('%s is corrupt', (_, hex) => {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  expectCorrupt(() => new record.RecordLayout().read(bytes, 0, bytes.length))
})

test('the hostile records above are whole apart from what is wrong with them', () => {
  const bytes = Buffer.from('0e000000010100', 'hex')
  bytes[0] = 6 << 1
  expect(new record.RecordLayout().read(bytes, 0, bytes.length)).toBe(record.SMALLEST_RECORD)
})

test('varints longer than they need be are read all the same', () => {
  const bytes = Buffer.from('1800 8080 00 8000 8100 8100 8000'.replaceAll(' ', ''), 'hex')
  bytes[0] = (bytes.length - 1) << 1
  const layout = new record.RecordLayout()
  layout.read(bytes, 0, bytes.length)
  expect(layout).toMatchObject({ timestampDelta: 0, offsetDelta: 0, keySize: -1, valueSize: -1, headerCount: 0 })
})

test("varints are those of Kafka's ByteUtils", () => {
  for (const { bytes, comment } of goldenLines('varints', 'varints')) {
    const reader = new record.RecordReader(bytes, 0, bytes.length)
    if (Number.isSafeInteger(Number(comment))) expect(reader.varlong()).toBe(Number(comment))
    else expectCorrupt(() => reader.varlong())
    expect(reader.at).toBe(bytes.length)
    if (bytes.length <= 5) expect(new record.RecordReader(bytes, 0, bytes.length).varint()).toBe(Number(comment))
  }
})

test('random bytes are a record or corrupt, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), (bytes, end) => {
      try {
        expect(new record.RecordLayout().read(bytes, 0, Math.min(end, bytes.length))).toBeLessThanOrEqual(end)
      } catch (error) {
        expect(isLogError(error, 'LOG_BATCH_CORRUPT'), String(error)).toBe(true)
      }
    }),
    { numRuns: 5000 },
  )
})

interface Parts {
  timestampDelta?: number
  offsetDelta?: number
  key?: Uint8Array | null
  value?: Uint8Array | null
  headers?: readonly record.HeaderInput[]
}

function encoded({ timestampDelta = 0, offsetDelta = 0, key = null, value = null, headers = [] }: Parts, before = 0): Buffer {
  const bodySize = record.recordBodySize(timestampDelta, offsetDelta, key?.length ?? -1, value?.length ?? -1, record.headersSize(headers))
  const bytes = Buffer.alloc(before + record.recordSize(bodySize))
  expect(record.putRecord(bytes, before, bodySize, timestampDelta, offsetDelta, key, value, headers)).toBe(bytes.length)
  return bytes
}

function expectCorrupt(run: () => unknown): void {
  expect(run).toThrow(expect.objectContaining({ name: 'LogError', code: 'LOG_BATCH_CORRUPT' }))
}
