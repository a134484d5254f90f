import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { OpenFiles } from '../../src/files/open-files.ts'
import { systemError } from '../../src/files/system-error.ts'

/** Memory with files 'a' to 'h' that lets at most `limit` be open, and remembers what was opened. */
class Limited extends MemoryFileSystem {
  limit = Infinity
  code = 'EMFILE'
  readonly opened: string[] = []

  constructor() {
    super()
    for (const name of 'abcdefgh') super.openSync(name, 'create').closeSync()
  }

  override openSync(...[path, mode]: Parameters<MemoryFileSystem['openSync']>): ReturnType<MemoryFileSystem['openSync']> {
    if (this.openHandles >= this.limit) throw systemError(this.code, 'open', path)
    this.opened.push(path)
    return super.openSync(path, mode)
  }
}

test('a file is opened when it is asked for, and the least recently used is closed first', () => {
  const files = new Limited()
  const open = new OpenFiles(files, { maxOpen: 3 })
  for (const name of ['a', 'b', 'c', 'a', 'a', 'd', 'a', 'c', 'b']) open.read(name)
  expect(files.opened.join('')).toBe('abcdb')
  expect(open.size).toBe(3)
  expect(files.openHandles).toBe(3)
  open.closeAll()
  expect(open.size).toBe(0)
  expect(files.openHandles).toBe(0)
})

test('a pinned file stays open until it is released, whatever else is asked for or forgotten', () => {
  const files = new Limited()
  const open = new OpenFiles(files, { maxOpen: 2 })
  const usable = (handle: { sizeSync(): number }): boolean => {
    try {
      return handle.sizeSync() === 0
    } catch {
      return false
    }
  }
  const pins = ['a', 'b', 'c'].map((name) => open.pin(name))
  for (const name of 'defgh') open.read(name)
  expect(pins.every((pin) => usable(pin.handle))).toBe(true)
  expect(open.size).toBe(4)       // three pinned, and the one that was read last
  open.forget('a')
  expect(usable(pins[0]!.handle)).toBe(true)
  pins[0]!.release()
  pins[0]!.release()
  expect(usable(pins[0]!.handle)).toBe(false)
  open.closeAll()
  expect(usable(pins[1]!.handle)).toBe(true)
  for (const pin of pins) pin.release()
  expect(files.openHandles).toBe(0)
})

test('a file that was forgotten is opened again, and two pins of one file are two', () => {
  const files = new Limited()
  const open = new OpenFiles(files)
  const [first, second] = [open.pin('a'), open.pin('a')]
  expect(first.handle).toBe(second.handle)
  open.forget('a')
  open.forget('b')
  expect(open.read('a')).not.toBe(first.handle)
  first.release()
  expect(second.handle.sizeSync()).toBe(0)
  second.release()
  expect(() => second.handle.sizeSync()).toThrow(expect.objectContaining({ code: 'EBADF' }))
  open.closeAll()
  expect(files.openHandles).toBe(0)
})

for (const code of ['EMFILE', 'ENFILE']) test(`${code} closes others and tries again, and is LOG_TOO_MANY_FILES when all are in use`, () => {
  const files = new Limited()
  files.limit = 4
  files.code = code
  const open = new OpenFiles(files)
  for (const name of 'abcdefgh') open.read(name)
  expect(files.openHandles).toBeLessThanOrEqual(4)
  const own = open.open('a', 'write')
  own.closeSync()
  const pins = ['a', 'b', 'c', 'd'].map((name) => open.pin(name))
  const cause = expect.objectContaining({ code })
  expect(() => open.read('e')).toThrow(expect.objectContaining({ code: 'LOG_TOO_MANY_FILES', retriable: true, cause }))
  for (const pin of pins) pin.release()
  open.read('e')
  open.closeAll()
  expect(files.openHandles).toBe(0)
})

test('other errors of the system are passed on, and a limit below one is refused', () => {
  const open = new OpenFiles(new Limited())
  expect(() => open.read('no')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  expect(open.size).toBe(0)
  expect(() => new OpenFiles(new Limited(), { maxOpen: 0 })).toThrow(RangeError)
})
