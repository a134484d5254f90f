import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { diskFileSystem } from '../../src/files/disk.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
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
