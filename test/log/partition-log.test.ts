import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { diskFileSystem } from '../../src/files/disk.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { defaultLogConfig } from '../../src/log/config.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { openLog, textCodecs } from './harness.ts'

const folders: string[] = []
afterEach(() => { for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true }) })

function place(kind: 'disk' | 'memory'): { files: FileSystem; root: string } {
  if (kind === 'disk') {
    const root = mkdtempSync(join(tmpdir(), 'commitlog-log-'))
    folders.push(root)
    return { files: diskFileSystem, root }
  }
  const files = new MemoryFileSystem()
  files.createFolderSync('/log')
  return { files, root: '/log' }
}

const values = (records: Iterable<{ value: string | null }>): (string | null)[] => [...records].map((record) => record.value)

describe.each(['memory', 'disk'] as const)('a partition in %s', (kind) => {
  for (const durability of ['sync', 'interval', 'os'] as const) {
    test(`gives back what was appended, before and after a reopen (${durability})`, async () => {
      const { files, root } = place(kind)
      const first = await openLog(files, root, { durability, segmentBytes: 2000, batchSize: 300, indexIntervalBytes: 200 })
      const expected: string[] = []
      for (let index = 0; index < 200; index++) {
        expected.push(`value ${index}`)
        const offset = first.log.append(textCodecs, { key: `k${index % 7}`, value: `value ${index}`, headers: { h: 'x' } })
        expect(offset).toBe(index)
        if (index % 9 === 0) await first.log.durable(offset)
      }
      await first.log.flush()
      expect(first.log.durableOffset).toBe(200)
      expect(values(first.log.read(textCodecs))).toEqual(expected)
      expect(first.log.segmentCount).toBeGreaterThan(3)
      await first.close()
      const second = await openLog(files, root, { durability })
      expect(second.log.recovery.clean).toBe(true)
      expect(second.log.nextOffset).toBe(200)
      expect(values(second.log.read(textCodecs))).toEqual(expected)
      for (const from of [0, 1, 50, 111, 199]) expect(values(second.log.read(textCodecs, { from }))).toEqual(expected.slice(from))
      const [record] = second.log.read(textCodecs, { from: 123, to: 124 })
      expect([record!.key, record!.offset, record!.headers]).toEqual(['k4', 123, [['h', Buffer.from('x')]]])
      second.log.append(textCodecs, { key: 'a', value: 'last' })
      await second.log.flush()
      expect(values(second.log.read(textCodecs, { from: 199 }))).toEqual(['value 199', 'last'])
      await second.close()
    })
  }
})

test('settings that change while a log is open hold for what is appended next', async () => {
  const disk = new SimulatedDisk()
  disk.createFolderSync('/data')
  const config = { ...defaultLogConfig, segmentBytes: 10_000 }
  const { log, close } = await openLog(disk, '/data', {}, { config })
  const append = async (value: string, key?: string): Promise<void> => {
    log.append(textCodecs, { value, ...(key !== undefined && { key }), timestamp: 1 })
    await log.durable(log.nextOffset - 1)
  }
  await append('x'.repeat(1000))
  Object.assign(config, { segmentBytes: 500, compressionType: 'gzip', cleanupPolicy: 'compact', maxMessageBytes: 2000 })
  Object.assign(config, { messageTimestampType: 'LogAppendTime' })
  await log.reconfigure()
  expect(() => log.append(textCodecs, { value: 'no key' })).toThrow(expect.objectContaining({ code: 'LOG_RECORD_INVALID' }))
  const before = log.size
  await append('y'.repeat(1000), 'k')
  expect(log.segmentCount).toBe(2)
  expect(log.size - before).toBeLessThan(500)
  expect([...log.read(textCodecs)].map((record) => record.timestampType)).toEqual(['CreateTime', 'LogAppendTime'])
  expect(() => log.append(textCodecs, { key: 'k', value: 'z'.repeat(3000) })).toThrow(expect.objectContaining({ code: 'LOG_RECORD_TOO_LARGE' }))
  await close()
})

test('the durability of an open log can be changed: what comes is acknowledged as it says', async () => {
  let synced = 0
  const disk = new SimulatedDisk({ onCall: ({ verb, path }) => { if (verb === 'sync' && path.endsWith('.log')) synced++ } })
  const syncs = (): number => synced
  disk.createFolderSync('/data')
  await disk.syncFolder('/')
  const config = { ...defaultLogConfig }
  const { log, close } = await openLog(disk, '/data', {}, { config })
  const append = async (value: string): Promise<void> => log.durable(log.append(textCodecs, { value }))
  await append('synced')
  Object.assign(config, { durability: 'os' })
  await log.reconfigure()
  const before = syncs()
  await append('written')
  expect(syncs()).toBe(before)
  Object.assign(config, { durability: 'sync' })
  await log.reconfigure()
  await append('synced again')
  expect(syncs()).toBeGreaterThan(before)
  const again = await openLog(disk.fork(1, { power: true }), '/data')
  expect([...again.log.read(textCodecs)].map((record) => record.value)).toEqual(['synced', 'written', 'synced again'])
  await again.close()
  await close()
})

test('segments roll up to segmentJitterMs before their time, each at a time of its own', async () => {
  const disk = new SimulatedDisk()
  disk.createFolderSync('/data')
  const { log, close } = await openLog(disk, '/data', { segmentMs: 1000, segmentJitterMs: 500, batchSize: 1 })
  for (let timestamp = 1; timestamp < 20_000; timestamp += 50) log.append(textCodecs, { value: 'x', timestamp })
  await log.flush()
  expect(log.segmentCount).toBeGreaterThanOrEqual(19)
  expect(log.segmentCount).toBeLessThan(41)
  await close()
})

test.each(['sync', 'os'] as const)('a close of what is fenced tells of what was acknowledged and never synced (%s)', async (durability) => {
  const disk = new SimulatedDisk()
  disk.createFolderSync('/log')
  const { log, close } = await openLog(disk, '/log', { ...defaultLogConfig, durability })
  await log.durable(log.append(textCodecs, { value: 'a' }))
  disk.inject({ verb: 'sync', path: /\.log$/, error: 'EIO' })
  const offset = log.append(textCodecs, { value: 'b' })
  await expect(durability === 'sync' ? log.durable(offset) : log.flush()).rejects.toMatchObject({ code: 'LOG_FENCED' })
  expect(log.state).toBe('fenced')
  if (durability === 'sync') await close()
  else await expect(close()).rejects.toMatchObject({ code: 'LOG_FENCED' })
})
