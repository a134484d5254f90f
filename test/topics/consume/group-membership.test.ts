import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { GroupMembership } from '../../../src/topics/consume/group-membership.ts'
import { failure } from '../harness.ts'
import { Client, world } from '../groups/consumer-client.ts'
import { addTopic, folder, openCore, turns } from '../groups/harness.ts'

test('nothing is committed for a partition that was given back, neither of the source nor of its retries', async () => {
  const core = await folder({ t: 2, retries: 2 })
  const join = (): GroupMembership => new GroupMembership(core, { group: 'g', topic: 't', instanceId: undefined }, {
    assigned: () => {}, revoked: async () => {}, lost: () => {}, failed: () => {},
  })
  const one = join()
  await one.start()
  const entry = (topic: string, partition: number) => ({ topic, partition, offset: 0, leaderEpoch: 0 })
  await one.commit([entry('t', 0), entry('retries', 0), entry('t', 1)])
  const two = join()
  await two.start()
  await turns()
  const given = two.owns({ topic: 't', partition: 1 }) ? 1 : 0
  for (const topic of ['t', 'retries']) {
    const refused = await failure(() => one.commit([entry(topic, given)]))
    expect(refused).toMatchObject({ code: 'LOG_GENERATION_STALE', detail: { topic, partition: given } })
    await two.commit([entry(topic, given)])
  }
  await Promise.all([one.leave(), two.leave()])
})

test('what is committed for the retry topic stays as long as somebody consumes, and ages with the others afterwards', async () => {
  const clock = new ManualClock()
  const core = await openCore({ clock, offsetsRetentionMs: 1000 })
  for (const name of ['t', 'retries']) await addTopic(core, name, 1)
  const member = new GroupMembership(core, { group: 'g', topic: 't', instanceId: undefined }, {
    assigned: () => {}, revoked: async () => {}, lost: () => {}, failed: () => {},
  })
  await member.start()
  await member.keep('retries')
  const place = { partition: 0, offset: 0, leaderEpoch: 0 }
  await member.commit([{ topic: 't', ...place }, { topic: 'retries', ...place }])
  const groups = await core.groups()
  await clock.advance(5000)
  expect(await groups.expireOffsets(clock.now())).toBe(0)
  await member.leave()
  await turns()
  await clock.advance(5000)
  expect(await groups.expireOffsets(clock.now())).toBe(2)
})

test('it stays also when a consumer of the newer protocol has taken the group along', async () => {
  const at = await world({ t: 2, retries: 2 }, { offsetsRetentionMs: 1000 })
  const member = new GroupMembership(at.core, { group: 'g', topic: 't', instanceId: undefined }, {
    assigned: () => {}, revoked: async () => {}, lost: () => {}, failed: () => {},
  })
  await member.start()
  await member.keep('retries')
  const place = { partition: 0, offset: 0, leaderEpoch: 0 }
  await member.commit([{ topic: 't', ...place }, { topic: 'retries', ...place }])
  await new Client(at, 'one').beat()
  expect(at.groups.describe('g')).toMatchObject({ type: 'consumer' })
  await at.clock.advance(5000)
  expect(await at.groups.expireOffsets(at.clock.now())).toBe(0)
  await member.leave()
  await turns()
  expect(await at.groups.expireOffsets(at.clock.now())).toBe(1)
})
