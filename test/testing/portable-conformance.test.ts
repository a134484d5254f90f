import { expect, test } from 'vitest'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type LogUnderTest } from '../../src/testing/portable-conformance/log-under-test.ts'
import { portableConformance } from '../../src/testing/portable-conformance/portable-conformance.ts'
import { diskLog, freshFolder, memoryLog } from '../topics/harness.ts'

const memory = async (): Promise<LogUnderTest> => {
  const log = await memoryLog()
  return { log, close: () => log.close() }
}

const disk = async (): Promise<LogUnderTest> => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  return { log, another: () => CommitLog.open(folder), close: () => log.close() }
}

const missing: string[] = []
portableConformance({ test: (name, run) => test(`in memory: ${name}`, run), open: memory, unsupported: (name) => missing.push(name) })
portableConformance({ test: (name, run) => test(`on disk: ${name}`, run), open: disk })

test('a log in memory cannot be opened again, and lacks nothing else', () => {
  expect(missing).toEqual([expect.stringContaining('restart'), expect.stringContaining('restart')])
})
