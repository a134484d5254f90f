import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JsonDecoder } from '../../src/topics/json-decode.ts'

/** The decoder's answer for a document that lies in the middle of other bytes: a value, or what was thrown. */
function answer(decode: (buffer: Buffer, start: number, end: number) => unknown, document: Uint8Array, behind: string): unknown {
  const buffer = Buffer.concat([Buffer.from('[{"x'), document, Buffer.from(behind)])
  try {
    return { value: decode(buffer, 4, 4 + document.length) }
  } catch (error) {
    return { thrown: (error as Error).name, message: (error as Error).message }
  }
}

function expectSame(decoder: JsonDecoder, document: Uint8Array, behind = ',"y":1}]'): void {
  const given = answer((buffer, start, end) => decoder.decode(buffer, start, end), document, behind)
  const known = answer((buffer, start, end) => JSON.parse(buffer.toString('utf8', start, end)) as unknown, document, behind)
  deepStrictEqual(given, known)
}

const names = fc.oneof(
  fc.constantFrom('id', 'total', 'lines', 'sku', 'a'.repeat(40), '', '0', '17', 'é', '"\\'),
  fc.constantFrom('toString', 'constructor', '__proto__', 'hasOwnProperty'),
  fc.string({ maxLength: 8, unit: 'grapheme' }),
)

const leaves = fc.oneof(
  fc.constantFrom(null, true, false, 0, -0, 1e21, 5e-324, 1.7976931348623157e308, 0.1, 123456789012345, 1234567890123456, 9007199254740993, -1.5),
  fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger(),
  fc.string({ maxLength: 40 }), fc.string({ maxLength: 12, unit: 'binary' }),
)

const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true }, leaves, fc.array(tie('value'), { maxLength: 6 }),
    fc.array(fc.tuple(names, tie('value')), { maxLength: 6 }).map((list) => Object.fromEntries(list)),
  ),
})).value

test('what is decoded is what JSON.parse makes of it, document after document', () => {
  fc.assert(fc.property(fc.array(values, { minLength: 1, maxLength: 12 }), (documents) => {
    const decoder = new JsonDecoder()
    for (const document of [...documents, ...documents]) {
      expectSame(decoder, Buffer.from(JSON.stringify(document)))
      expectSame(new JsonDecoder(), Buffer.from(JSON.stringify(document)))
    }
  }), { numRuns: 500 })
})

test('documents that are damaged, spaced out or cut are what JSON.parse says of them, and leave nothing behind', () => {
  const order = { id: 'o-1', customer: 'Ада', total: 721.32, lines: [{ sku: 'abc', count: 3 }, { sku: 'a "b"', count: -1e-7 }], note: null }
  const text = JSON.stringify(order)
  const pieces = fc.constantFrom('', ' ', '"', '\\', '0', '-', '.', 'e', ',', ':', '{', '}', '[', ']', '\u0001', 'é', '\\u00e9', 't')
  const damage = fc.tuple(fc.nat(), pieces)
  const ends = fc.constantFrom('', 'er":1}', '"', '":"x"}', '7', ']', '}')
  fc.assert(fc.property(fc.array(damage, { maxLength: 3 }), fc.nat(), ends, fc.boolean(), (damages, cut, behind, asBytes) => {
    const decoder = new JsonDecoder()
    const good = Buffer.from(text)
    expectSame(decoder, good)
    let bad = good
    for (const [place, piece] of damages) {
      const at = place % (bad.length + 1)
      bad = Buffer.concat([bad.subarray(0, at), Buffer.from(piece, asBytes ? 'latin1' : 'utf8'), bad.subarray(at + (place % 3))])
    }
    expectSame(decoder, bad, behind)
    for (const one of [bad.subarray(0, cut % (bad.length + 1)), good]) expectSame(new JsonDecoder(), one, behind)
    for (let round = 0; round < 40; round++) expectSame(decoder, good)
  }), { numRuns: 1000 })
})

test('a document may end with its memory, whatever names were remembered, and lie anywhere in it', () => {
  const decoder = new JsonDecoder()
  const documents = [{ customerNumber: 1 }, { customer: 2 }, { a: 3 }, { '': 4 }, { ab: 5, abc: 6, abcd: 7, abcde: 8, abcdef: 9 }]
  for (let round = 0; round < 40; round++) {
    for (const document of documents) {
      const bytes = Buffer.from(JSON.stringify(document))
      const memory = Buffer.allocUnsafeSlow(bytes.length + (round % 8))
      bytes.copy(memory, round % 8)
      const buffer = Buffer.from(memory.buffer, round % 4)
      expect(decoder.decode(buffer, (round % 8) - (round % 4), buffer.length)).toEqual(document)
      const cut = answer((given, start, end) => decoder.decode(given, start, end), bytes.subarray(0, -1), '')
      expect(cut).toEqual(answer((given, start, end) => JSON.parse(given.toString('utf8', start, end)) as unknown, bytes.subarray(0, -1), ''))
    }
  }
})

test('a name that the document ends in is not remembered', () => {
  const decoder = new JsonDecoder()
  const whole = Buffer.from('{"customer":1}')
  expect(() => decoder.decode(whole, 0, 6)).toThrow(SyntaxError)
  for (let round = 0; round < 40; round++) expect(decoder.decode(whole, 0, whole.length)).toEqual({ customer: 1 })
})

test('numbers are the nearest ones, however they are written', () => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 20 })
  const exponent = fc.oneof(fc.constant(''), fc.tuple(fc.constantFrom('e', 'E', 'e+', 'e-'), fc.nat(400)).map((parts) => parts.join('')))
  fc.assert(fc.property(fc.boolean(), digits, fc.option(digits), exponent, (minus, whole, decimals, power) => {
    const text = `${minus ? '-' : ''}${whole}${decimals === null ? '' : `.${decimals}`}${power}`
    expectSame(new JsonDecoder(), Buffer.from(`[${text}]`))
  }), { numRuns: 2000 })
})

test('keys without end, documents without end and lists without end are decoded too', () => {
  const decoder = new JsonDecoder()
  for (let number = 0; number < 5000; number++) {
    expectSame(decoder, Buffer.from(JSON.stringify({ id: 1, [`k${number}`]: { [`in${number}`]: [number] } })))
  }
  expectSame(decoder, Buffer.from(`${'['.repeat(500)}${']'.repeat(500)}`))
  expectSame(new JsonDecoder(), Buffer.from(JSON.stringify({ text: 'x'.repeat(100_000) })))
  expectSame(new JsonDecoder(), Buffer.from(JSON.stringify(Array.from({ length: 3000 }, (_, number) => number))))
})

test('what is remembered is bounded: keys as long as documents are not', () => {
  const decoder = new JsonDecoder()
  const bytes = Buffer.alloc(64 * 1024)
  const long = 'k'.repeat(60_000)
  const before = process.memoryUsage().arrayBuffers
  for (let count = 0; count < 256; count++) {
    const size = bytes.write(JSON.stringify({ [`a${count % 16}`]: { [`b${count >> 4}`]: { [`${count}${long}`]: count } } }))
    // One of 32 is decoded where texts are long.
    for (let again = 0; again < 32; again++) expect(Object.keys(decoder.decode(bytes, 0, size) as object)).toHaveLength(1)
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000)
})
