import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { decodeBatch, encodeBatch, readBatchHeader } from '../../src/format/batch.ts'
import { logFileName } from '../../src/format/names.ts'
import { type LogConfig } from '../../src/log/config.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { type RawBatches } from '../../src/log/raw-reads.ts'
import { openLog } from './harness.ts'

const EVERYTHING = { maxBytes: 0x7fff_ffff, atLeast: 0x7fff_ffff }

test('what is read are the stored batches, from the one that holds the offset on, whatever the limit and wherever they lie', async () => {
  const sizes = fc.array(fc.record({ records: fc.integer({ min: 1, max: 5 }), value: fc.nat({ max: 6000 }) }), { minLength: 1, maxLength: 40 })
  const limits = fc.record({ maxBytes: fc.nat({ max: 20_000 }), minOneBatch: fc.boolean() })
  await fc.assert(fc.asyncProperty(sizes, fc.nat({ max: 40 }), limits, async (batches, reopenAt, { maxBytes, minOneBatch }) => {
    const files = new MemoryFileSystem()
    const config = { segmentBytes: 40_000, indexIntervalBytes: 3000 }
    let { log, close } = await openLog(files, '/', config)
    const ends: { lastOffset: number; size: number }[] = []
    for (const [index, { records, value }] of batches.entries()) {
      if (index === reopenAt) {
        await close()
        ;({ log, close } = await openLog(files, '/', config))
      }
      const batch = batchOf(records, value)
      ends.push({ lastOffset: log.appendBatch(batch).lastOffset, size: batch.length })
    }
    await log.flush()
    for (let from = 0; from <= log.highWatermark; from++) {
      const read = await log.readBatches({ from, maxBytes, minOneBatch })
      const found = headersOf(read.records)
      const at = ends.findIndex(({ lastOffset }) => lastOffset >= from)
      // A prefix of what is there, of whole batches, not less than one where that is asked for.
      const there = ends.slice(at < 0 ? ends.length : at, at + found.length)
      expect(found.map(({ lastOffset }) => lastOffset)).toEqual(there.map(({ lastOffset }) => lastOffset))
      if (found.length !== 1 || !minOneBatch) expect(read.records.length).toBeLessThanOrEqual(maxBytes)
      if (at >= 0 && (minOneBatch || ends[at]!.size <= maxBytes)) expect(found.length).toBeGreaterThan(0)
      expect(read.nextOffset).toBe(found.at(-1) === undefined ? from : found.at(-1)!.lastOffset + 1)
      expect(read.more).toBe(read.nextOffset < log.highWatermark)
    }
    expect(headersOf((await log.readBatches({ from: 0, ...EVERYTHING })).records)).toHaveLength(ends.length)
    await close()
  }), { numRuns: 60 })
})

test('a reader goes from end to end, in memory and in files, through segments, and is given every batch once', async () => {
  const { log, restart } = await written({ segmentBytes: 5000 }, 50)
  for (const open of [async () => log, restart]) {
    const current = await open()
    const seen: number[] = []
    for (let from = 0; from < current.highWatermark; ) {
      const read = await current.readBatches({ from, maxBytes: 700 })
      seen.push(...headersOf(read.records).map(({ baseOffset }) => baseOffset))
      from = read.nextOffset
    }
    expect(seen).toEqual(Array.from({ length: 50 }, (_, offset) => offset))
  }
})

test('what lies in memory is given at once', async () => {
  const { log } = await written({}, 3)
  const read = log.readBatches({ from: 1, maxBytes: 10_000 }) as RawBatches
  expect(headersOf(read.records).map(({ baseOffset }) => baseOffset)).toEqual([1, 2])
  expect(log.readBatches({ from: 3, maxBytes: 10_000 })).toMatchObject({ nextOffset: 3, more: false, aborted: undefined })
})

test('bytes that were given stay what they are while the log goes on', async () => {
  const { log } = await written({ segmentBytes: 4 * 1024 * 1024 }, 1)
  const value = Buffer.alloc(50_000, 1)
  log.appendBatch(encodeBatch([{ value }]))
  await log.flush()
  const { records } = await log.readBatches({ from: 1, maxBytes: 100_000 })
  const before = Buffer.from(records)
  for (let count = 0; count < 200; count++) {
    log.appendBatch(encodeBatch([{ value: Buffer.alloc(50_000, 2) }]))
    await log.flush()
  }
  expect(records.equals(before)).toBe(true)
})

test('offsets outside of the log are refused, and those that are not acknowledged have nothing', async () => {
  const { log } = await written({}, 3)
  for (const from of [-1, 4, Number.MAX_SAFE_INTEGER]) {
    expect(() => log.readBatches({ from, maxBytes: 100 })).toThrowError(expect.objectContaining({ code: 'LOG_OFFSET_OUT_OF_RANGE' }))
  }
  await log.deleteRecords(2)
  expect(() => log.readBatches({ from: 1, maxBytes: 100 })).toThrowError(expect.objectContaining({ code: 'LOG_OFFSET_OUT_OF_RANGE' }))
  expect(headersOf((await log.readBatches({ from: 2, maxBytes: 100 })).records)).toHaveLength(1)
})

test('readers of committed records stop at the first open transaction, and are told which were aborted', async () => {
  const { log, restart } = await written({}, 2)
  const data = (producerId: bigint, baseSequence: number): void => {
    log.appendBatch(encodeBatch([{ value: Buffer.from('v') }], { producerId, producerEpoch: 0, baseSequence, transactional: true }))
  }
  data(1n, 0)                                                                                              // 2
  data(2n, 0)                                                                                              // 3
  log.endTransaction({ producerId: 1n, producerEpoch: 0, coordinatorEpoch: 0, type: 'ABORT' })             // 4
  await log.flush()
  const committed = { from: 0, isolation: 'read_committed', ...EVERYTHING } as const
  const aborted = [{ producerId: 1n, firstOffset: 2, lastOffset: 4 }]
  expect(await log.readBatches(committed)).toMatchObject({ nextOffset: 3, more: false, lastStableOffset: 3, aborted })
  expect(await log.readBatches({ from: 3, ...EVERYTHING })).toMatchObject({ nextOffset: 5, aborted: undefined })
  log.endTransaction({ producerId: 2n, producerEpoch: 0, coordinatorEpoch: 0, type: 'COMMIT' })            // 5
  await log.flush()
  for (const open of [async () => log, restart]) {
    const current = await open()
    expect(await current.readBatches(committed)).toMatchObject({ nextOffset: 6, aborted })
    expect(await current.readBatches({ ...committed, from: 5 })).toMatchObject({ nextOffset: 6, aborted: [] })
  }
})

test('a damaged batch is an error for who begins there; what lies before it is given', async () => {
  const files = new MemoryFileSystem()
  const first = await openLog(files, '/', {})
  for (let count = 0; count < 3; count++) first.log.appendBatch(batchOf(1, 100))
  await first.close()
  const { log, close } = await openLog(files, '/', {})
  const file = files.openSync(files.join('/t-0', logFileName(0)), 'write')
  const size = batchOf(1, 100).length
  file.writeSync(Buffer.from([0xff]), 0, 1, size + 100)
  file.closeSync()
  expect(headersOf((await log.readBatches({ from: 0, maxBytes: 10_000 })).records)).toHaveLength(1)
  await expect((async () => log.readBatches({ from: 1, maxBytes: 10_000 }))()).rejects.toSatisfy((error) => isLogError(error, 'LOG_CORRUPT'))
  expect(headersOf((await log.readBatches({ from: 2, maxBytes: 10_000 })).records)).toHaveLength(1)
  await close()
})

test('a file that ends before its segment is an error for who gets there', async () => {
  const size = batchOf(1, 100).length
  // A piece of a header is left, all of a batch but its end, or nothing.
  for (const left of [20, size - 1, 0]) {
    const files = new MemoryFileSystem()
    const first = await openLog(files, '/', {})
    for (let count = 0; count < 3; count++) first.log.appendBatch(batchOf(1, 100))
    await first.close()
    const { log, close } = await openLog(files, '/', {})
    const file = files.openSync(files.join('/t-0', logFileName(0)), 'write')
    file.truncateSync(size + left)
    file.closeSync()
    expect(headersOf((await log.readBatches({ from: 0, maxBytes: 10_000 })).records)).toHaveLength(1)
    await expect((async () => log.readBatches({ from: 1, maxBytes: 10_000 }))()).rejects.toSatisfy((error) => isLogError(error, 'LOG_CORRUPT'))
    await close()
  }
})

test('a read finds its batch however far behind its entry of the index, also where the bytes that are read end with a batch', async () => {
  const { restart } = await written({ indexIntervalBytes: 1_000_000 }, 200)
  const log = await restart()
  const size = batchOf(1, 200).length
  for (let maxBytes = 1; maxBytes <= 2 * size; maxBytes++) {
    expect(headersOf((await log.readBatches({ from: 150, maxBytes })).records)[0]?.lastOffset).toBe(150)
  }
})

test('a read that a cut meets gives what is left, and not what was', async () => {
  const { restart } = await written({}, 20)
  const again = await restart()
  const reading = again.readBatches({ from: 2, ...EVERYTHING })
  const cutting = again.truncateTo(5)
  const read = await reading
  await cutting
  expect(headersOf(read.records).at(-1)!.lastOffset).toBeLessThanOrEqual(19)
  again.appendBatch(batchOf(3, 10))
  await again.flush()
  expect(headersOf((await again.readBatches({ from: 2, ...EVERYTHING })).records).map(({ lastOffset }) => lastOffset)).toEqual([2, 3, 4, 7])
})

test('compaction takes batches away and keeps the others readable from any offset', async () => {
  const files = new MemoryFileSystem()
  const { log, close } = await openLog(files, '/', { cleanupPolicy: 'compact', segmentBytes: 1000, minCleanableDirtyRatio: 0 })
  for (let count = 0; count < 40; count++) log.appendBatch(encodeBatch([{ key: Buffer.from(`k${count % 3}`), value: Buffer.alloc(50) }]))
  await log.flush()
  await log.clean()
  for (let from = 0; from < 40; from++) {
    const read = await log.readBatches({ from, ...EVERYTHING })
    expect(headersOf(read.records)[0]!.lastOffset).toBeGreaterThanOrEqual(from)
    expect(read.nextOffset).toBeGreaterThan(from)
  }
  await close()
})

function batchOf(records: number, valueBytes: number): Buffer {
  return encodeBatch(Array.from({ length: records }, (_, index) => ({ timestamp: 1000 + index, value: Buffer.alloc(valueBytes, index) })))
}

function headersOf(bytes: Buffer): { baseOffset: number; lastOffset: number }[] {
  const headers: { baseOffset: number; lastOffset: number }[] = []
  for (let at = 0; at < bytes.length; ) {
    const header = readBatchHeader(bytes, at, bytes.length)
    decodeBatch(bytes, at, at + header.size)
    headers.push(header)
    at += header.size
  }
  return headers
}

/** A log of so many batches of one record; `restart` opens it again. */
async function written(config: Partial<LogConfig>, count: number): Promise<{ log: PartitionLog; restart: () => Promise<PartitionLog> }> {
  const files = new MemoryFileSystem()
  let opened = await openLog(files, '/', config)
  const { log } = opened
  for (let index = 0; index < count; index++) log.appendBatch(batchOf(1, 200))
  await log.flush()
  onTestFinished(() => opened.close())
  return {
    log,
    restart: async () => {
      await opened.close()
      opened = await openLog(files, '/', config)
      return opened.log
    },
  }
}
