import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeSideFile, encodeSideFile } from '../../src/format/side-file.ts'

const version = { major: 1, minor: 2 }
const corrupt: unknown = expect.objectContaining({ name: 'LogError', code: 'LOG_FILE_CORRUPT' })

test('the header says magic, kind, version and size, and checks them', () => {
  const bytes = encodeSideFile('test', version, Buffer.from('payload'))
  expect(bytes.toString('latin1', 0, 8)).toBe('CLOGtest')
  expect(bytes.toString('hex', 8, 16)).toBe('0001000200000007')
  expect(String(decodeSideFile(bytes, 'test', version, 'a file').payload)).toBe('payload')
})

test('what is written is read back', () => {
  const part = fc.integer({ min: 0, max: 0xffff })
  fc.assert(
    fc.property(fc.uint8Array(), part, part, (payload, major, minor) => {
      const read = decodeSideFile(encodeSideFile('kind', { major, minor }, payload), 'kind', { major, minor: 0 }, 'a file')
      expect(read).toEqual({ version: { major, minor }, payload: Buffer.from(payload) })
    }),
  )
})

test('an older major and any minor are read, a newer major is refused', () => {
  const written = (major: number, minor: number): Buffer => encodeSideFile('kind', { major, minor }, Buffer.alloc(0))
  const read = (major: number, minor: number): unknown => decodeSideFile(written(major, minor), 'kind', version, 'a file')
  expect(read(0, 9)).toMatchObject({ version: { major: 0, minor: 9 } })
  expect(read(1, 3)).toMatchObject({ version: { major: 1, minor: 3 } })
  expect(() => read(2, 0)).toThrow(expect.objectContaining({ code: 'LOG_VERSION_UNSUPPORTED' }))
})

test('a newer major is refused even if nothing else in the file is as it was', () => {
  const bytes = Buffer.concat([Buffer.from('CLOGkind'), Buffer.from('0002000000', 'hex'), Buffer.alloc(40, 7)])
  expect(() => decodeSideFile(bytes, 'kind', version, 'a file')).toThrow(expect.objectContaining({ code: 'LOG_VERSION_UNSUPPORTED' }))
})

test('every flipped bit and every cut is noticed, and so are bytes behind the end', () => {
  const whole = encodeSideFile('kind', version, Buffer.from('a payload'))
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const bytes = Buffer.from(whole)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    expect(() => decodeSideFile(bytes, 'kind', version, 'a file')).toThrow(/is damaged|has version/)
  }
  for (let end = 0; end < whole.length; end++) expect(() => decodeSideFile(whole.subarray(0, end), 'kind', version, 'a file')).toThrow(corrupt)
  expect(() => decodeSideFile(Buffer.concat([whole, Buffer.alloc(1)]), 'kind', version, 'a file')).toThrow(corrupt)
  expect(() => decodeSideFile(whole, 'dink', version, 'a file')).toThrow(corrupt)
})

test('a kind has four printable characters and a version two numbers', () => {
  for (const kind of ['', 'abc', 'abcde', 'a bc', 'äbcd']) expect(() => encodeSideFile(kind, version, Buffer.alloc(0))).toThrow(TypeError)
  for (const major of [-1, 0.5, 65_536]) expect(() => encodeSideFile('kind', { major, minor: 0 }, Buffer.alloc(0))).toThrow(RangeError)
})
