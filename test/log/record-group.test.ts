/*
 * Groups of records: in one batch whatever is open, and none of them when one is refused.
 */
import { expect, test } from 'vitest'
import { type AppendWatcher, type RecordGroup } from '../../src/log/record-group.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { openLog, textCodecs } from './harness.ts'

/** Notes what the writer tells of a group. */
class Group implements RecordGroup<string, string> {
  readonly notes: string[] = []
  readonly values: readonly string[]

  constructor(...values: readonly string[]) {
    this.values = values
  }

  get count(): number {
    return this.values.length
  }

  begin(batchOffset: number, offset: number): void {
    this.notes.push(`begin ${batchOffset} ${offset}`)
  }

  record(index: number): { readonly key: string; readonly value: string } {
    return { key: 'k', value: this.values[index]! }
  }

  added(index: number, at: number, size: number): void {
    this.notes.push(`${index} at ${at} of ${size}`)
  }

  appended(offset: number): void {
    this.notes.push(`appended ${offset}`)
  }
}

async function open(config: object = {}) {
  const files = new MemoryFileSystem()
  files.createFolderSync('/log')
  return openLog(files, '/log', { lingerMs: 1000, ...config })
}

test('a group gets into the open batch, and is told where its records lie', async () => {
  const { log } = await open()
  log.append(textCodecs, { key: 'k', value: 'before' })
  const group = new Group('one', 'two')
  expect(log.appendGroup(textCodecs, group)).toBe(1)
  expect(group.notes).toEqual(['begin 0 1', '0 at 75 of 11', '1 at 86 of 11', 'appended 1'])
  await log.flush()
  expect([...log.read(textCodecs)].map(({ value }) => value)).toEqual(['before', 'one', 'two'])
  expect(log.tail.find(0)).toMatchObject({ baseOffset: 0, lastOffset: 2 })
})

test('a group that finds no room beside others gets a batch of its own; one that is too large is not there at all', async () => {
  const { log } = await open({ maxMessageBytes: 300 })
  log.append(textCodecs, { key: 'k', value: 'x'.repeat(100) })
  const group = new Group('y'.repeat(100), 'z'.repeat(50))
  expect(log.appendGroup(textCodecs, group)).toBe(1)
  expect(group.notes.filter((note) => note.startsWith('begin'))).toEqual(['begin 0 1', 'begin 1 1'])
  const large = new Group('a'.repeat(200), 'b'.repeat(200))
  expect(() => log.appendGroup(textCodecs, large)).toThrow(expect.objectContaining({ code: 'LOG_BATCH_TOO_LARGE' }))
  expect(() => log.appendGroup(textCodecs, new Group('a'.repeat(400)))).toThrow(expect.objectContaining({ code: 'LOG_RECORD_TOO_LARGE' }))
  expect(() => log.appendGroup(textCodecs, new Group('fine', 5 as unknown as string))).toThrow()
  expect(log.appendGroup(textCodecs, new Group('last'))).toBe(3)
  await log.flush()
  expect([...log.read(textCodecs)].map(({ value }) => value![0])).toEqual(['x', 'y', 'z', 'l'])
  expect(log.tail.find(1)).toMatchObject({ baseOffset: 1, lastOffset: 2 })
})

test('whoever watches is told where batches were written, and what is acknowledged', async () => {
  const { log } = await open()
  const told: string[] = []
  const watcher: AppendWatcher = {
    written: ({ baseOffset, lastOffset, position }, base) => void told.push(`${baseOffset}..${lastOffset} at ${position} of ${base}`),
    acknowledged: (end) => void told.push(`below ${end}`),
    lost: (offset) => void told.push(`lost ${offset}`),
    cut: (end) => void told.push(`cut ${end}`),
  }
  log.watcher = watcher
  log.appendGroup(textCodecs, new Group('one', 'two'))
  await log.flush()
  log.appendGroup(textCodecs, new Group('three'))
  await log.flush()
  expect(told).toEqual(['0..1 at 0 of 0', 'below 2', '2..2 at 83 of 0', 'below 3'])
})
