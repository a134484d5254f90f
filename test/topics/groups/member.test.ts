import { expect, test } from 'vitest'
import { type LogCore } from '../../../src/topics/log-core.ts'
import { GroupMember, type GroupMemberOptions, type MemberEvents, type Place } from '../../../src/topics/groups/member.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { failure } from '../harness.ts'
import { addTopic, folder, turns } from './harness.ts'

const names = (places: readonly Place[]): string => places.map(({ topic, partition }) => `${topic}-${partition}`).sort().join(' ')

/** A member that notes what it is told. */
function member(core: LogCore, options: Partial<GroupMemberOptions> = {}, events: Partial<MemberEvents> = {}): GroupMember & { told: string[] } {
  const told: string[] = []
  const one = new GroupMember(core, { groupId: 'g', subscription: { topics: ['t'], patterns: [] }, ...options }, {
    assigned: async (places) => { told.push(`+ ${names(places)}`); await events.assigned?.(places) },
    revoked: async (places) => { told.push(`- ${names(places)}`); await events.revoked?.(places) },
    lost: (places) => { told.push(`! ${names(places)}`); events.lost?.(places) },
    failed: (error) => { told.push(`x ${(error as { code?: string }).code}`); events.failed?.(error) },
  })
  return Object.assign(one, { told })
}

test('one member gets everything; a second one gets its share, of which the first keeps what it keeps', async () => {
  const core = await folder({ t: 4 })
  const one = member(core)
  await one.start()
  expect(one.told).toEqual(['+ t-0 t-1 t-2 t-3'])
  const two = member(core)
  await two.start()
  await turns()
  expect(one.told.slice(1)).toEqual(['- t-2 t-3'])
  expect(two.told).toEqual(['+ t-2 t-3'])
  expect([names(one.assignment), names(two.assignment)]).toEqual(['t-0 t-1', 't-2 t-3'])
  await one.leave()
  await turns()
  expect(names(two.assignment)).toBe('t-0 t-1 t-2 t-3')
  await two.leave()
  expect((await core.groups()).describe('g')).toMatchObject({ state: 'Empty', members: [] })
})

test('under an eager protocol nobody gets anything before all have given everything back', async () => {
  const core = await folder({ t: 4 })
  let done = (): void => {}
  const one = member(core, { assignors: ['range'] }, { revoked: () => new Promise((resolve) => { done = resolve }) })
  await one.start()
  const two = member(core, { assignors: ['range'] })
  const started = two.start()
  await turns()
  expect([one.told, two.told]).toEqual([['+ t-0 t-1 t-2 t-3', '- t-0 t-1 t-2 t-3'], []])
  done()
  await started
  await turns()
  const first = one.memberId < two.memberId ? one : two
  expect(names(first.assignment)).toBe('t-0 t-1')
  expect(names([...one.assignment, ...two.assignment])).toBe('t-0 t-1 t-2 t-3')
  done = (): void => {}
  const leaving = one.leave()
  await turns()
  done()
  await leaving
})

test('commits are kept, and refused for what is not its own', async () => {
  const core = await folder({ t: 2 })
  const one = member(core)
  await one.start()
  await one.commit([{ topic: 't', partition: 0, offset: 0, leaderEpoch: -1, metadata: 'hello' }])
  expect(one.committed({ topic: 't', partition: 0 })).toMatchObject({ offset: 0, metadata: 'hello' })
  expect(one.committed({ topic: 't', partition: 1 })).toBeUndefined()
  const far = one.commit([{ topic: 't', partition: 0, offset: 5, leaderEpoch: -1 }])
  expect(await failure(() => far)).toMatchObject({ code: 'LOG_COMMIT_OUT_OF_RANGE' })
  expect(await failure(() => one.commit([{ topic: 'u', partition: 0, offset: 0, leaderEpoch: -1 }]))).toMatchObject({ code: 'LOG_GENERATION_STALE' })
  await one.leave()
  expect(await failure(() => one.commit([{ topic: 't', partition: 0, offset: 0, leaderEpoch: -1 }]))).toMatchObject({
    code: 'LOG_MEMBER_UNKNOWN', detail: { group: 'g', kafka: 'UNKNOWN_MEMBER_ID' },
  })
})

test('one that does not give back in time is no member any more, and is told what it lost; then it joins again', async () => {
  const clock = new ManualClock()
  const core = await folder({ t: 2 }, clock)
  let done = (): void => {}
  const one = member(core, { rebalanceTimeoutMs: 10_000 }, { revoked: () => new Promise((resolve) => { done = resolve }) })
  await one.start()
  const two = member(core, { rebalanceTimeoutMs: 10_000 })
  const started = two.start()
  await turns()
  await clock.advance(10_500)
  await clock.advance(10_500)
  await started
  await turns()
  expect(one.told).toEqual(['+ t-0 t-1', '- t-1', '! t-0 t-1'])
  expect(names(two.assignment)).toBe('t-0 t-1')
  expect(await failure(() => one.commit([{ topic: 't', partition: 0, offset: 0, leaderEpoch: -1 }]))).toMatchObject({ code: 'LOG_MEMBER_UNKNOWN' })
  done()
  await turns()
  expect([one.assignment.length, two.assignment.length]).toEqual([1, 1])
  done = (): void => {}
  const leaving = one.leave()
  done()
  await leaving
})

test('new partitions and new topics of a pattern are assigned', async () => {
  const core = await folder({ t: 1 })
  const one = member(core, { subscription: { topics: [], patterns: [/^t/] } })
  const two = member(core, { subscription: { topics: [], patterns: [/^t/] } })
  await Promise.all([one.start(), two.start()])
  await addTopic(core, 't', 2)
  await turns()
  expect(names([...one.assignment, ...two.assignment])).toBe('t-0 t-1')
  await addTopic(core, 'tt', 2)
  await addTopic(core, 'other', 2)
  await turns()
  expect(names([...one.assignment, ...two.assignment])).toBe('t-0 t-1 tt-0 tt-1')
  expect([one.assignment.length, two.assignment.length]).toEqual([2, 2])
})

test('a second member of an instance takes its place; the first is fenced', async () => {
  const core = await folder({ t: 2 })
  const one = member(core, { instanceId: 'i' })
  await one.start()
  const two = member(core, { instanceId: 'i' })
  await two.start()
  await turns()
  expect(one.told).toEqual(['+ t-0 t-1', '! t-0 t-1', 'x LOG_MEMBER_FENCED'])
  expect(two.told).toEqual(['+ t-0 t-1'])
})

test('members without an assignor in common are told', async () => {
  const core = await folder({ t: 2 })
  await member(core, { assignors: ['range'] }).start()
  expect(await failure(() => member(core, { assignors: ['roundrobin'] }).start())).toMatchObject({
    code: 'LOG_GROUP_PROTOCOL_MISMATCH', detail: { kafka: 'INCONSISTENT_GROUP_PROTOCOL' },
  })
})
