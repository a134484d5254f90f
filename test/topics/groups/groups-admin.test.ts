import { expect, test } from 'vitest'
import { type CommitLog, json, type Topic } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { collect, diskLog, failure, freshFolder, memoryLog } from '../harness.ts'

async function numbers(log: CommitLog): Promise<Topic<string, number>> {
  const topic = await log.topic('t', { partitions: 2, value: json<number>() })
  await topic.send(Array.from({ length: 20 }, (_, value) => ({ value, partition: value % 2, timestamp: 1000 + value })))
  return topic
}

test('groups are listed and described, with what each member has and how far they are', async () => {
  const log = await memoryLog()
  const topic = await numbers(log)
  expect(await log.groups.list()).toEqual([])
  const consumer = topic.consumer({ group: 'billing', clientId: 'app', instanceId: 'one' })
  const loop = consumer[Symbol.asyncIterator]()
  for (let count = 0; count < 6; count++) await loop.next()
  await consumer.commit()
  expect(await log.groups.list()).toEqual([{ group: 'billing', state: 'Stable', type: 'classic', protocolType: 'consumer' }])
  const described = await log.groups.describe('billing')
  expect(described).toMatchObject({ assignor: 'cooperative-sticky', generation: 1 })
  expect(described.members).toMatchObject([{ instanceId: 'one', clientId: 'app', host: 'in-process' }])
  const [{ memberId, partitions }] = described.members as [typeof described.members[0] & object]
  expect(partitions).toEqual([{ topic: 't', partition: 0 }, { topic: 't', partition: 1 }])
  const lags = await log.groups.lag('billing')
  expect(lags.map(({ lag }) => lag).reduce((sum, lag) => sum + lag)).toBe(15)
  expect(lags[0]).toEqual({ topic: 't', partition: 0, committed: 5, end: 10, lag: 5, memberId })
  expect(await failure(() => log.groups.delete('billing'))).toMatchObject({ code: 'LOG_GROUP_NOT_EMPTY', detail: { kafka: 'NON_EMPTY_GROUP' } })
  expect(await failure(() => log.groups.resetOffsets('billing', { to: 'latest' }))).toMatchObject({ code: 'LOG_GROUP_NOT_EMPTY' })
  await consumer.close()
  await log.groups.delete('billing')
  expect(await log.groups.list()).toEqual([])
  for (const work of [() => log.groups.describe('billing'), () => log.groups.lag('billing'), () => log.groups.delete('billing')]) {
    expect(await failure(work)).toMatchObject({ code: 'LOG_GROUP_NOT_FOUND', detail: { kafka: 'GROUP_ID_NOT_FOUND' } })
  }
})

test('offsets are set to earliest, latest, a time or an offset, after a look at what would be done', async () => {
  const log = await memoryLog()
  const topic = await numbers(log)
  await collect(topic.consumer({ group: 'g', until: 'end' }))
  const { groups } = log
  expect(await groups.resetOffsets('g', { to: 'earliest', dryRun: true })).toEqual([
    { topic: 't', partition: 0, from: 10, to: 0 }, { topic: 't', partition: 1, from: 10, to: 0 },
  ])
  expect((await groups.lag('g')).map(({ lag }) => lag)).toEqual([0, 0])
  await groups.resetOffsets('g', { to: { timestamp: 1010 } })
  expect((await collect(topic.consumer({ group: 'g', until: 'end' }))).map(({ value }) => value!).sort((a, b) => a - b)[0]).toBe(10)
  expect(await groups.resetOffsets('g', { topic: 't', partitions: [1], to: { offset: 3 } })).toEqual([{ topic: 't', partition: 1, from: 10, to: 3 }])
  expect((await groups.lag('g')).map(({ lag }) => lag)).toEqual([0, 7])
  expect(await failure(() => groups.resetOffsets('typo', { to: 'earliest' }))).toMatchObject({ code: 'LOG_GROUP_NOT_FOUND' })
  await groups.resetOffsets('new', { topic: 't', to: 'latest' })
  expect(await collect(topic.consumer({ group: 'new', until: 'end' }))).toEqual([])
  expect(await failure(() => groups.resetOffsets('g', { to: { offset: 11 } }))).toMatchObject({ code: 'LOG_COMMIT_OUT_OF_RANGE' })
  expect(await failure(() => groups.resetOffsets('g', { topic: 'none', to: 'latest' }))).toMatchObject({ code: 'LOG_NOT_FOUND' })
  expect(await failure(() => groups.resetOffsets('g', { topic: 't', partitions: [7], to: 'latest' }))).toMatchObject({ name: 'RangeError' })
  expect(await failure(() => groups.resetOffsets('g', { to: 'first' as never }))).toMatchObject({ name: 'TypeError' })
})

test('a reader beside the writer sees groups and lag, and changes nothing', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const topic = await numbers(log)
  await collect(topic.consumer({ group: 'g', until: 'end' }))
  await log.close()
  const beside = await diskLog(folder, { readOnly: true })
  expect(await beside.groups.list()).toMatchObject([{ group: 'g', state: 'Empty' }])
  expect((await beside.groups.lag('g')).map(({ committed, lag }) => [committed, lag])).toEqual([[10, 0], [10, 0]])
  expect(await beside.groups.resetOffsets('g', { to: 'earliest', dryRun: true })).toHaveLength(2)
  for (const work of [() => beside.groups.delete('g'), () => beside.groups.resetOffsets('g', { to: 'earliest' })]) {
    expect(await failure(work)).toMatchObject({ code: 'LOG_READ_ONLY' })
  }
})

test('what a group committed for a topic goes with the topic: the next one of its name is read from its beginning', async () => {
  const log = await memoryLog()
  await collect((await numbers(log)).consumer({ group: 'g', until: 'end' }))
  await log.deleteTopic('t')
  expect(await log.groups.lag('g').catch(() => [])).toEqual([])
  expect(await collect((await numbers(log)).consumer({ group: 'g', until: 'end' }))).toHaveLength(20)
})

test('offsets that nobody needs any more go when the log says so, while it is open', async () => {
  const clock = new ManualClock()
  const log = await memoryLog({ clock, offsetsRetentionMs: 60_000 })
  await collect((await numbers(log)).consumer({ group: 'g', until: 'end' }))
  expect(await log.groups.list()).toHaveLength(1)
  await clock.advance(1_300_000)
  expect(await log.groups.list()).toEqual([])
})
