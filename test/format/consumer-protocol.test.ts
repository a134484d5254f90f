import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { decodeOffsetsRecord } from '../../src/format/consumer-offsets.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../../src/format/consumer-protocol.ts'
import { fixtureRecords } from '../tools/fixtures.ts'
import { damaged, damages } from '../tools/hostile.ts'

const owned = [{ topic: 'orders', partitions: [0, 2] }]

test('a subscription and an assignment have these bytes', () => {
  const subscription = { topics: ['a'], userData: Buffer.from('u'), ownedPartitions: owned, generationId: 7, rackId: 'r' }
  const v0 = '0000' + '00000001' + '0001' + '61' + '00000001' + '75'
  const v1 = '00000001' + '0006' + '6f7264657273' + '00000002' + '00000000' + '00000002'
  expect(encodeSubscription(subscription, 0).toString('hex')).toBe(v0)
  expect(encodeSubscription(subscription).toString('hex')).toBe(`0003${v0.slice(4)}${v1}00000007000172`)
  expect(decodeSubscription(encodeSubscription(subscription))).toEqual(subscription)
  expect(decodeSubscription(encodeSubscription(subscription, 1))).toEqual({ ...subscription, generationId: -1, rackId: null })
  expect(encodeAssignment({ assignedPartitions: owned }, 1).toString('hex')).toBe(`0001${v1}ffffffff`)
  expect(decodeAssignment(encodeAssignment({ assignedPartitions: owned }))).toEqual({ assignedPartitions: owned, userData: null })
})

test("what Kafka's clients sent is read, and written to the same bytes", () => {
  const groups = fixtureRecords('offsets').flatMap(({ record }) => {
    const read = decodeOffsetsRecord(record.key!, record.value)
    return read.kind === 'groupMetadata' && read.value !== null ? read.value.members : []
  })
  expect(groups.length).toBeGreaterThan(5)
  for (const { subscription, assignment } of groups) {
    expect(decodeSubscription(subscription).topics).toEqual(['orders'])
    expect(encodeSubscription(decodeSubscription(subscription), subscription.readInt16BE(0)).equals(subscription)).toBe(true)
    expect(decodeAssignment(assignment).assignedPartitions.map(({ topic }) => topic)).toEqual(['orders'])
    expect(encodeAssignment(decodeAssignment(assignment), assignment.readInt16BE(0)).equals(assignment)).toBe(true)
  }
})

test('a newer version is read as the newest known one, with what follows left aside', () => {
  const value = { topics: ['a', 'b'], userData: null, ownedPartitions: owned, generationId: 3, rackId: null }
  const newer = Buffer.concat([encodeSubscription(value), Buffer.from('of the future')])
  newer.writeInt16BE(9)
  expect(decodeSubscription(newer)).toEqual(value)
})

test('a subscription that says version 1 and is written as version 0 is read', () => {
  const misbehaving = encodeSubscription({ topics: ['t'], userData: Buffer.from('data') }, 0)
  misbehaving.writeInt16BE(1)
  expect(decodeSubscription(misbehaving)).toEqual({
    topics: ['t'], userData: Buffer.from('data'), ownedPartitions: [], generationId: -1, rackId: null,
  })
})

test('no bytes are an assignment of nothing, and no subscription', () => {
  expect(decodeAssignment(Buffer.alloc(0))).toEqual({ assignedPartitions: [], userData: null })
  expect(() => decodeSubscription(Buffer.alloc(0))).toThrow(expect.toSatisfy((error) => isLogError(error, 'LOG_DECODE_FAILED')))
})

test('damaged bytes are LOG_DECODE_FAILED or a value', () => {
  const subscription = encodeSubscription({ topics: ['a', 'b'], userData: Buffer.from('u'), ownedPartitions: owned, generationId: 7, rackId: 'r' })
  const assignment = encodeAssignment({ assignedPartitions: owned, userData: Buffer.from('u') })
  fc.assert(fc.property(damages, (changes) => {
    for (const act of [() => decodeSubscription(damaged(subscription, changes)), () => decodeAssignment(damaged(assignment, changes))]) {
      try {
        act()
      } catch (error) {
        if (!isLogError(error, 'LOG_DECODE_FAILED')) throw error
      }
    }
  }), { numRuns: 500 })
})
