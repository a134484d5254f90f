import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts'
import { isLogError } from '../../src/base/errors.ts'
import {
  NO_UUID, array, bigint64, boolean, bytes, float64, int16, int32, int64, int8, message, records, string, struct, uint16, uint32, uuid,
  type Decoded, type Encodable,
} from '../../src/format/schema.ts'
import { damaged, damages } from '../tools/hostile.ts'

/** Every kind of field, in versions that differ in everything that a version may differ in. */
const everything = message('Everything', { versions: [0, 4], flexible: 3 }, {
  flag: boolean(),
  tiny: int8(),
  small: int16(),
  port: uint16(),
  count: int32(),
  size: uint32(),
  offset: int64(),
  producerId: bigint64(),
  ratio: float64(),
  id: uuid(),
  name: string(),
  rack: string({ since: 1, nullable: 2, default: '' }),
  oldStyle: string({ nullable: 0, compact: false }),
  blob: bytes(),
  userData: bytes({ nullable: 0 }),
  batches: records(),
  partitions: array(int32()),
  topics: array({
    topic: string(),
    partitions: array({ partition: int32(), leaderEpoch: int32({ since: 2, default: -1, ignorable: true }) }),
    tags: string({ since: 4, tag: 5, nullable: 4, default: null }),
  }, { nullable: 1 }),
  place: struct({ host: string(), port: int32({ default: 9092 }) }),
  maybe: struct({ epoch: int32() }, { since: 1, nullable: 1, default: null }),
  removed: int32({ until: 1, default: 7 }),
  hint: int64({ since: 3, tag: 1, default: -1 }),
  cluster: string({ since: 3, tag: 0, nullable: 3, default: null }),
  nodes: array({ node: int32() }, { since: 4, tag: 2, default: [] }),
  extra: struct({ a: int32({ default: 0 }), b: string({ default: '' }) }, { since: 3, tag: 3, default: {} }),
})

// Bytes ----------------------------------------------------------------------------------------------------------------------------------

const shape = message('Shape', { versions: [0, 2], flexible: 2 }, {
  name: string(),
  note: string({ since: 1, nullable: 1, default: null, ignorable: true }),
  ids: array(int32()),
  data: bytes({ since: 1, nullable: 1, default: null }),
  inner: struct({ flag: boolean() }, { since: 1, nullable: 1, default: null }),
  epoch: int32({ since: 2, tag: 1, default: -1 }),
  label: string({ since: 2, tag: 0, default: '' }),
})

test.each([
  { version: 0, value: { name: 'né', ids: [1, -1] }, hex: '00036ec3a9 00000002 00000001 ffffffff' },
  { version: 1, value: { name: '', ids: [] }, hex: '0000 ffff 00000000 ffffffff ff' },
  {
    version: 1, value: { name: 'a', note: 'b', ids: [], data: Buffer.from('cd'), inner: { flag: true } },
    hex: '000161 000162 00000000 000000026364 01 01',
  },
  { version: 2, value: { name: 'a', ids: [3] }, hex: '0261 00 02 00000003 00 ff 00' },
  {
    version: 2, value: { name: 'a', note: '', ids: [], data: Buffer.alloc(0), inner: { flag: false }, epoch: 5, label: 'x' },
    hex: '0261 01 01 01 01 00 00 02 00 02 0278 01 04 00000005',
  },
])('version $version writes $hex', ({ version, value, hex }) => {
  const expected = hex.replaceAll(' ', '')
  expect(shape.encode(version, value).toString('hex')).toBe(expected)
  expect(shape.encode(version, decode(shape, version, Buffer.from(expected, 'hex'))).toString('hex')).toBe(expected)
})

test('numbers, uuids and booleans have the encodings of Kafka', () => {
  const numbers = message('Numbers', { versions: [0, 0] }, {
    a: int8(), b: int16(), c: uint16(), d: int32(), e: uint32(), f: int64(), g: bigint64(), h: float64(), i: boolean(), j: uuid(),
  })
  const value = {
    a: -2, b: -2, c: 65_535, d: -2, e: 4_294_967_295, f: -2, g: -(2n ** 63n), h: 0.5, i: true, j: 'ASNFZ4mrze8RIjNEVWZ3iA',
  }
  const hex = 'fe fffe ffff fffffffe ffffffff fffffffffffffffe 8000000000000000 3fe0000000000000 01 0123456789abcdef1122334455667788'
  expect(numbers.encode(0, value).toString('hex')).toBe(hex.replaceAll(' ', ''))
  expect(decode(numbers, 0, numbers.encode(0, value))).toEqual(value)
})

test('tagged fields are written in the order of their tags, whatever their size, and unknown ones are skipped by their length', () => {
  const sized = message('Sized', { versions: [0, 0], flexible: 0 }, {
    last: int8(), big: string({ tag: 9, default: '' }), first: int32({ tag: 2, default: 0 }),
  })
  const big = 'x'.repeat(20_000)
  const written = sized.encode(0, { last: 1, big, first: 4 })
  expect(written.subarray(0, 12).toString('hex')).toBe('010202040000000409a39c01')
  expect(decode(sized, 0, written)).toEqual({ last: 1, big, first: 4 })
  const withUnknown = Buffer.from('01 03 01 03 aabbcc 02 04 00000004 0b 00'.replaceAll(' ', ''), 'hex')
  expect(decode(sized, 0, withUnknown)).toEqual({ last: 1, big: '', first: 4 })
})

test('a string that keeps the old encoding does so in flexible versions too', () => {
  const header = message('Header', { versions: [1, 2], flexible: 2 }, {
    id: int32(), clientId: string({ nullable: 1, default: null, compact: false }),
  })
  expect(header.encode(2, { id: 1, clientId: 'me' }).toString('hex')).toBe('0000000100026d6500')
  expect(header.encode(2, { id: 1 }).toString('hex')).toBe('00000001ffff00')
})

test('a nullable struct has a byte in front: 1, or -1 for null, and 0 for null when tagged', () => {
  const maybe = message('Maybe', { versions: [0, 0], flexible: 0 }, {
    plain: struct({ a: int8() }, { nullable: 0, default: null }),
    tagged: struct({ b: int8({ default: 0 }) }, { nullable: 0, tag: 0 }),
  })
  for (const [value, hex] of [
    [{ plain: null, tagged: null }, 'ff01000100'],
    [{ plain: { a: 5 }, tagged: { b: 6 } }, '01050001000301' + '0600'],
    [{ plain: null, tagged: { b: 0 } }, 'ff00'],
  ] as const) {
    expect(maybe.encode(0, value).toString('hex')).toBe(hex)
    expect(decode(maybe, 0, Buffer.from(hex, 'hex'))).toEqual(value)
  }
})

test('a writer that already holds something is written on from where it is', () => {
  const writer = new ByteWriter(Buffer.alloc(4))
  writer.int32(7)
  shape.at(2).encode({ name: 'x', ids: [], label: 'y'.repeat(200) }, writer)
  expect(writer.buffer.readInt32BE(0)).toBe(7)
  expect(decode(shape, 2, writer.written(4)).label).toBe('y'.repeat(200))
})

// Versions -------------------------------------------------------------------------------------------------------------------------------

test('a version is specialised once, and one outside the range is a RangeError', () => {
  expect(shape.at(1)).toBe(shape.at(1))
  expect([shape.supports(2), shape.supports(3), shape.supports(-1), shape.supports(0.5)]).toEqual([true, false, false, false])
  expect([shape.at(1).flexible, shape.at(2).flexible, shape.isFlexible(2)]).toEqual([false, true, true])
  for (const version of [-1, 3, 1.5, NaN]) expect(() => shape.at(version)).toThrow(RangeError)
})

test('what a version lacks decodes to its default, fresh for every value', () => {
  const older = message('Older', { versions: [0, 1], flexible: 1 }, {
    a: int32({ since: 1, default: -1 }),
    list: array(int32(), { since: 1, default: [] }),
    tagged: array(int8(), { since: 1, tag: 0, default: [] }),
    inner: struct({ x: int8({ default: 3 }) }, { since: 1 }),
    id: uuid({ since: 1, default: NO_UUID }),
    none: string({ since: 1, nullable: 1, default: null }),
  })
  const first = decode(older, 0, Buffer.alloc(0))
  expect(first).toEqual({ a: -1, list: [], tagged: [], inner: { x: 3 }, id: 'AAAAAAAAAAAAAAAAAAAAAA', none: null })
  first.list.push(1)
  first.inner.x = 9
  expect(decode(older, 0, Buffer.alloc(0))).toEqual({ a: -1, list: [], tagged: [], inner: { x: 3 }, id: NO_UUID, none: null })
})

test('a field that the version lacks is dropped when it is the default or ignorable, and refused otherwise', () => {
  expect(shape.encode(0, { name: '', ids: [], epoch: -1, label: '', inner: null, note: 'ignorable' }).toString('hex')).toBe('000000000000')
  const refused = new TypeError('Shape.data is set, and version 0 does not have it')
  expect(() => shape.encode(0, { name: '', ids: [], data: Buffer.alloc(0) })).toThrow(refused)
  expect(() => shape.encode(1, { name: '', ids: [], epoch: 0 })).toThrow(TypeError)
  expect(() => shape.encode(0, { name: '', ids: [], inner: { flag: false } })).toThrow(TypeError)
  const value = { ...complete(), topics: [{ topic: 't', partitions: [{ partition: 1, leaderEpoch: 3 }], tags: 'x' }] }
  expect(() => everything.encode(3, value)).toThrow(new TypeError('Everything.topics.tags is set, and version 3 does not have it'))
})

test('null is refused where the version has none, with the name of the field', () => {
  const value = { ...complete(), rack: null }
  expect(() => everything.encode(1, value)).toThrow(new TypeError('Everything.rack is null, and this version has no null there'))
  expect(() => everything.encode(0, { ...complete(), topics: null })).toThrow(TypeError)
  const none = ['ffff', '00000000 ffffffff'].join('').replaceAll(' ', '')
  expect(failure(() => decode(shape, 0, Buffer.from(none, 'hex')))).toBe('LOG_DECODE_FAILED')
})

test('a string too long for an old version is a RangeError, and fits the new ones', () => {
  const value = { name: 'é'.repeat(20_000), ids: [] }
  expect(() => shape.encode(0, value)).toThrow(RangeError)
  expect(decode(shape, 2, shape.encode(2, value)).name).toBe(value.name)
})

test('a text that is no uuid is a TypeError', () => {
  for (const id of ['', 'AAAA', `${NO_UUID}AAAA`]) expect(() => everything.encode(0, { ...complete(), id })).toThrow(TypeError)
})

test('a declaration that contradicts itself is refused when it is made', () => {
  expect(() => message('Twice', { versions: [0, 0], flexible: 0 }, { a: int32({ tag: 0 }), b: int32({ tag: 0 }) })).toThrow(TypeError)
  // A misspelt option: inference lets it through, the constructor does not.
  expect(() => int32({ defualt: 3 } as object)).toThrow('unknown field option "defualt"')
  expect(() => bytes({ default: Buffer.from('x') })).toThrow(TypeError)
})

test('bytes decode to views of what was read', () => {
  const from = shape.encode(1, { name: '', ids: [], data: Buffer.from('view') })
  const { data } = decode(shape, 1, from)
  from.write('VIEW', from.length - 5)
  expect(data?.toString()).toBe('VIEW')
})

// Properties -----------------------------------------------------------------------------------------------------------------------------

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 12 }), fc.string({ minLength: 100, maxLength: 300 }))
const blob = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 100, maxLength: 300 })).map((value) => Buffer.from(value))
const int = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })

/** A value that `version` can say. */
function values(version: number): fc.Arbitrary<Decoded<typeof everything>> {
  const since = <T>(from: number, value: fc.Arbitrary<T>, otherwise: T) => (version >= from ? value : fc.constant(otherwise))
  return fc.record({
    flag: fc.boolean(), tiny: int(8), small: int(16), port: fc.nat(0xffff), count: int(32), size: fc.nat(0xffff_ffff), offset: fc.maxSafeInteger(),
    producerId: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), ratio: fc.double({ noNaN: true }),
    id: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((raw) => Buffer.from(raw).toString('base64url')),
    name: text, rack: version < 2 ? since(1, text, '') : orNull(text), oldStyle: orNull(text), blob, userData: orNull(blob), batches: orNull(blob),
    partitions: fc.array(int(32), { maxLength: 200 }),
    topics: fc.array(fc.record({
      topic: text,
      partitions: fc.array(fc.record({ partition: int(32), leaderEpoch: since(2, int(32), -1) }), { maxLength: 5 }),
      tags: since(4, orNull(text), null),
    }), { maxLength: 5 }).chain((topics) => since(1, fc.constantFrom(topics, null), topics)),
    place: fc.record({ host: text, port: int(32) }),
    maybe: since(1, orNull(fc.record({ epoch: int(32) })), null),
    removed: version <= 1 ? int(32) : fc.constant(7),
    hint: since(3, fc.maxSafeInteger(), -1), cluster: since(3, orNull(text), null),
    nodes: since(4, fc.array(fc.record({ node: int(32) }), { maxLength: 60 }), []),
    extra: since(3, fc.record({ a: fc.constantFrom(0, 5), b: text }), { a: 0, b: '' }),
  })
}

test.each([0, 1, 2, 3, 4])('what version %i encodes decodes to the same value, and that to the same bytes', (version) => {
  fc.assert(fc.property(values(version), (value) => {
    const written = everything.encode(version, value)
    const read = decode(everything, version, written)
    expect(read).toEqual(value)
    expect(everything.encode(version, read).equals(written)).toBe(true)
  }), { numRuns: 150 })
})

test.each([0, 4])('damaged bytes of version %i are a LogError or a value', (version) => {
  fc.assert(fc.property(values(version), damages, (value, changes) => {
    const bytes = damaged(everything.encode(version, value), changes)
    expect(failure(() => decodeStart(everything, version, bytes))).toMatch(/^(no error|LOG_DECODE_FAILED)$/)
  }), { numRuns: 300 })
})

test('a count or length beyond the bytes is refused before anything is made for it', () => {
  const lists = message('Lists', { versions: [0, 1], flexible: 1 }, {
    numbers: array(int64()), structs: array({ later: int32({ since: 1, default: 0 }) }), blob: bytes(),
  })
  for (const hex of ['7fffffff 0000', '00000000 7fffffff', '00000000 00000000 7fffffff', '00000000 00000000 80000000', 'fffffffe']) {
    expect([hex, failure(() => decode(lists, 0, Buffer.from(hex.replaceAll(' ', ''), 'hex')))]).toEqual([hex, 'LOG_DECODE_FAILED'])
  }
  for (const hex of ['ffffffff0f', '01 ffffffff0f', '01 01 ffffffff0f', '01 01 01 ffffffff0f', '01 01 01 01 00 ffffffff0f', 'ffffffffff7f']) {
    expect([hex, failure(() => decode(lists, 1, Buffer.from(hex.replaceAll(' ', ''), 'hex')))]).toEqual([hex, 'LOG_DECODE_FAILED'])
  }
})

test('a tagged field that reads more or less than its size is refused', () => {
  const tagged = message('Tagged', { versions: [0, 0], flexible: 0 }, { x: int32({ tag: 0, default: 0 }) })
  for (const hex of ['01 00 05 0000000100', '01 00 03 000000', '01 00 03 00000001']) {
    expect(failure(() => decode(tagged, 0, Buffer.from(hex.replaceAll(' ', ''), 'hex')))).toBe('LOG_DECODE_FAILED')
  }
})

/* ---- shared ---- */

function complete(): Encodable<typeof everything> {
  return {
    flag: true, tiny: 1, small: 1, port: 1, count: 1, size: 1, offset: 1, producerId: 1n, ratio: 1, id: NO_UUID, name: 'n', oldStyle: 'o',
    blob: Buffer.alloc(0), userData: null, batches: null, partitions: [], topics: [], place: { host: 'h' },
  }
}

interface Decodable<T> {
  at(version: number): { decode(reader: ByteReader): T }
}

/** Decodes all of the bytes. */
function decode<T>(from: Decodable<T>, version: number, bytes: Uint8Array): T {
  const reader = new ByteReader(bytes, 0, bytes.length, 'LOG_DECODE_FAILED', 'test')
  const value = from.at(version).decode(reader)
  expect(reader.left).toBe(0)
  return value
}

function decodeStart<T>(from: Decodable<T>, version: number, bytes: Uint8Array): T {
  return from.at(version).decode(new ByteReader(bytes, 0, bytes.length, 'LOG_DECODE_FAILED', 'test'))
}

function failure(act: () => unknown): string {
  try {
    act()
    return 'no error'
  } catch (error) {
    return isLogError(error) ? error.code : String(error)
  }
}
