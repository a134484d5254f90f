import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { type LogConfig } from '../../src/log/config.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

const small: Partial<LogConfig> = { cleanupPolicy: 'compact', segmentBytes: 400, batchSize: 150, indexIntervalBytes: 100 }

async function opened(config: Partial<LogConfig> = {}): Promise<Opened & { clock: ManualClock; files: MemoryFileSystem }> {
  const clock = new ManualClock()
  const files = new MemoryFileSystem({ clock })
  files.createFolderSync('/log')
  return { ...(await openLog(files, '/log', { ...small, ...config }, { clock })), clock, files }
}

async function put(log: PartitionLog, key: string, value: string | null): Promise<number> {
  const offset = log.append(textCodecs, { key, value })
  await log.durable(offset)
  return offset
}

function all(log: PartitionLog): string[] {
  return [...log.read(textCodecs)].map(({ offset, key, value }) => `${offset} ${key}=${value}`)
}

test('the last record of each key stays, at its offset and in its place', async () => {
  const { log, close } = await opened()
  for (let offset = 0; offset < 100; offset++) await put(log, `k${offset % 7}`, `v${offset}`)
  await log.roll()
  const before = all(log)
  const report = await log.clean()
  expect(all(log)).toEqual(before.slice(93))
  expect(report).toMatchObject({ from: 0, to: 100, complete: true, keys: 7, recordsBefore: 100, recordsAfter: 7 })
  expect([log.startOffset, log.nextOffset]).toEqual([0, 100])
  await close()
})
