/*
 * Waits for groups of a test broker: ready, stable, caught up, rebalanced, and members that are taken out.
 */
import { expect, test } from 'vitest'
import { fetch } from '../../../src/kafka/apis/01-fetch.ts'
import { isLogError } from '../../../src/index.ts'
import { type TestBroker } from '../../../src/testing/index.ts'
import { type RawClient } from '../../kafka/harness.ts'
import { together, WireMember } from '../../kafka/wire-member.ts'
import { client, startBroker } from './harness.ts'

async function member(kafka: TestBroker): Promise<WireMember> {
  return new WireMember(await client(kafka), 'g', { topics: ['t'] })
}

async function fetchAll(raw: RawClient, partitions: readonly number[]): Promise<void> {
  await raw.request(fetch, 12, {
    maxWaitMs: 0, minBytes: 1, maxBytes: 1000, sessionId: 0, sessionEpoch: -1,
    topics: [{ topic: 't', partitions: partitions.map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000 })) }],
  })
}

test('a group is ready once its members have their partitions and fetch them', async () => {
  const kafka = await startBroker({ topics: { t: 4 } })
  const group = kafka.group('g')
  await expect(group.ready({ timeout: 20 })).rejects.toThrow('group "g": it has 0 members (waited for 20 ms)')
  const one = await member(kafka)
  let ready = false
  const waiting = group.ready({ members: 1 }).then(() => { ready = true })
  await together(one)
  expect(await group.stable()).toMatchObject({ state: 'Stable', generation: 1 })
  await expect(group.ready({ timeout: 20 })).rejects.toThrow('t-0 is assigned, and fetched by nobody yet; t-1 is assigned, and fetched by nobody yet')
  expect((await group.ready({ fetching: false })).members[0]).toMatchObject({ clientId: 'raw', topics: ['t'] })
  expect(ready).toBe(false)
  await fetchAll(await client(kafka), [0, 1, 2, 3])
  await waiting
  await expect(group.ready({ members: 2, timeout: 20 })).rejects.toThrow('it has 1 member of 2')
  await expect(group.ready({ assigned: ['other'], timeout: 20 })).rejects.toSatisfy((error) => isLogError(error, 'LOG_WAIT_TIMED_OUT'))
})

test('fetches of the generation before do not make a group ready', async () => {
  const kafka = await startBroker({ topics: { t: 4 } })
  const [one, two] = [await member(kafka), await member(kafka)]
  await together(one)
  await fetchAll(one.raw, [0, 1, 2, 3])
  await kafka.group('g').ready({ members: 1 })
  const rebalanced = kafka.group('g').rebalanced()
  await together(one, two)
  expect((await rebalanced).generation).toBe(2)
  await expect(kafka.group('g').ready({ members: 2, timeout: 20 })).rejects.toThrow('fetched by nobody yet')
  await fetchAll(one.raw, one.partitions)
  await fetchAll(two.raw, two.partitions)
  expect((await kafka.group('g').ready({ members: 2 })).members).toHaveLength(2)
})

test('fetches of another client, which may be of another group, do not make a group ready', async () => {
  const kafka = await startBroker({ topics: { t: 4 } })
  const one = await member(kafka)
  await together(one)
  const other = await client(kafka)
  other.clientId = 'audit'
  await fetchAll(other, [0, 1, 2, 3])
  await expect(kafka.group('g').ready({ timeout: 20 })).rejects.toThrow('fetched by nobody yet')
  await fetchAll(one.raw, [0, 1, 2, 3])
  await kafka.group('g').ready()
})

test('fetches of a connection that began before the group did not make it ready, whatever its client id', async () => {
  const kafka = await startBroker({ topics: { t: 4 } })
  const other = await client(kafka)
  await fetchAll(other, [0, 1, 2, 3])
  const one = await member(kafka)
  await together(one)
  await fetchAll(other, [0, 1, 2, 3])
  await expect(kafka.group('g').ready({ timeout: 20 })).rejects.toThrow('fetched by nobody yet')
  await fetchAll(one.raw, [0, 1, 2, 3])
  await kafka.group('g').ready()
})

test('a group whose member stays connected over a reset is ready again by fetches of the same connection', async () => {
  const kafka = await startBroker({ topics: { t: 4 } })
  const one = await member(kafka)
  await together(one)
  await fetchAll(one.raw, [0, 1, 2, 3])
  await kafka.group('g').ready()
  await kafka.reset()
  await fetchAll(one.raw, [0, 1, 2, 3])                 // it does not know yet that it is out
  const again = new WireMember(one.raw, 'g', { topics: ['t'] })
  await together(again)
  await expect(kafka.group('g').ready({ timeout: 20 })).rejects.toThrow('fetched by nobody yet')
  await fetchAll(one.raw, [0, 1, 2, 3])
  await kafka.group('g').ready()
})

test('a group has caught up once it has committed all that there is', async () => {
  const kafka = await startBroker({ topics: { t: 4 } })
  const one = await member(kafka)
  await together(one)
  kafka.topic('t').append([{ value: '1', partition: 0 }, { value: '2', partition: 1 }])
  const group = kafka.group('g')
  await expect(group.caughtUp({ timeout: 20 })).rejects.toThrow('group "g": t-0 is 1 record behind; t-1 is 1 record behind')
  const groups = await kafka.log.core.groups()
  const commit = (partition: number): Promise<unknown> => groups.commitOffsets({
    groupId: 'g', memberId: one.memberId, generation: one.generation, offsets: [{ topic: 't', partition, offset: 1, leaderEpoch: 0 }],
  })
  const caughtUp = group.caughtUp()
  await commit(0)
  await commit(1)
  await caughtUp
  expect(await kafka.topic('t').committed('g')).toEqual([1, 1, undefined, undefined])
})

test('members that are taken out hear of it, and the others get their partitions', async () => {
  const kafka = await startBroker({ topics: { t: 4 } })
  const [one, two] = [await member(kafka), await member(kafka)]
  await together(one, two)
  await kafka.group('g').evict(two.memberId)
  expect(await two.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
  expect(await one.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
  await together(one)
  expect(one.partitions).toEqual([0, 1, 2, 3])
  await kafka.group('g').evict()
  expect((await kafka.group('g').describe()).members).toEqual([])
})

test('a restore takes members out, also those that wait to join', async () => {
  const kafka = await startBroker({ topics: { t: 4 } })
  const at = await kafka.checkpoint()
  const [one, two] = [await member(kafka), await member(kafka)]
  await together(one)
  // It waits for the other to join again.
  const joining = two.join()
  await kafka.until(async () => ((await kafka.group('g').describe()).members.length === 2 ? true : undefined), 'the second did not join')
  await kafka.restore(at)
  expect(await joining.catch(() => 'closed')).not.toBe('NONE')
  expect(await one.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
})
