import { describe, expect, test } from 'vitest'
import { type FileSystem } from '../../src/files/file-system.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { freshDisk } from '../tools/fresh-disk.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

const config = { batchSize: 300, segmentBytes: 2000, indexIntervalBytes: 200 }

/** A log of 100 records in small batches and segments; from its files when it was opened again, else from memory. */
async function filled(from: 'files' | 'memory'): Promise<Opened> {
  const files = new MemoryFileSystem()
  files.createFolderSync('/log')
  const opened = await openLog(files, '/log', config)
  append(opened.log, 100, 'old')
  await opened.log.flush()
  if (from === 'memory') return opened
  await opened.close()
  return openLog(files, '/log', config)
}

function append(log: PartitionLog, count: number, value: string): void {
  for (let index = 0; index < count; index++) log.append(textCodecs, { value })
}

describe.each(['files', 'memory'] as const)('a read of a log that is cut meanwhile, from %s', (from) => {
  test('ends where the log was cut, and shows nothing of what came after', async () => {
    const { log } = await filled(from)
    const reading = log.read(textCodecs)
    const found = [reading.next().value!]
    await log.truncateTo(50)
    append(log, 70, 'new')
    await log.flush()
    for (const record of reading) found.push(record)
    const kept = log.epochs.endOffsetFor(0, log.nextOffset)!.endOffset
    expect(kept).toBeGreaterThan(40)
    expect(found.map(({ offset }) => offset)).toEqual(Array.from({ length: kept }, (_, offset) => offset))
    expect(found.every(({ value }) => value === 'old')).toBe(true)
  })

  test('is told when what it has read already is gone', async () => {
    const { log } = await filled(from)
    const reading = log.read(textCodecs)
    for (let left = 80; left > 0; left--) reading.next()
    await log.truncateTo(50)
    append(log, 70, 'new')
    await log.flush()
    expect(() => [...reading]).toThrow(expect.objectContaining({ code: 'LOG_OFFSET_OUT_OF_RANGE' }))
  })
})

test.each([false, true])('what is read in the background from a file that is cut meanwhile is no damage; beside the writer: %s', async (beside) => {
  const files = freshDisk()
  files.createFolderSync('/log')
  const before = await openLog(files, '/log', config)
  append(before.log, 100, 'old')
  await before.close()
  const gate = heldReads(files)
  const { log, close } = await openLog(files, '/log', config)
  const reader = beside ? await openLog(files, '/log', config, { readOnly: true, following: true, create: false }) : undefined
  const read = reader?.log ?? log
  const cursor = read.follow(textCodecs, { from: 0 })
  expect(cursor.take()).toBeUndefined()
  const release = gate.hold()
  const filling = cursor.fill()
  await log.truncateTo(0)
  release()
  await filling
  expect(cursor.take()).toBeUndefined()
  append(log, 1, 'new')
  await log.flush()
  read.lookAgain()
  const again = read.follow(textCodecs, { from: 0 })
  let record = again.take()
  for (; record === undefined && again.blocked; record = again.take()) await again.fill()
  expect(record?.value).toBe('new')
  for (const one of [cursor, again]) one.close()
  await reader?.log.close()
  reader?.env.openFiles.closeAll()
  await close()
})

/** Lets reads that do not hold the event loop wait, from `hold` until what that gave is called. */
function heldReads(files: FileSystem): { hold(): () => void } {
  const open = files.openSync
  let held: Promise<void> | undefined
  files.openSync = (path, mode) => {
    const handle = open.call(files, path, mode)
    const read = handle.read.bind(handle)
    return Object.assign(handle, {
      read: async (...given: Parameters<typeof read>) => {
        await held
        return read(...given)
      },
    })
  }
  return {
    hold() {
      let release = (): void => {}
      held = new Promise((resolve) => { release = resolve })
      return release
    },
  }
}
