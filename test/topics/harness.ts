/*
 * What tests of the topics floor share: logs in memory and on disk that clean up behind themselves, and small words for what they hold.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommitLog, type LogOptions, type MemoryLogOptions } from '../../src/topics/commit-log.ts'
import { afterwards } from '../tools/afterwards.ts'

export { afterwards }

/** A path that nothing is at, gone after the test. */
export function freshFolder(name = 'log'): string {
  const parent = mkdtempSync(join(tmpdir(), 'commitlog-topics-'))
  afterwards(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, name)
}

/** A log on disk that is closed after the test. */
export async function diskLog(folder = freshFolder(), options: LogOptions = {}): Promise<CommitLog> {
  const log = await CommitLog.open(folder, options)
  afterwards(() => log.close().catch(() => {}))
  return log
}

/** A log in memory that is closed after the test. */
export async function memoryLog(options: MemoryLogOptions = {}): Promise<CommitLog> {
  const log = await CommitLog.memory(options)
  afterwards(() => log.close().catch(() => {}))
  return log
}

/** Both kinds, for tests that hold for each. */
export const kinds: readonly { readonly kind: string; readonly open: (options?: MemoryLogOptions) => Promise<CommitLog> }[] = [
  { kind: 'memory', open: memoryLog },
  { kind: 'disk', open: (options) => diskLog(freshFolder(), options) },
]

/** What an iteration gives, up to `limit` items. */
export async function collect<T>(items: AsyncIterable<T>, limit = Infinity): Promise<T[]> {
  const list: T[] = []
  if (limit === 0) return list
  for await (const item of items) if (list.push(item) >= limit) break
  return list
}

/** The error that `work` throws or rejects with; fails when it does neither. */
export async function failure(work: () => unknown): Promise<Error & { code?: string; detail?: Record<string, unknown> }> {
  try {
    await work()
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not fail')
}
