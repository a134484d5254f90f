/*
 * The mark gives the places of deleted partitions to others, and none of them takes the other's word. How it is written beside crashes is in
 * the simulation.
 */
import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { CommitLog, string } from '../../src/index.ts'
import { Mark, markFileNames, type MarkState } from '../../src/log/mark.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

const [a, b, c] = [1, 2, 3].map((byte) => new Uint8Array(16).fill(byte)) as [Uint8Array, Uint8Array, Uint8Array]
const clock = new ManualClock()

function state(syncedOffset: number): MarkState {
  const position = syncedOffset * 100
  return { epoch: 1, baseOffset: 0, position, syncedOffset, watermark: syncedOffset, closed: false, producers: false, generation: 0 }
}

async function opened(): Promise<{ readonly files: MemoryFileSystem; readonly mark: Mark }> {
  const files = new MemoryFileSystem()
  files.createFolderSync('/log')
  return { files, mark: await Mark.open(files, '/log', clock) }
}

function offsetOf(mark: Mark, topicId: Uint8Array, partition = 0): number | undefined {
  return mark.slot(topicId, partition).state?.syncedOffset
}

/** Writes to so many banks. */
async function writtenTo(banks: number, mark: Mark, topicId: Uint8Array, from: number): Promise<void> {
  for (let bank = 0; bank < banks; bank++) {
    mark.slot(topicId, 0).write(state(from + bank))
    await mark.sync()
  }
}

test.each([1, 2, 3, 4, 5])('a partition in the place of a deleted one is found, and the deleted one is not: %i banks later', async (banks) => {
  const { files, mark } = await opened()
  await writtenTo(4, mark, a, 10)
  await writtenTo(4, mark, b, 20)
  mark.release(a)
  await writtenTo(banks, mark, c, 30)
  // Killed: what is in the files is all there is.
  for (const found of [Mark.openReadOnly(files, '/log', clock), await Mark.open(files, '/log', clock)]) {
    expect([offsetOf(found, c), offsetOf(found, b), offsetOf(found, a)]).toEqual([29 + banks, 23, undefined])
  }
  const again = Mark.openReadOnly(files, '/log', clock)
  expect([offsetOf(again, c), offsetOf(again, b)]).toEqual([29 + banks, 23])
})

test('what a deleted partition writes goes nowhere', async () => {
  const { files, mark } = await opened()
  const deleted = mark.slot(a, 0)
  deleted.write(state(10))
  mark.release(a)
  mark.slot(c, 0).write(state(30))
  deleted.write(state(11))
  await mark.close()
  const found = Mark.openReadOnly(files, '/log', clock)
  expect([offsetOf(found, c), offsetOf(found, a)]).toEqual([30, undefined])
})

test('slots of topics that the catalog does not know any more are free at the next open', async () => {
  const { files, mark } = await opened()
  for (let partition = 0; partition < 300; partition++) mark.slot(a, partition).write(state(partition))
  mark.slot(b, 0).write(state(20))
  await mark.close()
  const size = files.statSync('/log/mark-a')!.size
  const next = Mark.read(files, '/log', clock)
  next.keepOnly([b])
  next.start()
  await next.ready()
  for (let partition = 0; partition < 300; partition++) next.slot(c, partition).write(state(1000 + partition))
  await next.close()
  expect(markFileNames.map((name) => files.statSync(`/log/${name}`)!.size)).toEqual([size, size])
  const found = Mark.openReadOnly(files, '/log', clock)
  expect([offsetOf(found, b), offsetOf(found, c, 0), offsetOf(found, c, 299)]).toEqual([20, 1000, 1299])
})

test('a log in which topics come and go has a mark of the size that those take that are there', async () => {
  const files = new MemoryFileSystem()
  let log = await CommitLog.open('/log', { files })
  const kept = await log.topic('kept', { key: string, value: string })
  kept.partition(0).append({ key: 'k', value: 'v' })
  await kept.partition(0).flush()
  const size = files.statSync('/log/mark-a')!.size
  for (let round = 0; round < 150; round++) {
    if (round === 75) {
      await log.close()
      log = await CommitLog.open('/log', { files })
    }
    await log.topic('passing', { partitions: 3, key: string, value: string })
    await log.deleteTopic('passing')
  }
  expect(markFileNames.map((name) => files.statSync(`/log/${name}`)!.size)).toEqual([size, size])
  await log.close()
  log = await CommitLog.open('/log', { files })
  expect(Array.from((await log.topic('kept', { key: string, value: string })).partition(0).read(), ({ value }) => value)).toEqual(['v'])
  await log.close()
})
