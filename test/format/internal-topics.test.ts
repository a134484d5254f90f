import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import {
  decodeOffsetsRecord, encodeOffsetsRecord, readOffsetCommit, type OffsetsRecord, type OffsetsRecordInput,
} from '../../src/format/consumer-offsets.ts'
import { decodeTransactionRecord, encodeTransactionRecord, transactionStatuses } from '../../src/format/transaction-state.ts'
import { fixture, fixtureRecords } from '../tools/fixtures.ts'
import { golden } from '../tools/golden.ts'
import { damaged, damages } from '../tools/hostile.ts'
import { asPrinted, dumpedRecords, formattedRecords } from '../tools/kafka-text.ts'

/** Fields that Kafka prints only when they are set, with their defaults. */
const unset = {
  metadataHash: 0n, creationTimeMs: -1, assignmentTimestamp: 0, assignmentEpochs: [], expireTimestamp: -1,
  previousProducerId: -1n, nextProducerId: -1n, clientTransactionVersion: 0,
}

// What Kafka wrote ------------------------------------------------------------------------------------------------------------------------

describe.each([
  { name: 'offsets', topic: '__consumer_offsets', decode: decodeOffsetsRecord, encode: encodeOffsetsRecord, count: 117 },
  { name: 'transaction-state', topic: '__transaction_state', decode: decodeTransactionRecord, encode: encodeTransactionRecord, count: 173 },
])('$topic', ({ name, topic, decode, encode, count }) => {
  const records = fixtureRecords(name).map(({ topic, partition, record }) => ({ ...record, place: `${topic}-${partition}@${record.offset}` }))

  test("every record is what Kafka's own tools print of it", () => {
    const dumped = dumpedRecords(name)
    const formatted = formattedRecords(name, topic)
    for (const { key, value, place } of records) {
      const printed = [dumped.get(place), formatted.get(place)].filter((line) => line !== undefined)
      expect(printed.length, place).toBeGreaterThan(0)
      const record = decode(key!, value)
      if (record.kind === 'unknown') throw new Error(`${place} is unknown`)
      for (const line of printed) {
        expect({
          place,
          key: { type: record.type, data: record.key },
          value: record.value && { version: record.version, data: asPrinted(record.value, line.value?.data, unset) },
        }).toEqual({ place, ...line })
      }
    }
    expect(records).toHaveLength(count)
  })

  test('every record encodes to the bytes that it was read from', () => {
    for (const { key, value, place } of records) {
      const again = (encode as (record: unknown) => { key: Buffer; value: Buffer | null })(decode(key!, value))
      expect({ place, key: again.key.toString('hex'), value: again.value?.toString('hex') ?? null })
        .toEqual({ place, key: key!.toString('hex'), value: value?.toString('hex') ?? null })
    }
  })

  test('damaged keys and values are a LogError or a record', () => {
    const some = records.filter(({ value }) => value !== null)
    fc.assert(fc.property(fc.constantFrom(...some), damages, fc.boolean(), ({ key, value }, changes, inKey) => {
      try {
        decode(inKey ? damaged(key!, changes) : key!, inKey ? value : damaged(value!, changes))
      } catch (error) {
        if (!isLogError(error, 'LOG_DECODE_FAILED') && !isLogError(error, 'LOG_VERSION_UNSUPPORTED')) throw error
      }
    }), { numRuns: 500 })
  })
})

test('the committed offsets of the fixture are those that the admin client reported', () => {
  const offsets = new Map<string, unknown>()
  for (const { header, record } of fixtureRecords('offsets')) {
    const { kind, key, value } = decodeOffsetsRecord(record.key!, record.value) as OffsetsRecord
    // Of the transactions only the aborted one must not count: it is the one that says so.
    if (kind !== 'offsetCommit' || (header.transactional && value?.metadata === 'abort')) continue
    const place = `${key.group}/${key.topic}-${key.partition}`
    if (value === null) offsets.delete(place)
    else offsets.set(place, { offset: value.offset, leaderEpoch: value.leaderEpoch < 0 ? null : value.leaderEpoch, metadata: value.metadata })
  }
  const reported = JSON.parse(fixture('offsets/state.json').toString()) as Record<string, { offsets: Record<string, unknown> }>
  const expected = Object.entries(reported).flatMap(([group, state]) =>
    Object.entries(state.offsets).map(([place, at]) => [`${group}/${place}`, at] as const))
  expect(Object.fromEntries(offsets)).toEqual(Object.fromEntries(expected))
})

// Golden bytes ---------------------------------------------------------------------------------------------------------------------------

const bytesOf = (section: string): string => golden('internal-topics', section).toString('hex')

test.each([3, 4])("a committed offset in version %i is written as Kafka's classes write it", (version) => {
  const { key, value } = encodeOffsetsRecord({
    kind: 'offsetCommit',
    key: { group: 'g', topic: 't', partition: 2 },
    value: { offset: 42, leaderEpoch: 3, metadata: 'm', commitTimestamp: 1_700_000_000_000 },
    version,
  })
  expect([key.toString('hex'), value?.toString('hex')]).toEqual([bytesOf('offset-commit-key'), bytesOf(`offset-commit-value-v${version}`)])
})

test("a group is written as Kafka's classes write it", () => {
  const { key, value } = encodeOffsetsRecord({
    kind: 'groupMetadata',
    key: { group: 'g' },
    value: {
      protocolType: 'consumer', generation: 1, protocol: 'range', leader: 'm1', currentStateTimestamp: 1_700_000_000_000,
      members: [{
        memberId: 'm1', clientId: 'c', clientHost: '/h', rebalanceTimeout: 300_000, sessionTimeout: 45_000,
        subscription: Buffer.from([1]), assignment: Buffer.from([2]),
      }],
    },
  })
  expect([key.toString('hex'), value?.toString('hex')]).toEqual([bytesOf('group-metadata-key'), bytesOf('group-metadata-value-v3')])
})

test.each([
  { section: 'transaction-value-v0', version: 0, status: 'Ongoing', partitions: [{ topic: 't', partitionIds: [0, 1] }] },
  { section: 'transaction-value-v1', version: 1, status: 'Ongoing', partitions: [{ topic: 't', partitionIds: [0, 1] }] },
  { section: 'transaction-value-v0-empty', version: 0, status: 'Empty', partitions: null },
] as const)("$section is written as Kafka's classes write it", ({ section, version, status, partitions }) => {
  const { key, value } = encodeTransactionRecord({
    kind: 'transaction',
    key: { transactionalId: 'tx' },
    value: {
      producerId: 7n, producerEpoch: 1, transactionTimeoutMs: 60_000, transactionStatus: transactionStatuses.indexOf(status),
      transactionPartitions: partitions, transactionLastUpdateTimestampMs: 1_700_000_000_001, transactionStartTimestampMs: 1_700_000_000_000,
    },
    version,
  })
  expect([key.toString('hex'), value?.toString('hex')]).toEqual([bytesOf('transaction-key'), bytesOf(section)])
})

// Ours -----------------------------------------------------------------------------------------------------------------------------------

test('records are written in the versions of Kafka 4.1, and a tombstone has no value', () => {
  const key = { group: 'g', topic: 't', partition: 0 }
  const { value } = encodeOffsetsRecord({ kind: 'offsetCommit', key, value: { offset: 1, metadata: '', commitTimestamp: 2 } })
  expect(value?.readInt16BE(0)).toBe(4)
  expect(encodeOffsetsRecord({ kind: 'offsetCommit', key, value: null }).value).toBeNull()
  const read = decodeOffsetsRecord(encodeOffsetsRecord({ kind: 'offsetCommit', key, value: null }).key, null)
  expect(read).toEqual({ kind: 'offsetCommit', type: 1, key, value: null, version: -1 })
})

test('a commit that expires at a time of its own is version 1, and one under the old key type keeps it', () => {
  const key = { group: 'g', topic: 't', partition: 0 }
  const input: OffsetsRecordInput = {
    kind: 'offsetCommit', type: 0, key, version: 1, value: { offset: 5, leaderEpoch: 9, metadata: 'm', commitTimestamp: 1, expireTimestamp: 2 },
  }
  const { key: keyBytes, value } = encodeOffsetsRecord(input)
  expect(keyBytes.readInt16BE(0)).toBe(0)
  expect(value?.toString('hex')).toBe('0001' + '0000000000000005' + '00016d' + '0000000000000001' + '0000000000000002')
  expect(decodeOffsetsRecord(keyBytes, value)).toMatchObject({ type: 0, version: 1, value: { leaderEpoch: -1, expireTimestamp: 2 } })
  expect(() => encodeOffsetsRecord({ ...input, type: 2 })).toThrow(RangeError)
})

test('a record of a type that we do not have is unknown, and is no error', () => {
  expect(decodeOffsetsRecord(Buffer.from('00110001', 'hex'), Buffer.from('whatever'))).toEqual({ kind: 'unknown', type: 17 })
})

test('a value of a newer version is LOG_VERSION_UNSUPPORTED, and bytes behind the last field are LOG_DECODE_FAILED', () => {
  const { key, value } = encodeOffsetsRecord({ kind: 'groupMetadata', key: { group: 'g' }, value: emptyGroup })
  const newer = Buffer.from(value!)
  newer.writeInt16BE(5)
  expect(code(() => decodeOffsetsRecord(key, newer))).toBe('LOG_VERSION_UNSUPPORTED')
  expect(code(() => decodeOffsetsRecord(key, Buffer.concat([value!, Buffer.alloc(1)])))).toBe('LOG_DECODE_FAILED')
  expect(code(() => decodeOffsetsRecord(Buffer.concat([key, Buffer.alloc(1)]), value))).toBe('LOG_DECODE_FAILED')
  expect(code(() => decodeOffsetsRecord(Buffer.alloc(1), null))).toBe('LOG_DECODE_FAILED')
})

const emptyGroup = { protocolType: '', generation: 0, protocol: null, leader: null, members: [] }

test.each([0, 1, 2, 3, 4])('a group in version %i keeps what that version can say', (version) => {
  const member = { memberId: 'm', clientId: 'c', clientHost: 'h', sessionTimeout: 1, subscription: Buffer.from('s'), assignment: Buffer.alloc(0) }
  const value = { ...emptyGroup, currentStateTimestamp: 5, members: [{ ...member, groupInstanceId: 'i', rebalanceTimeout: 7 }] }
  const encoded = encodeOffsetsRecord({ kind: 'groupMetadata', key: { group: 'g' }, value, version })
  expect(decodeOffsetsRecord(encoded.key, encoded.value)).toEqual({
    kind: 'groupMetadata', type: 2, key: { group: 'g' }, version,
    value: {
      ...emptyGroup,
      currentStateTimestamp: version >= 2 ? 5 : -1,
      members: [{ ...member, groupInstanceId: version >= 3 ? 'i' : null, rebalanceTimeout: version >= 1 ? 7 : -1 }],
    },
  })
})

function code(act: () => unknown): string {
  try {
    act()
    return 'no error'
  } catch (error) {
    return isLogError(error) ? error.code : String(error)
  }
}

// The short way -------------------------------------------------------------------------------------------------------------------------

test('committed offsets read the same the short way, and what is not one, or is damaged, is left to the long one', () => {
  let short = 0
  const check = (key: Buffer, value: Buffer): void => {
    const read = readOffsetCommit(key, value)
    if (read === undefined) return
    short++
    const { group, topic, partition, ...rest } = read
    expect(decodeOffsetsRecord(key, value)).toMatchObject({ kind: 'offsetCommit', key: { group, topic, partition }, value: rest })
  }
  const records = fixtureRecords('offsets').flatMap(({ record: { key, value } }) => (value === null ? [] : [{ key: key!, value }]))
  for (const { key, value } of records) check(key, value)
  expect(short).toBeGreaterThan(20)
  fc.assert(fc.property(fc.constantFrom(...records), damages, fc.boolean(), ({ key, value }, changes, inKey) => {
    check(inKey ? damaged(key, changes) : key, inKey ? value : damaged(value, changes))
  }))
  for (const version of [0, 1, 2, 3, 4]) {
    const value = { offset: 7, leaderEpoch: version < 3 ? -1 : 2, metadata: 'm\u00fc', commitTimestamp: 5, expireTimestamp: -1 }
    const record = encodeOffsetsRecord({ kind: 'offsetCommit', key: { group: 'g', topic: 't', partition: 3 }, value, version })
    expect(readOffsetCommit(record.key, record.value!) !== undefined).toBe(version >= 3)
    check(record.key, record.value!)
  }
})
