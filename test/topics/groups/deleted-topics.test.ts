/*
 * Topics that are deleted while groups read them.
 */
import { expect, test } from 'vitest'
import { string } from '../../../src/index.ts'
import { failure, memoryLog } from '../harness.ts'
import { turns } from './harness.ts'

test('a loop of a group over a topic that is deleted ends with LOG_NOT_FOUND, whether it reads or waits', async () => {
  for (const waits of [true, false]) {
    const log = await memoryLog()
    const topic = await log.topic<string, string>('t', { value: string, partitions: 2 })
    await topic.send(['a', 'b', 'c'].map((value) => ({ value })))
    let handed = 0
    const ended = failure(async () => {
      for await (const record of topic.consumer({ group: 'g' })) {
        handed++
        if (waits) continue
        await log.deleteTopic('t')
        record.offset
      }
    })
    if (waits) {
      while (handed < 3) await turns(1)
      await turns()
      await log.deleteTopic('t')
    }
    expect(await ended).toMatchObject({ code: 'LOG_NOT_FOUND' })
    expect((await log.groups.describe('g')).state).toBe('Empty')
    expect(await log.groups.lag('g')).toEqual([])
  }
})

test('a consumption of a topic that is deleted ends with LOG_NOT_FOUND', async () => {
  for (const order of ['key', 'partition', 'none'] as const) {
    const log = await memoryLog()
    const topic = await log.topic<string, string>('t', { key: string, value: string, partitions: 2 })
    await topic.send([{ key: 'a', value: '1' }, { key: 'b', value: '2' }])
    const running = topic.consume({ group: 'g', order }, () => {})
    const ended = failure(() => running.done)
    while (running.stats().handled < 2) await turns(1)
    await turns()
    await log.deleteTopic('t')
    expect(await ended).toMatchObject({ code: 'LOG_NOT_FOUND' })
    await running.stop()
    await turns()
    expect(await log.groups.lag('g')).toEqual([])
  }
})

test('a topic that a pattern took in is let go when it is deleted, and the others are read on', async () => {
  const log = await memoryLog()
  const kept = await log.topic<string, string>('events-kept', { value: string })
  const gone = await log.topic<string, string>('events-gone', { value: string, partitions: 3 })
  const consumer = log.consumer({ group: 'g', topics: [/^events-/] })
  const seen: unknown[] = []
  const ended = (async () => { for await (const { value } of consumer) seen.push(value) })()
  await gone.send({ value: 'before' })
  while (seen.length < 1) await turns(1)
  await log.deleteTopic('events-gone')
  await turns()
  await kept.send({ value: 'after' })
  while (seen.length < 2) await turns(1)
  expect(consumer.assignment).toEqual([{ topic: 'events-kept', partition: 0 }])
  await consumer.close()
  await ended
})
