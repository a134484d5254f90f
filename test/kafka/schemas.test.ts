/*
 * The messages of all APIs, in all their versions: what is encoded decodes to the same, and takes no byte more or less. Whether other
 * implementations read the same bytes is asked in test/interop/schemas.test.ts.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ByteReader } from '../../src/base/bytes.ts'
import { isLogError } from '../../src/base/errors.ts'
import { apis } from '../../src/kafka/apis.ts'
import { type AnyApi } from '../../src/kafka/api.ts'
import { type Fields } from '../../src/format/field.ts'
import { type Message } from '../../src/format/schema.ts'
import { messageValues } from '../tools/message-values.ts'

/** Values a version. */
const RUNS = 20

const messages = apis.flatMap(({ request, response }: AnyApi) => [request, response] as Message<Fields>[])

test('each number stands for one API, in order, and both messages have the same versions', () => {
  const keys = apis.map(({ key }) => key)
  expect(keys).toEqual([...new Set(keys)].sort((one, other) => one - other))
  for (const { name, request, response, advertisedFrom } of apis) {
    expect([request.name, response.name]).toEqual([`${name}Request`, `${name}Response`])
    expect([request.first, request.last]).toEqual([response.first, response.last])
    for (let version = request.first; version <= request.last; version++) {
      expect([name, version, request.isFlexible(version)]).toEqual([name, version, response.isFlexible(version)])
    }
    expect(advertisedFrom ?? 0).toBeLessThanOrEqual(request.last)
  }
})

describe.each(messages.map((message) => [message.name, message] as const))('%s', (_, message) => {
  const versions = Array.from({ length: message.last - message.first + 1 }, (_, index) => message.first + index)

  test.each(versions)('version %i decodes to what was encoded', (version) => {
    fc.assert(fc.property(messageValues(message, version), (value) => {
      const bytes = message.encode(version, value)
      const reader = new ByteReader(bytes, 0, bytes.length, 'LOG_PROTOCOL_ERROR', message.name)
      const decoded = message.at(version).decode(reader)
      expect(decoded).toEqual(value)
      expect(reader.left).toBe(0)
      expect(message.encode(version, decoded as typeof value).equals(bytes)).toBe(true)
    }), { numRuns: RUNS })
  })

  test('bytes that were cut or changed are refused, or are something else', () => {
    fc.assert(fc.property(fc.constantFrom(...versions).chain((version) => fc.record({
      version: fc.constant(version), value: messageValues(message, version), at: fc.nat(), byte: fc.nat(255), cut: fc.nat(),
    })), ({ version, value, at, byte, cut }) => {
      const bytes = Buffer.from(message.encode(version, value))
      if (bytes.length === 0) return
      bytes[at % bytes.length] = byte
      const reader = new ByteReader(bytes, 0, bytes.length - (cut % bytes.length), 'LOG_PROTOCOL_ERROR', message.name)
      try {
        message.at(version).decode(reader)
      } catch (error) {
        expect(isLogError(error, 'LOG_PROTOCOL_ERROR')).toBe(true)
      }
    }), { numRuns: RUNS })
  })
})
