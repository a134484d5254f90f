import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { freshDisk } from '../tools/fresh-disk.ts'
import { bytesCodecs, openLog } from './harness.ts'

const value = Buffer.alloc(20)

test('readers find by time what they may see, as a look at every record says, whatever the order of the times', async () => {
  const times = fc.array(fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 50 })), { minLength: 1, maxLength: 60 })
  await fc.assert(fc.asyncProperty(times, fc.nat({ max: 60 }), fc.nat({ max: 55 }), async (timestamps, openFrom, wanted) => {
    const { log, close } = await openLog(new MemoryFileSystem(), '/', { segmentBytes: 700, indexIntervalBytes: 150, batchSize: 150 })
    timestamps.forEach((timestamp, offset) => {
      // From here on a transaction is open, so that its readers see no further.
      if (offset === openFrom) log.appendBatch(transactional(timestamp))
      else log.append(bytesCodecs, { value, timestamp })
    })
    await log.flush()
    const records = timestamps.map((timestamp, offset) => ({ offset, timestamp, leaderEpoch: 0 }))
    expect([log.highWatermark, log.lastStableOffset]).toEqual([records.length, Math.min(openFrom, records.length)])
    for (const [isolation, end] of [['read_uncommitted', log.highWatermark], ['read_committed', log.lastStableOffset]] as const) {
      const visible = records.slice(0, end)
      const largest = Math.max(...visible.map(({ timestamp }) => timestamp))
      expect(log.maxTimestamp(isolation)).toEqual(largest < 0 ? undefined : visible.find(({ timestamp }) => timestamp === largest))
      expect(log.offsetForTimestamp(wanted, isolation)).toEqual(visible.find(({ timestamp }) => timestamp >= wanted))
    }
    await close()
  }))
})

test('what is written and not acknowledged is not found by time', async () => {
  const disk = freshDisk({ completions: 'manual' })
  disk.createFolderSync('/log')
  const opening = openLog(disk, '/log', {})
  await disk.runUntilIdle()
  const { log } = await opening
  const append = (timestamp: number): number => log.append(bytesCodecs, { value, timestamp })
  append(10)
  await disk.runUntilIdle()
  append(20)
  await Promise.resolve()               // written now, its sync under way
  expect(log.size).toBeGreaterThan(100)
  expect([log.nextOffset, log.highWatermark]).toEqual([2, 1])
  expect(log.maxTimestamp()).toEqual({ offset: 0, timestamp: 10, leaderEpoch: 0 })
  expect(log.offsetForTimestamp(20, 'read_uncommitted')).toBeUndefined()
  await disk.runUntilIdle()
  expect(log.maxTimestamp()).toEqual({ offset: 1, timestamp: 20, leaderEpoch: 0 })
  const closing = log.close()
  await disk.runUntilIdle()
  await closing
})

function transactional(timestamp: number): Buffer {
  const records = [{ offset: 0, timestamp, key: null, value, headers: [] }]
  return encodeBatch(records, { leaderEpoch: 0, producerId: 5n, producerEpoch: 0, baseSequence: 0, transactional: true })
}
