import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { createFolderDurably } from '../../src/files/write-fully.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { logFileName, segmentName, snapshotFileName, txnIndexFileName } from '../../src/format/names.ts'
import { applyPlan, planFolder } from '../../src/log/folder-plan.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

function folder(names: readonly string[]): MemoryFileSystem {
  const files = new MemoryFileSystem()
  files.createFolderSync('/p')
  for (const name of names) files.openSync(`/p/${name}`, 'create').closeSync()
  return files
}

test('of the snapshots beside segments, those at a segment and the newest other one are kept', async () => {
  const files = folder([logFileName(0), logFileName(10), ...[4, 10, 12, 20].map(snapshotFileName)])
  const plan = planFolder(files, '/p')
  expect(plan.segments.map(({ baseOffset }) => baseOffset)).toEqual([0, 10])
  expect(plan.snapshots.map(({ offset }) => offset)).toEqual([10, 20])
  await applyPlan(files, '/p', plan)
  expect(files.listSync('/p')).toEqual([logFileName(0), logFileName(10), snapshotFileName(10), snapshotFileName(20)])
})

test('indexes without their log, and what a broker was deleting, mean nothing any more', () => {
  const names = [logFileName(0), `${segmentName(7)}.index`, `${segmentName(7)}.timeindex`, `${logFileName(9)}.deleted`]
  expect(planFolder(folder(names), '/p').obsolete).toEqual(names.slice(1))
})

test('files of other names are nobody\'s business here', () => {
  const names = ['leader-epoch-checkpoint', 'partition.metadata', `torn-${segmentName(0)}`, 'notes.txt']
  expect(planFolder(folder(names), '/p')).toEqual({ segments: [], snapshots: [], obsolete: [], renames: [] })
})

test('an unfinished compaction is undone, a finished one takes the place of what it replaces', async () => {
  const unfinished = folder([logFileName(0), `${logFileName(0)}.cleaned`, `${logFileName(0)}.swap`])
  expect(planFolder(unfinished, '/p')).toMatchObject({ obsolete: [`${logFileName(0)}.cleaned`, `${logFileName(0)}.swap`], renames: [] })
  const finished = folder([logFileName(5), `${logFileName(0)}.swap`])
  await applyPlan(finished, '/p', planFolder(finished, '/p'))
  expect(finished.listSync('/p')).toEqual([logFileName(0), logFileName(5)])
})

test('the undoing of a compaction that a power cut interrupts is an undoing still', async () => {
  const plain = [logFileName(0), logFileName(7), txnIndexFileName(7)]
  const half = [`${logFileName(7)}.swap`, `${txnIndexFileName(7)}.cleaned`]
  for (let seed = 0; seed < 40; seed++) {
    const left: SimulatedDisk[] = []
    const disk: SimulatedDisk = new SimulatedDisk({ seed, onCall: (call) => {
      if (applying && call.verb !== 'stat') left.push(disk.fork(seed + call.number, { power: true }))
    } })
    let applying = false
    await createFolderDurably(disk, '/p')
    for (const name of [...plain, ...half]) disk.openSync(`/p/${name}`, 'create').closeSync()
    const cleaned = encodeBatch([{ key: null, value: null, timestamp: 0 }], { baseOffset: 7 })
    const file = disk.openSync(`/p/${half[0]}`, 'write')
    file.writeSync(cleaned, 0, cleaned.length, 0)
    await file.sync()
    file.closeSync()
    await disk.syncFolder('/p')
    const plan = planFolder(disk, '/p')
    applying = true
    await applyPlan(disk, '/p', plan)
    applying = false
    left.push(disk.fork(seed, { power: true }))
    for (const one of left) {
      await applyPlan(one, '/p', planFolder(one, '/p'))
      expect(one.listSync('/p'), `seed ${seed}`).toEqual(plain)
      expect(one.bytes(`/p/${logFileName(7)}`), `seed ${seed}`).toHaveLength(0)
    }
  }
})
