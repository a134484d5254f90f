import { expect, test } from 'vitest'
import { decodeBatch } from '../../src/format/batch.ts'
import {
  encodeEndTransactionMarker, END_TRANSACTION_MARKER_SIZE, readControlType, readEndTransactionMarker, writeEndTransactionMarker,
} from '../../src/format/control.ts'
import { golden } from '../tools/golden.ts'

const marker = { offset: 9, leaderEpoch: 3, timestamp: 1_700_000_000_000, producerId: 7n, producerEpoch: 1, coordinatorEpoch: 4 }

const goldenMarkers = [['COMMIT', 'commit-marker'], ['ABORT', 'abort-marker']] as const

test.each(goldenMarkers)("a %s marker is written and read as Kafka's classes do", (type, name) => {
  const bytes = encodeEndTransactionMarker({ ...marker, type })
  expect(bytes.toString('hex')).toBe(golden('batch-v2', name).toString('hex'))
  const written = Buffer.alloc(100, 1)
  writeEndTransactionMarker(written, 11, { ...marker, type })
  expect(written.subarray(11, 11 + END_TRANSACTION_MARKER_SIZE)).toEqual(bytes)
  const { header, records } = decodeBatch(bytes, 0, bytes.length)
  expect(header).toMatchObject({ control: true, transactional: true, producerId: 7n, producerEpoch: 1, baseSequence: -1, recordCount: 1 })
  expect(readEndTransactionMarker(records[0]!.key, records[0]!.value)).toEqual({ type, coordinatorEpoch: 4 })
})

test('types of other control records are told, and newer ones are unknown', () => {
  expect(readControlType(Buffer.from('00000002', 'hex'))).toBe('LEADER_CHANGE')
  expect(readControlType(Buffer.from('00000006', 'hex'))).toBe('KRAFT_VOTERS')
  expect(readControlType(Buffer.from('00000007', 'hex'))).toBe('UNKNOWN')
  expect(readControlType(Buffer.from('0000ffff', 'hex'))).toBe('UNKNOWN')
  expect(readEndTransactionMarker(Buffer.from('00000002', 'hex'), null)).toBeUndefined()
})

test('newer versions of key and value are read as far as they are known', () => {
  const read = readEndTransactionMarker(Buffer.from('0001000199', 'hex'), Buffer.from('00070000000455', 'hex'))
  expect(read).toEqual({ type: 'COMMIT', coordinatorEpoch: 4 })
})

test.each([
  ['no key', null, '000000000004'],
  ['a short key', '000000', '000000000004'],
  ['a key of a negative version', 'ffff0001', '000000000004'],
  ['no value', '00000001', null],
  ['a short value', '00000001', '0000000000'],
  ['a value of a negative version', '00000001', 'ffff00000004'],
])('a marker with %s is corrupt', (_, key, value) => {
  const bytes = (hex: string | null): Buffer | null => (hex === null ? null : Buffer.from(hex, 'hex'))
  const corrupt: unknown = expect.objectContaining({ name: 'LogError', code: 'LOG_BATCH_CORRUPT' })
  expect(() => readEndTransactionMarker(bytes(key), bytes(value))).toThrow(corrupt)
})
