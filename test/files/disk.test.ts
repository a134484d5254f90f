import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { diskFileSystem } from '../../src/files/disk.ts'
import { fileSystemSuite } from './conformance.ts'

fileSystemSuite('the real disk', () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'commitlog disk ü-'))
  return { files: diskFileSystem, folder, leave: () => fs.rmSync(folder, { recursive: true }) }
})

test('the disk is durable, and its files are those of node:fs', () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'commitlog-disk-'))
  fs.writeFileSync(join(folder, 'a'), 'text')
  expect(diskFileSystem.durable).toBe(true)
  expect(diskFileSystem.statSync(join(folder, 'a'))).toMatchObject({ kind: 'file', size: 4 })
  fs.rmSync(folder, { recursive: true })
})

test('of several syncs that fail the first is told, after all have ended', async () => {
  const ended: string[] = []
  const file = (name: string, fails: boolean, turns: number): never => ({
    async sync() {
      for (let turn = 0; turn < turns; turn++) await null
      ended.push(name)
      if (fails) throw new Error(name)
    },
  }) as never
  await expect(diskFileSystem.sync([file('a', true, 1), file('b', false, 9), file('c', true, 3)])).rejects.toThrow('a')
  expect(ended.sort()).toEqual(['a', 'b', 'c'])
})
