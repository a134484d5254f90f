import { deepStrictEqual } from 'node:assert'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteWriter } from '../../src/base/bytes.ts'
import { type Codec } from '../../src/base/codec.ts'
import { isLogError } from '../../src/base/errors.ts'
import { builtInCodec, bytes, json, msgpack, string } from '../../src/topics/codecs.ts'
import { type StandardSchema } from '../../src/topics/standard-schema.ts'

/** Encodes into the middle of a small writer, so that it must grow, and gives the bytes. */
function encoded<T>(codec: Codec<T>, value: T, at = 3): Buffer {
  const writer = new ByteWriter(Buffer.alloc(8, 0xee), at)
  codec.encode(value, writer)
  if (codec.size) expect(writer.at - at).toBe(codec.size(value))
  return Buffer.from(writer.written(at))
}

/** What comes back when the bytes lie somewhere in a larger buffer that is overwritten afterwards. */
function decoded<T>(codec: Codec<T>, data: Uint8Array): T {
  const buffer = Buffer.alloc(data.length + 500, 0x41)
  buffer.set(data, 250)
  const value = codec.decode(buffer, 250, 250 + data.length)
  buffer.fill(0x5a)
  return value
}

function roundTrip<T>(codec: Codec<T>, value: T): T {
  return decoded(codec, encoded(codec, value))
}

const text = () => fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }), fc.string({ maxLength: 300 }),
  fc.constantFrom('', 'a'.repeat(23), 'a'.repeat(24), 'é'.repeat(31), '☃'.repeat(90)),
)

const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.constantFrom(null, undefined, true, false, NaN, Infinity, -Infinity, -0, 0), fc.integer(), fc.double(), fc.maxSafeInteger(), fc.bigInt(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), text(), fc.date({ noInvalidDate: true }),
      fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }),
      fc.uint8Array().map((list) => Buffer.from(list)), fc.uint8Array(), fc.float64Array(), fc.int16Array(), fc.bigInt64Array(),
      fc.uint8Array().map((list) => list.slice().buffer), fc.constant(/a+\/b/gi),
    ),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(text().filter((key) => key !== '__proto__'), tie('value'), { maxKeys: 20, noNullPrototype: true }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 8 }).map((list) => new Map(list)),
    fc.array(tie('value'), { maxLength: 8 }).map((list) => new Set(list)),
  ),
})).value

test('msgpack gives back what it was given: dates, binary, maps, sets, bigints and all numbers', () => {
  fc.assert(fc.property(values, (value) => deepStrictEqual(roundTrip(msgpack(), value), value)), { numRuns: 1000 })
})

test('msgpack keeps a date that is none', () => {
  expect((roundTrip(msgpack(), new Date(NaN)) as Date).getTime()).toBeNaN()
})

test('msgpack writes what any MessagePack reader understands', () => {
  // Bytes by the specification's own examples.
  for (const [value, hex] of [
    [{ compact: true, schema: 0 }, '82a7636f6d70616374c3a6736368656d6100'],
    [[1, -1, 127, 128, 255, 256, 65536, -32, -33, -129, -32769], '9b01ff7fcc80ccffcd0100ce00010000e0d0dfd1ff7fd2ffff7fff'],
    [1.5, 'cb3ff8000000000000'],
    [Buffer.from([1, 2]), 'c4020102'],
    [new Date(1000), 'd6ff00000001'],
    [2n ** 63n, 'cf8000000000000000'],
  ] as const) expect(encoded(msgpack(), value).toString('hex')).toBe(hex)
})

test('msgpack writes long arrays, objects and strings with the width that they need', () => {
  for (const length of [15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
    const list = Array.from({ length }, (_, index) => index % 7)
    const object = Object.fromEntries(list.map((item, index) => [`k${index}`, item]))
    for (const value of [list, object, 'x'.repeat(length), 'é'.repeat(length), Buffer.alloc(length, 1), new Uint8Array(length)]) {
      deepStrictEqual(roundTrip(msgpack(), value), value)
    }
  }
})

test('msgpack reads what msgpackr writes with its own defaults', () => {
  const { pack } = createRequire(import.meta.url)('msgpackr') as { pack(value: unknown): Buffer }
  fc.assert(fc.property(fc.jsonValue({ noUnicodeString: false } as object), (value) => {
    const plain = JSON.parse(JSON.stringify(value).replaceAll('__proto__', 'proto')) as unknown
    deepStrictEqual(decoded(msgpack(), pack(plain)), plain)
  }))
})

test('msgpack writes objects of classes as their fields or as what toJSON gives', () => {
  class Point { readonly x = 1; readonly y = [2]; method() {} }
  expect(roundTrip(msgpack(), new Point() as unknown)).toEqual({ x: 1, y: [2] })
  expect(roundTrip(msgpack(), new URL('https://example.org/a') as unknown)).toBe('https://example.org/a')
  expect(roundTrip(msgpack(), Object.assign(Object.create(null), { a: 1 }) as unknown)).toEqual({ a: 1 })
  const error = roundTrip(msgpack(), new RangeError('too far', { cause: 'x' }) as unknown)
  expect(error).toBeInstanceOf(RangeError)
  expect(error).toMatchObject({ message: 'too far', cause: 'x' })
})

for (const [what, value, message] of [
  ['a function', { f() {} }, 'msgpack cannot hold the function f'],
  ['a symbol', [Symbol('s')], 'msgpack cannot hold a symbol'],
  ['a promise', { p: Promise.resolve(1) }, 'msgpack cannot hold an object of class Promise: await it first'],
  ['a weak map', new WeakMap(), 'msgpack cannot hold an object of class WeakMap'],
  ['a boxed number', { n: new Number(3) }, 'msgpack cannot hold an object of class Number'],
  ['a boxed string', new (class Name extends String {})('x'), 'msgpack cannot hold an object of class Name'],
  ['a generator', (function* () {})(), 'msgpack cannot hold an iterator'],
  ['the iterator of an array', [[1].values()], 'msgpack cannot hold an iterator'],
  ['the iterator of a map', new Map([[1, 2]]).entries(), 'msgpack cannot hold an iterator'],
  ['an object that loses a field while it is written', { get a() { return delete (this as { b?: number }).b }, b: 1 },
    'msgpack cannot hold an object whose getters change which fields it has'],
  ['an asynchronous generator', [(async function* () {})()], 'msgpack cannot hold an iterator'],
  ['an object with a field __proto__', JSON.parse('[{"__proto__":1}]') as unknown,
    'msgpack cannot hold an object with a field "__proto__": a Map can have such a key'],
] as const) {
  test(`msgpack refuses ${what}`, () => {
    expect(() => encoded(msgpack(), value)).toThrow(new TypeError(message))
  })
}

test('msgpack keeps the key __proto__ of a map, and reads that of an object that another program wrote as __proto_', () => {
  const map = new Map([['__proto__', 1]])
  expect(roundTrip(msgpack(), map)).toEqual(map)
  const written = Buffer.concat([Buffer.of(0x81, 0xa9), Buffer.from('__proto__'), Buffer.of(0x81, 0xa1, 0x61, 1)])
  expect(Object.entries(decoded(msgpack(), written) as object)).toEqual([['__proto_', { a: 1 }]])
})

test('msgpack writes the fields of an object itself and none that it inherits', () => {
  const inherited = Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true }, hidden: { value: 3 } }) as object
  const lazy = { get a(): number { return Object.defineProperty(this, 'a', { value: 1 }).a }, b: 2, 1: 3 }
  expect(roundTrip(msgpack(), [inherited, Object.create(null, { own: { value: 2, enumerable: true } }), lazy]))
    .toEqual([{ own: 2 }, { own: 2 }, { 1: 3, a: 1, b: 2 }])
})

test('msgpack and json refuse a value that contains itself', () => {
  const loop: Record<string, unknown> = {}
  loop.loop = [loop]
  expect(() => encoded(msgpack(), loop)).toThrow(TypeError)
  expect(() => encoded(json(), loop)).toThrow(TypeError)
})

test('json gives back what JSON can hold', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    deepStrictEqual(roundTrip(json(), value), JSON.parse(JSON.stringify(value)))
  }))
})

test('json refuses what it would drop', () => {
  for (const value of [undefined, () => {}, Symbol('s')]) expect(() => encoded(json(), value)).toThrow(TypeError)
  expect(() => encoded(json(), { a: 5n })).toThrow(/the codec "json" cannot hold an object: .*BigInt/)
})

test('string gives back any text, of any length, and writes it as UTF-8', () => {
  fc.assert(fc.property(text(), (value) => {
    expect(encoded(string, value)).toEqual(Buffer.from(value, 'utf8'))
    expect(roundTrip(string, value)).toBe(value)
  }))
})

test('bytes gives back a copy of what it was given', () => {
  fc.assert(fc.property(fc.uint8Array(), (value) => {
    expect(Buffer.compare(roundTrip(bytes, value), value)).toBe(0)
  }))
  expect(Buffer.isBuffer(roundTrip(bytes, new Uint8Array([1])))).toBe(true)
})

test('a value of the wrong type is a TypeError that names the codec and what came', () => {
  expect(() => encoded(string, 5 as never)).toThrow(new TypeError('the codec "string" takes a string, not the number 5'))
  expect(() => encoded(bytes, 'text' as never)).toThrow(new TypeError('the codec "bytes" takes a Uint8Array, not the string "text"'))
  expect(() => bytes.size!({ length: 5 } as never)).toThrow(new TypeError('the codec "bytes" takes a Uint8Array, not an object'))
})

test('hostile bytes are LOG_DECODE_FAILED or a value, and nothing else', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(json(), msgpack()), (data, codec) => {
    try {
      decoded(codec as Codec<unknown>, data)
    } catch (error) {
      expect(isLogError(error, 'LOG_DECODE_FAILED')).toBe(true)
    }
  }), { numRuns: 5000 })
})

test('damaged msgpack is LOG_DECODE_FAILED with codec, size and cause', () => {
  const data = encoded(msgpack(), { a: [1, 2, 3] })
  for (let end = 0; end < data.length; end++) {
    const failure = { code: 'LOG_DECODE_FAILED', detail: { codec: 'msgpack', size: end } }
    expect(() => decoded(msgpack(), data.subarray(0, end))).toThrow(expect.objectContaining(failure))
  }
  expect(() => decoded(msgpack(), Buffer.concat([data, data]))).toThrow(expect.objectContaining({ code: 'LOG_DECODE_FAILED' }))
  expect(() => decoded(msgpack(), Buffer.alloc(100_000, 0x91))).toThrow(expect.objectContaining({ code: 'LOG_DECODE_FAILED' }))
})

/** As zod would do it: a number of cents, defaulted currency. */
const money: StandardSchema<unknown, { cents: number; currency: string }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate(value) {
      const { cents, currency = 'EUR' } = (value ?? {}) as { cents?: unknown; currency?: string }
      if (typeof cents !== 'number') return { issues: [{ message: 'expected a number', path: ['cents'] }] }
      return { value: { cents, currency } }
    },
  },
}

for (const make of [json, msgpack]) {
  test(`${make.name} with a schema stores what the schema gives, and checks again when it reads`, () => {
    const codec = make(money)
    expect(codec.name).toBe(make.name)
    expect(roundTrip(codec, { cents: 5 } as never)).toEqual({ cents: 5, currency: 'EUR' })
    expect(() => encoded(codec, { cents: '5' } as never)).toThrow(expect.objectContaining({
      code: 'LOG_RECORD_INVALID', detail: { issues: [expect.anything()] },
      message: 'the schema of the topic refuses the value: cents: expected a number',
    }))
    const stored = encoded(make() as Codec<unknown>, { cents: 'x' })
    expect(() => decoded(codec, stored)).toThrow(expect.objectContaining({ code: 'LOG_DECODE_FAILED' }))
  })
}

test('an asynchronous schema and something that is no schema are TypeErrors', () => {
  const slow = json({ '~standard': { version: 1, vendor: 'test', validate: async (value: unknown) => ({ value }) } })
  expect(() => encoded(slow, 1)).toThrow(TypeError)
  expect(() => json({} as never)).toThrow(/takes a schema of a library that implements Standard Schema v1, not an object/)
})

test('the built-in codecs are found by name', () => {
  for (const codec of [bytes, string, json(), msgpack()]) expect(builtInCodec(codec.name)).toBe(codec)
  expect(builtInCodec('avro')).toBeUndefined()
})
