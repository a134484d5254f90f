/*
 * How long a record can be read: until the next one is asked for, whatever becomes of its bytes in memory and in files meanwhile. What was
 * kept for longer is read again by its offset, and may be gone.
 */
import { expect, test } from 'vitest'
import { type RecordCursor } from '../../src/log/cursor.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { type LogRecord } from '../../src/log/record.ts'
import { freshDisk } from '../tools/fresh-disk.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

const config = { cleanupPolicy: 'compact', segmentBytes: 4096, batchSize: 1000, indexIntervalBytes: 500 } as const
const KEYS = 40
/** How often each key is written again, so that the first chunks of the tail are left. */
const ROUNDS = 20

type Cursor = RecordCursor<string, string>

async function write(log: PartitionLog, rounds: number): Promise<void> {
  for (let count = 0; count < rounds * KEYS; count++) {
    log.append(textCodecs, { key: `k${log.nextOffset % KEYS}`, value: `${log.nextOffset}`.padEnd(100) })
  }
  await log.flush()
}

async function compact(log: PartitionLog): Promise<void> {
  await write(log, ROUNDS)
  await log.roll()
  await log.clean()
}

interface Place {
  /** Who writes. */
  readonly writer: PartitionLog
  /** Who reads. */
  readonly reader: PartitionLog
  close(): Promise<void>
}

const places: Record<string, () => Promise<Place>> = {
  'in the memory of the writer': async () => {
    const disk = freshDisk()
    disk.createFolderSync('/data')
    const opened = await openLog(disk, '/data', config, { windowBytes: 64 * 1024 })
    await write(opened.log, 2)
    return { writer: opened.log, reader: opened.log, close: opened.close }
  },
  'in files of the writer': async () => {
    const disk = freshDisk()
    disk.createFolderSync('/data')
    const before = await openLog(disk, '/data', config)
    await write(before.log, 2)
    await before.close()
    const opened = await openLog(disk, '/data', config)
    return { writer: opened.log, reader: opened.log, close: opened.close }
  },
  'in files of a writer in another process': async () => {
    const disk = freshDisk()
    disk.createFolderSync('/data')
    const opened = await openLog(disk, '/data', config)
    await write(opened.log, 2)
    const beside: Opened = await openLog(disk, '/data', config, { readOnly: true, following: true, create: false })
    const close = async (): Promise<void> => {
      await beside.log.close()
      beside.env.openFiles.closeAll()
      await opened.close()
    }
    return { writer: opened.log, reader: beside.log, close }
  },
}

/** Takes from a cursor, which may have to read a file first. */
async function taking<T>(cursor: Cursor, take: () => T): Promise<T> {
  let taken = take()
  while (cursor.blocked) {
    await cursor.fill()
    taken = take()
  }
  return taken
}

/** Uses memory for reading again, were it to be had. */
async function readElsewhere(log: PartitionLog): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    const cursor = log.follow(textCodecs, { from: log.nextOffset - 2 * KEYS })
    while ((await taking(cursor, () => cursor.take())) !== undefined);
    cursor.close()
  }
}

function codeOf(record: LogRecord<string, string>): string | null {
  try {
    return record.value
  } catch (error) {
    return (error as { code: string }).code
  }
}

for (const [where, place] of Object.entries(places)) {
  for (const kind of ['read', 'follow'] as const) {
    test(`a record in hand stays readable while it is compacted away: ${where}, ${kind}`, async () => {
      const { writer, reader, close } = await place()
      const cursor = kind === 'read' ? reader.read(textCodecs) : reader.follow(textCodecs, { from: 0 })
      await taking(cursor, () => cursor.take())
      const record = (await taking(cursor, () => cursor.take()))!
      await compact(writer)
      reader.lookAgain()
      await readElsewhere(reader)
      expect([record.offset, record.key, codeOf(record)?.trim()]).toEqual([1, 'k1', '1'])
      while ((await taking(cursor, () => cursor.take())) !== undefined);
      cursor.close()
      expect(['1', 'LOG_RECORD_GONE']).toContain(codeOf(record)?.trim())
      await close()
    })

    test(`records of a batch in hand stay readable when the end lies inside of it: ${where}, ${kind}`, async () => {
      const { writer, reader, close } = await place()
      const cursor = kind === 'read' ? reader.read(textCodecs, { to: 3 }) : reader.follow(textCodecs, { from: 0 })
      cursor.end = 3
      const records = await taking(cursor, () => cursor.takeBatch())
      await compact(writer)
      reader.lookAgain()
      await readElsewhere(reader)
      expect(records.map((record) => codeOf(record)?.trim())).toEqual(['0', '1', '2'])
      cursor.extend(5)
      const more = await taking(cursor, () => cursor.takeBatch())
      expect(more.every(({ offset }) => offset >= 3 && offset < 5)).toBe(true)
      cursor.close()
      await close()
    })
  }
}

test('a record that is kept while a reader goes on is found again by its offset where compaction left it', async () => {
  const { writer, reader, close } = await places['in files of a writer in another process']!()
  await write(writer, 1)
  reader.lookAgain()
  const kept = [...reader.read(textCodecs)]
  await writer.roll()
  await writer.clean()
  reader.lookAgain()
  await readElsewhere(reader)
  const values = kept.map((record) => codeOf(record)?.trim())
  expect(values.slice(-KEYS)).toEqual(Array.from({ length: KEYS }, (_, index) => `${2 * KEYS + index}`))
  await close()
})
