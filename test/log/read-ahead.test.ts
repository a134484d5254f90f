/*
 * Windows of sealed segments that are read before a scan asks for them.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { type RecordCursor } from '../../src/log/cursor.ts'
import { SCAN_WINDOW_BYTES } from '../../src/log/windows.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

const small = { batchSize: 1, segmentBytes: 3 * 1024 * 1024, maxMessageBytes: 1024 * 1024 }

/** A log with a value of each size, opened anew so that nothing of it lies in memory. */
async function filled(sizes: readonly number[], files = new MemoryFileSystem(), config = small): Promise<Opened> {
  files.createFolderSync('/log')
  const opened = await openLog(files, '/log', config)
  for (const [index, size] of sizes.entries()) opened.log.append(textCodecs, { value: `${index}:`.padEnd(size, 'x') })
  await opened.log.flush()
  await opened.log.roll()
  await opened.close()
  return openLog(files, '/log', config)
}

/** Sizes of what a cursor that does not hold the event loop hands out. */
async function drained(cursor: RecordCursor<string, string>): Promise<number[]> {
  const sizes: number[] = []
  for (;;) {
    const record = cursor.take()
    if (record !== undefined) {
      expect(record.value!.startsWith(`${sizes.length}:`)).toBe(true)
      sizes.push(record.value!.length)
    } else if (cursor.blocked) await cursor.fill()
    else return sizes
  }
}

test('every record is handed out once, whatever the sizes of batches are to those of windows', async () => {
  const size = fc.oneof(fc.integer({ min: 10, max: 2000 }), fc.integer({ min: 10_000, max: 300_000 }), fc.constant(SCAN_WINDOW_BYTES))
  await fc.assert(fc.asyncProperty(fc.array(size, { minLength: 1, maxLength: 60 }), fc.nat(3), async (sizes, scans) => {
    const { log, close } = await filled(sizes)
    const all = await Promise.all(Array.from({ length: scans + 1 }, () => drained(log.follow(textCodecs, { from: 0 }))))
    for (const one of all) expect(one).toEqual(sizes)
    await close()
  }), { numRuns: 15, verbose: true })
})

test('what was read ahead is for those who stand there, in the epoch that it was read in, and once', async () => {
  const { env: { windows: { ahead } }, log, close } = await filled(Array.from({ length: 20 }, () => 100_000))
  const segment = log.segmentAt(0)!
  const epoch = log.leaderEpoch
  ahead.begin(log, segment, 0, SCAN_WINDOW_BYTES)
  expect(ahead.take(segment, 1, epoch)).toBeUndefined()
  const found = ahead.take(segment, 0, epoch)
  expect(await found!.filled).toBe(SCAN_WINDOW_BYTES)
  expect(ahead.take(segment, 0, epoch)).toBeUndefined()
  ahead.begin(log, segment, 0, SCAN_WINDOW_BYTES)
  expect(ahead.take(segment, 0, epoch + 1)).toBeUndefined()
  expect(ahead.take(segment, 0, epoch)).toBeUndefined()
  await close()
})

test('a few windows are read ahead at most, and those that nobody comes for make room in the end', async () => {
  const { env: { windows: { ahead } }, log, close } = await filled(Array.from({ length: 20 }, () => 100_000))
  const segment = log.segmentAt(0)!
  const isThere = (position: number): boolean => ahead.take(segment, position, log.leaderEpoch) !== undefined
  for (let position = 0; position < 8; position++) ahead.begin(log, segment, position, SCAN_WINDOW_BYTES)
  expect(isThere(7)).toBe(false)
  for (let turn = 0; turn < 1000; turn++) ahead.begin(log, segment, 8, SCAN_WINDOW_BYTES)
  expect(isThere(8)).toBe(true)
  expect(isThere(0)).toBe(false)
  await close()
})

test('very large batches are read when they are needed, and nothing of them is kept when their reader leaves', async () => {
  const config = { batchSize: 1, segmentBytes: 64 * 1024 * 1024, maxMessageBytes: 16 * 1024 * 1024 }
  const sizes = Array.from({ length: 6 }, () => 6_000_000)
  const { env: { windows: { ahead } }, log, close } = await filled(sizes, undefined, config)
  const begin = ahead.begin.bind(ahead)
  const begun: { readonly position: number; readonly epoch: number }[] = []
  ahead.begin = (source, segment, position, size) => {
    begin(source, segment, position, size)
    begun.push({ position, epoch: source.leaderEpoch })
  }
  const cursor = log.follow(textCodecs, { from: 0 })
  while (cursor.take() === undefined) await cursor.fill()
  cursor.close()
  const segment = log.segmentAt(0)!
  const kept = begun.map(({ position, epoch }) => ahead.take(segment, position, epoch)).filter((one) => one !== undefined)
  expect(kept.reduce((bytes, { window: { buffer } }) => bytes + buffer.length, 0)).toBeLessThan(2 * 1024 * 1024)
  expect(await drained(log.follow(textCodecs, { from: 0 }))).toEqual(sizes)
  await close()
})

test('what cannot be read ahead is read when it is needed, and then is told', async () => {
  const files = new MemoryFileSystem()
  const { openSync } = files
  let broken = false
  let refused = 0
  files.openSync = (path, mode) => {
    const handle = openSync.call(files, path, mode)
    const read = handle.read.bind(handle)
    return Object.assign(handle, {
      read: async (...given: Parameters<typeof read>) => {
        if (!broken) return read(...given)
        refused++
        throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', errno: -5, syscall: 'read' })
      },
    })
  }
  const { log, close } = await filled(Array.from({ length: 20 }, () => 100_000), files)
  const cursor = log.follow(textCodecs, { from: 0 })
  expect(cursor.take()).toBeUndefined()
  broken = true
  await expect(cursor.fill()).rejects.toMatchObject({ code: 'LOG_IO' })
  broken = false
  await cursor.fill()
  broken = true
  // This one has begun to read what comes behind it.
  while (cursor.take() !== undefined);
  await cursor.fill()
  while (cursor.take() !== undefined);
  await expect(cursor.fill()).rejects.toMatchObject({ code: 'LOG_IO' })
  expect(refused).toBe(3)
  broken = false
  expect(await drained(log.follow(textCodecs, { from: 0 }))).toHaveLength(20)
  cursor.close()
  await close()
})

test('what was under way when the log was closed opens no file again', async () => {
  const files = new MemoryFileSystem()
  const { openSync } = files
  let held: Promise<void> | undefined
  files.openSync = (path, mode) => {
    const handle = openSync.call(files, path, mode)
    const read = handle.read.bind(handle)
    return Object.assign(handle, {
      read: async (...given: Parameters<typeof read>) => {
        await held
        return read(...given)
      },
    })
  }
  const { log, close } = await filled(Array.from({ length: 20 }, () => 100_000), files)
  const cursor = log.follow(textCodecs, { from: 0 })
  expect(cursor.take()).toBeUndefined()
  let release = (): void => {}
  held = new Promise((resolve) => { release = resolve })
  const filling = cursor.fill()
  await close()
  release()
  await filling
  cursor.close()
  await new Promise((resolve) => setImmediate(resolve))
  expect(files.openHandles).toBe(0)
})
