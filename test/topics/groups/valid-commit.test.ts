import { expect, test } from 'vitest'
import { FinishedSet, FinishedSetWriter } from '../../../src/topics/consume/finished-set.ts'
import { type CommittedOffset } from '../../../src/topics/groups/offset-table.ts'
import { validCommit } from '../../../src/topics/groups/valid-commit.ts'
import { memoryLog } from '../harness.ts'

function committed(offset: number, finished: readonly number[]): CommittedOffset {
  const writer = new FinishedSetWriter(offset)
  for (const one of finished) writer.add(one)
  return { offset, leaderEpoch: 0, metadata: '', commitTimestamp: 0, expireTimestamp: -1, finished: writer.finish(), at: 0 }
}

test('of a commit below the start of the log, what is finished above the start stays finished, and nothing else is', async () => {
  const topic = await (await memoryLog()).topic('t')
  await topic.send(Array.from({ length: 40 }, () => ({ value: 'v' })))
  const stored = committed(3, [5, 12, 13, 30])
  const log = topic.partition(0)['log']
  expect(validCommit(log, stored)).toBe(stored)
  await topic.partition(0).deleteRecords(11)
  const { offset, finished } = validCommit(log, stored)
  expect(offset).toBe(11)
  const set = FinishedSet.decode(offset, finished)
  expect(Array.from({ length: 40 }, (_, one) => one).filter((one) => set.has(one))).toEqual([12, 13, 30])
  await topic.partition(0).deleteRecords('latest')
  expect(validCommit(log, stored)).toMatchObject({ offset: 40, finished: undefined })
})
