import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { newUuid, parseUuid, uuidText } from '../../src/format/uuid.ts'

const bytes = Uint8Array.from(Buffer.from('0123456789abcdef1122334455667788', 'hex'))

test('a UUID is written as Kafka writes it', () => {
  expect(uuidText(bytes)).toBe('ASNFZ4mrze8RIjNEVWZ3iA')
  expect(parseUuid('ASNFZ4mrze8RIjNEVWZ3iA')).toEqual(bytes)
  expect(() => uuidText(bytes.subarray(1))).toThrow(TypeError)
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (uuid) => {
      expect(parseUuid(uuidText(uuid))).toEqual(uuid)
    }),
  )
})

test.each(['', 'ASNFZ4mrze8RIjNEVWZ3i', 'ASNFZ4mrze8RIjNEVWZ3iAA', 'ASNFZ4mrze8RIjNEVWZ3i+', 'ASNFZ4mrze8RIjNEVWZ3iB', 'ASNFZ4mrze8RIjNEVWZ3iA\n'])(
  '%j is no UUID',
  (text) => expect(parseUuid(text)).toBeUndefined(),
)

test('fresh ones differ, are of version 4 and do not begin with a hyphen', () => {
  const random = seededRandom(1)
  const made = Array.from({ length: 500 }, () => newUuid(random))
  expect(new Set(made.map(uuidText)).size).toBe(500)
  for (const uuid of made) {
    expect(uuidText(uuid)).not.toMatch(/^-/)
    expect([uuid[6]! >> 4, uuid[8]! >> 6]).toEqual([4, 2])
  }
})
