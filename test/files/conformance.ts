/*
 * What every FileSystem must do, as tests: run over the real disk, memory and the simulated disk. Not a test file by itself.
 */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FileHandle, type FileSystem } from '../../src/files/file-system.ts'
import {
  createFolderDurably, readFileSync, readFully, readFullySync, writeFileAtomically, writeFully, writeFullySync,
} from '../../src/files/write-fully.ts'

/** A file system to test and an empty folder in it. */
export interface Place {
  readonly files: FileSystem
  readonly folder: string
  /** Removes what was made, and fails when something was left open. */
  leave(): Promise<void> | void
}

/** Runs the suite over the places that `enter` makes. */
export function fileSystemSuite(name: string, enter: () => Promise<Place> | Place): void {
  describe(name, () => {
    let place: Place
    let files: FileSystem
    const at = (...parts: string[]): string => files.join(place.folder, ...parts)
    const put = (name: string, text: string): string => {
      const file = files.openSync(at(name), 'create')
      writeFullySync(file, Buffer.from(text), 0, Buffer.byteLength(text), 0)
      file.closeSync()
      return at(name)
    }
    const text = (path: string): string | undefined => readFileSync(files, path, 1 << 20)?.toString()

    beforeEach(async () => {
      place = await enter()
      files = place.files
    })
    afterEach(() => place.leave())

    test('what was written is read back, in part and past the end', async () => {
      const file = files.openSync(at('a'), 'create')
      expect(file.path).toBe(at('a'))
      expect(file.writeSync(Buffer.from('xhellox'), 1, 5, 0)).toBe(5)
      expect(file.sizeSync()).toBe(5)
      const buffer = Buffer.alloc(8, '.')
      expect(file.readSync(buffer, 1, 3, 1)).toBe(3)
      expect(buffer.toString()).toBe('.ell....')
      expect(file.readSync(buffer, 0, 8, 3)).toBe(2)
      expect(file.readSync(buffer, 0, 8, 5)).toBe(0)
      expect(file.readSync(buffer, 0, 8, 500)).toBe(0)
      expect(await file.write(Buffer.from('YZ'), 0, 2, 4)).toBe(2)
      expect(await file.read(buffer, 0, 8, 0)).toBe(6)
      expect(buffer.toString()).toBe('hellYZ..')
      await file.sync()
      await files.sync([file, file])
      await files.syncFolder(place.folder)
      file.closeSync()
    })

    test('a hole reads as zeros, and what was cut off does not come back', () => {
      const file = files.openSync(at('a'), 'create')
      writeFullySync(file, Buffer.from('ab'), 0, 2, 200_000)
      file.truncateSync(200_001)
      file.truncateSync(300_000)
      expect(file.sizeSync()).toBe(300_000)
      const buffer = Buffer.alloc(300_001, 1)
      expect(readFullySync(file, buffer, 0, 300_001, 0)).toBe(300_000)
      expect(buffer.subarray(0, 200_000).every((byte) => byte === 0)).toBe(true)
      expect(buffer[200_000]).toBe(97)
      expect(buffer.subarray(200_001, 300_000).every((byte) => byte === 0)).toBe(true)
      file.closeSync()
    })

    test('any writes and truncations give the bytes that an array would hold', async () => {
      let count = 0
      const position = fc.oneof(fc.nat(600), fc.integer({ min: 65_000, max: 66_000 }), fc.nat(140_000))
      const step = fc.oneof(
        fc.record({ position, bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }) }),
        fc.record({ position, bytes: fc.integer({ min: 60_000, max: 70_000 }).map((length) => new Uint8Array(length).fill(length & 0xff)) }),
        fc.record({ size: position }),
      )
      await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const file = files.openSync(at(`random-${count++}`), 'create')
        const model = Buffer.alloc(220_000)
        let size = 0
        for (const step of steps) {
          if ('size' in step) {
            file.truncateSync(step.size)
            model.fill(0, Math.min(size, step.size))
            size = step.size
          } else {
            await writeFully(file, step.bytes, 0, step.bytes.length, step.position)
            model.set(step.bytes, step.position)
            size = Math.max(size, step.position + step.bytes.length)
          }
        }
        expect(file.sizeSync()).toBe(size)
        const buffer = Buffer.alloc(size)
        expect(await readFully(file, buffer, 0, size, 0)).toBe(size)
        expect(buffer.equals(model.subarray(0, size))).toBe(true)
        file.closeSync()
      }), { numRuns: 40 })
    })

    test('files open only as they are: missing, there already, read-only, closed', () => {
      expect(() => files.openSync(at('a'), 'read')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
      expect(() => files.openSync(at('a'), 'write')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
      expect(() => files.openSync(at('no', 'a'), 'create')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
      put('a', 'text')
      expect(() => files.openSync(at('a'), 'create')).toThrow(expect.objectContaining({ code: 'EEXIST' }))
      const file = files.openSync(at('a'), 'read')
      expect(() => file.writeSync(Buffer.from('x'), 0, 1, 0)).toThrow(expect.objectContaining({ code: 'EBADF' }))
      expect(() => file.truncateSync(0)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
      file.closeSync()
      file.closeSync()
      expect(() => file.readSync(Buffer.alloc(1), 0, 1, 0)).toThrow(expect.objectContaining({ code: 'EBADF' }))
      expect(() => file.sizeSync()).toThrow(expect.objectContaining({ code: 'EBADF' }))
      expect(text(at('a'))).toBe('text')
    })

    test('a handle closed while its calls are under way lets them end', async () => {
      put('a', 'text')
      const file = files.openSync(at('a'), 'write')
      const buffer = Buffer.alloc(4)
      const all = Promise.all([file.read(buffer, 0, 4, 0), file.sync()])
      file.closeSync()
      await expect(file.sync()).rejects.toMatchObject({ code: 'EBADF' })
      expect(await all).toEqual([4, undefined])
      expect(buffer.toString()).toBe('text')
    })

    test('stat tells kind, size and time of change, or nothing', () => {
      expect(files.statSync(at('a'))).toBeUndefined()
      put('a', 'text')
      expect(files.statSync(at('a'))).toMatchObject({ kind: 'file', size: 4 })
      expect(files.statSync(at('a'))!.modifiedMs).toBeGreaterThanOrEqual(0)
      expect(files.statSync(place.folder)).toMatchObject({ kind: 'folder' })
    })

    test('a file is removed without holding the event loop; one that is not there is an error', async () => {
      put('a', 'text')
      await files.removeFile(at('a'))
      expect(files.statSync(at('a'))).toBeUndefined()
      await expect(files.removeFile(at('a'))).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('a file has an identity that stays with it when its name changes, and that no file in its place has', () => {
      put('a', 'text')
      const file = files.openSync(at('a'), 'read')
      const { identity } = files.statSync(at('a'))!
      expect(file.identitySync()).toBe(identity)
      files.renameSync(at('a'), at('b'))
      put('a', 'text')
      expect([file.identitySync(), files.statSync(at('b'))!.identity]).toEqual([identity, identity])
      expect(files.statSync(at('a'))!.identity).not.toBe(identity)
      file.closeSync()
    })

    test('names are listed in the order of their code units, whatever they are', () => {
      for (const name of ['ä ö', '10', '9', 'Z', 'a', '日本']) put(name, '')
      expect(files.listSync(place.folder)).toEqual(['10', '9', 'Z', 'a', 'ä ö', '日本'])
      expect(() => files.listSync(at('no'))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    })

    test('folders are created with those above, twice without an error, and not over a file', async () => {
      files.createFolderSync(at('x', 'y', 'z'))
      files.createFolderSync(at('x', 'y', 'z'))
      await createFolderDurably(files, at('x', 'v', 'w'))
      await createFolderDurably(files, at('x', 'v', 'w'))
      expect(files.listSync(at('x'))).toEqual(['v', 'y'])
      put('a', '')
      expect(() => files.createFolderSync(at('a'))).toThrow(expect.objectContaining({ code: 'EEXIST' }))
    })

    test('a rename replaces a file in one step, and its open handle stays with it', () => {
      put('a', 'old a')
      put('b', 'old b')
      const file = files.openSync(at('a'), 'read')
      files.renameSync(at('a'), at('b'))
      expect(files.listSync(place.folder)).toEqual(['b'])
      expect(text(at('b'))).toBe('old a')
      const buffer = Buffer.alloc(5)
      file.readSync(buffer, 0, 5, 0)
      expect(buffer.toString()).toBe('old a')
      file.closeSync()
      expect(() => files.renameSync(at('no'), at('b'))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
      expect(() => files.renameSync(at('b'), at('no', 'b'))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    })

    test('folders are renamed with what they hold, but not over a folder that holds something, nor into themselves', () => {
      files.createFolderSync(at('x'))
      put('x/a', 'text')
      files.renameSync(at('x'), at('y'))
      expect(text(at('y', 'a'))).toBe('text')
      files.createFolderSync(at('z', 'inner'))
      expect(() => files.renameSync(at('y'), at('z'))).toThrow(expect.objectContaining({ code: 'ENOTEMPTY' }))
      expect(() => files.renameSync(at('z'), at('z', 'inner', 'z'))).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    })

    test('a removed file is gone, and stays readable for who has it open', () => {
      put('a', 'text')
      const file = files.openSync(at('a'), 'write')
      files.removeSync(at('a'))
      expect(files.statSync(at('a'))).toBeUndefined()
      expect(() => files.removeSync(at('a'))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
      const buffer = Buffer.alloc(4)
      expect(file.readSync(buffer, 0, 4, 0)).toBe(4)
      expect(file.writeSync(Buffer.from('more'), 0, 4, 4)).toBe(4)
      file.closeSync()
      put('a', 'new')
      expect(text(at('a'))).toBe('new')
    })

    test('free bytes are a number above zero', () => {
      expect(files.freeBytesSync(place.folder)).toBeGreaterThan(0)
      expect(() => files.freeBytesSync(at('no'))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    })

    test('files and whole folders are copied and moved, never over something, and removed', async () => {
      files.createFolderSync(at('x', 'inner'))
      put('x/a', 'a')
      put('x/inner/b', 'b')
      await files.copy(at('x'), at('new', 'copy'))
      expect(text(at('new', 'copy', 'inner', 'b'))).toBe('b')
      await files.copy(at('x', 'a'), at('c'))
      expect(text(at('c'))).toBe('a')
      await files.move(at('x'), at('deep', 'er', 'moved'))
      expect(files.statSync(at('x'))).toBeUndefined()
      expect(text(at('deep', 'er', 'moved', 'a'))).toBe('a')
      await expect(files.copy(at('c'), at('new'))).rejects.toMatchObject({ code: 'EEXIST' })
      await expect(files.move(at('c'), at('new'))).rejects.toMatchObject({ code: 'EEXIST' })
      await expect(files.copy(at('no'), at('d'))).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(files.move(at('no'), at('d'))).rejects.toMatchObject({ code: 'ENOENT' })
      await files.remove(at('new'))
      await files.remove(at('new'))
      await files.remove(at('c'))
      expect(files.listSync(place.folder)).toEqual(['deep'])
    })

    test('the folder has one holder at a time, and the next one gets it when it is released', async () => {
      const first = await files.lock(place.folder)
      expect(first.confirmed).toBe(true)
      expect(await first.confirm()).toBe(true)
      await expect(files.lock(place.folder)).rejects.toMatchObject({ code: 'LOG_LOCKED', detail: { pid: process.pid, host: first.holder.host } })
      const second = files.lock(place.folder, { waitMs: 60_000 })
      await first.release()
      await first.release()
      expect((await second).holder.token).not.toBe(first.holder.token)
      expect(first.confirmed).toBe(false)
      expect(await first.confirm()).toBe(false)
      const abort = new AbortController()
      const third = files.lock(place.folder, { waitMs: 60_000, signal: abort.signal })
      abort.abort(new Error('enough'))
      await expect(third).rejects.toThrow('enough')
      await (await second).release()
    })

    test('a watched folder tells of changes until the watch ends', async () => {
      const put2 = (): void => void put('a', 'text')
      const changed = new Promise<void>((resolve) => {
        const end = files.watch(place.folder, () => {
          end()
          resolve()
        })
      })
      put2()
      await changed
    })

    test('a file is replaced whole, also over what a crash left beside it', async () => {
      put('a.tmp', 'left by a crash')
      await writeFileAtomically(files, at('a'), Buffer.from('one'))
      await writeFileAtomically(files, at('a'), Buffer.from('two'))
      expect(text(at('a'))).toBe('two')
      expect(files.listSync(place.folder)).toEqual(['a'])
      await expect(writeFileAtomically(files, at('no', 'a'), Buffer.from('x'))).rejects.toMatchObject({ code: 'ENOENT' })
      expect(text(at('b'))).toBeUndefined()
      expect(() => readFileSync(files, at('a'), 2)).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' }))
    })

    test('writes and reads that are done in parts are done in full', async () => {
      put('a', '')
      const file = inParts(files.openSync(at('a'), 'write'), 3)
      const bytes = Buffer.from('..0123456789..')
      writeFullySync(file, bytes, 2, 12, 0)
      await writeFully(file, bytes, 2, 12, 10)
      const buffer = Buffer.alloc(30, '.')
      expect(readFullySync(file, buffer, 1, 21, 0)).toBe(20)
      expect(buffer.toString()).toBe('.01234567890123456789.........')
      expect(await readFully(file, buffer, 0, 30, 5)).toBe(15)
      file.closeSync()
    })
  })
}

/** A handle that reads and writes at most `most` bytes in one call. */
function inParts(file: FileHandle, most: number): FileHandle {
  return {
    path: file.path,
    readSync: (buffer, at, length, position) => file.readSync(buffer, at, Math.min(most, length), position),
    read: (buffer, at, length, position) => file.read(buffer, at, Math.min(most, length), position),
    writeSync: (buffer, at, length, position) => file.writeSync(buffer, at, Math.min(most, length), position),
    write: (buffer, at, length, position) => file.write(buffer, at, Math.min(most, length), position),
    truncateSync: (size) => file.truncateSync(size),
    sizeSync: () => file.sizeSync(),
    identitySync: () => file.identitySync(),
    sync: () => file.sync(),
    closeSync: () => file.closeSync(),
  }
}
