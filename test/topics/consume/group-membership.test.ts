import { expect, test } from 'vitest'
import { GroupMembership } from '../../../src/topics/consume/group-membership.ts'
import { failure } from '../harness.ts'
import { folder, turns } from '../groups/harness.ts'

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
