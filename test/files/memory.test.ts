import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { readFileSync, writeFullySync } from '../../src/files/write-fully.ts'
import { fileSystemSuite } from './conformance.ts'

fileSystemSuite('memory', () => {
  const files = new MemoryFileSystem()
  files.createFolderSync('/some/folder')
  return { files, folder: '/some/folder', leave: () => expect(files.openHandles).toBe(0) }
})

function put(files: MemoryFileSystem, path: string, bytes: Uint8Array): void {
  const file = files.openSync(path, files.statSync(path) === undefined ? 'create' : 'write')
  writeFullySync(file, bytes, 0, bytes.length, 0)
  file.closeSync()
}

test('a full memory first writes less than asked, then says ENOSPC, and has room again after a removal or a cut', () => {
  const files = new MemoryFileSystem({ capacity: 20_000 })       // four blocks of 4 KiB
  const file = files.openSync('a', 'create')
  expect(file.writeSync(new Uint8Array(20_000).fill(1), 0, 20_000, 0)).toBe(16_384)
  expect(() => file.writeSync(new Uint8Array(1), 0, 1, 16_384)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
  expect(file.writeSync(new Uint8Array(10), 0, 10, 16_300)).toBe(10)       // a block that is there already
  expect(() => put(files, 'b', new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
  file.truncateSync(4096)
  expect(files.freeBytesSync('/')).toBe(20_000 - 4096)
  file.truncateSync(1_000_000)       // a hole costs nothing
  expect(files.freeBytesSync('/')).toBe(20_000 - 4096)
  files.removeSync('a')
  expect(files.freeBytesSync('/')).toBe(20_000)
  expect(file.writeSync(new Uint8Array(100), 0, 100, 0)).toBe(100)       // removed, but still open
  expect(files.freeBytesSync('/')).toBe(20_000)
  file.closeSync()
})

test('a fork has the same files, and what either writes the other does not see', () => {
  const files = new MemoryFileSystem({ capacity: 1 << 20 })
  const big = new Uint8Array(200_000).fill(7)
  files.createFolderSync('x/y')
  put(files, 'x/y/a', big)
  put(files, 'b', Buffer.from('text'))
  const fork = files.fork()
  const free = fork.freeBytesSync('/')
  expect(free).toBe(files.freeBytesSync('/'))
  const again = fork.fork()
  put(files, 'x/y/a', Buffer.from('orig'))
  expect(readFileSync(fork, 'x/y/a', 1 << 20)!.equals(big)).toBe(true)
  put(fork, 'x/y/a', Buffer.from('fork'))
  expect(readFileSync(again, 'x/y/a', 1 << 20)!.equals(big)).toBe(true)
  files.removeSync('b')
  expect(readFileSync(fork, 'b', 100)!.toString()).toBe('text')
  for (const [some, start] of [[files, 'orig'], [fork, 'fork']] as const) {
    const bytes = readFileSync(some, 'x/y/a', 1 << 20)!
    expect(bytes.subarray(0, 4).toString()).toBe(start)
    expect(bytes.subarray(4).equals(big.subarray(4))).toBe(true)
  }
  expect(fork.freeBytesSync('/')).toBe(free)
  const file = again.openSync('x/y/a', 'write')
  file.truncateSync(2)
  file.closeSync()
  expect(readFileSync(fork, 'x/y/a', 1 << 20)!.length).toBe(200_000)
})
