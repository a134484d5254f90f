import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { logFileName, segmentName, snapshotFileName } from '../../src/format/names.ts'
import { applyPlan, planFolder } from '../../src/log/folder-plan.ts'

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
