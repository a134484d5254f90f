import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LogError } from '../../src/base/errors.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { Waiters } from '../../src/log/waiters.ts'
import { openLog, textCodecs } from './harness.ts'

/** A batch as compaction leaves it: for each of its offsets the length of a value, or nothing. */
const compacted = fc.record({
  values: fc.array(fc.option(fc.nat(60)), { minLength: 1, maxLength: 12 }),
  compression: fc.constantFrom('none' as const, 'none' as const, 'gzip' as const),
})

test('a read by offset gives the first record there is from it on, however often, in any order, whatever windows forget', async () => {
  const limits = fc.record({ segmentBytes: fc.integer({ min: 600, max: 4000 }), indexIntervalBytes: fc.nat(600), windowBytes: fc.nat(3000) })
  await fc.assert(fc.asyncProperty(fc.array(compacted, { minLength: 1, maxLength: 40 }), limits, fc.infiniteStream(fc.nat(999)), async (
    batches, { windowBytes, ...config }, picks,
  ) => {
    const files = new MemoryFileSystem()
    files.createFolderSync('/log')
    const first = await openLog(files, '/log', config)
    const offsets: number[] = []
    for (const { values, compression } of batches) {
      const baseOffset = first.log.nextOffset
      const kept = values.flatMap((size, delta) => (size === null ? [] : [{ offset: baseOffset + delta, size }]))
      const records = kept.map(({ offset, size }) => ({ offset, value: Buffer.from(`${offset}`.padEnd(size)) }))
      const lastOffset = baseOffset + values.length - 1
      first.log.appendBatch(encodeBatch(records, { baseOffset, lastOffset, compression }), 'replication')
      offsets.push(...kept.map(({ offset }) => offset))
    }
    const end = first.log.nextOffset
    await first.close()
    const { log, close } = await openLog(files, '/log', {}, { windowBytes })
    for (let left = 120; left > 0; left--) {
      const from = picks.next().value % end
      const [record] = log.read(textCodecs, { from })
      expect(record?.offset).toBe(offsets.find((offset) => offset >= from))
      if (record !== undefined) expect(record.value!.trimEnd()).toBe(`${record.offset}`)
    }
    await close()
  }), { numRuns: 150 })
})

describe('those who wait for records', () => {
  const outcome = (promise: Promise<void>): Promise<string> => promise.then(() => 'stored', (error: LogError) => error.message)

  test('of one batch share a promise, and are told when it is stored', async () => {
    const waiters = new Waiters()
    const [later, first, second] = [waiters.wait(12, 10), waiters.wait(3, 0), waiters.wait(5, 0)]
    expect(second).toBe(first)
    expect(waiters.lastOffset).toBe(12)
    waiters.acknowledge(10)
    expect(await outcome(first)).toBe('stored')
    waiters.acknowledge(13)
    expect(await outcome(later)).toBe('stored')
    expect(waiters.lastOffset).toBe(-1)
  })

  test('of batches from an offset on are told that these are lost, and nobody else', async () => {
    const waiters = new Waiters()
    const [kept, lost] = [waiters.wait(3, 0), waiters.wait(11, 10)]
    waiters.fail(10, new LogError('LOG_APPEND_LOST', 'lost'))
    expect(await outcome(lost)).toBe('lost')
    expect(waiters.lastOffset).toBe(3)
    waiters.acknowledge(10)
    expect(await outcome(kept)).toBe('stored')
  })
})
