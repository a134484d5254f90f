/*
 * Whole writes, whole reads and whole files on top of the verbs of a FileSystem, which may do a part of what they are asked. A write
 * that meets a full disk first returns a short count; only the next one says ENOSPC.
 */
import { LogError } from '../base/errors.ts'
import { type FileHandle, type FileSystem } from './file-system.ts'
import { systemError } from './system-error.ts'

const PIECE_BYTES = 1024 * 1024

/**
 * Writes `buffer[from, to)` at `position`, in as many calls as it takes.
 *
 * When it throws, a part may have been written: the caller cuts the file back to what it knows. The error is the system's, so of a
 * short count the reason (ENOSPC, EIO) and not the count.
 */
export function writeFullySync(file: FileHandle, buffer: Uint8Array, from: number, to: number, position: number): void {
  for (let done = from; done < to; ) done += progress(file, file.writeSync(buffer, done, to - done, position + done - from))
}

/** As {@link writeFullySync}, without holding the event loop. The bytes must not change until it ends. */
export async function writeFully(file: FileHandle, buffer: Uint8Array, from: number, to: number, position: number): Promise<void> {
  for (let done = from; done < to; ) done += progress(file, await file.write(buffer, done, to - done, position + done - from))
}

/** Fills `buffer[from, to)` from `position`; gives how many bytes there were, fewer only at the end of the file. */
export function readFullySync(file: FileHandle, buffer: Uint8Array, from: number, to: number, position: number): number {
  let done = from
  while (done < to) {
    const count = file.readSync(buffer, done, to - done, position + done - from)
    if (count === 0) break
    done += count
  }
  return done - from
}

/** As {@link readFullySync}, without holding the event loop. */
export async function readFully(file: FileHandle, buffer: Uint8Array, from: number, to: number, position: number): Promise<number> {
  let done = from
  while (done < to) {
    const count = await file.read(buffer, done, to - done, position + done - from)
    if (count === 0) break
    done += count
  }
  return done - from
}

/** What a file holds in [from, to), or up to its end, in pieces of at most a MiB that lie in the same memory, one after the other. */
export function* piecesOf(file: FileHandle, from: number, to: number): Generator<Buffer, void> {
  const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(0, to - from)))
  for (let position = from; position < to; ) {
    const count = readFullySync(file, buffer, 0, Math.min(buffer.length, to - position), position)
    if (count === 0) return
    yield buffer.subarray(0, count)
    position += count
  }
}

/**
 * Gives the bytes of a small file, or undefined when there is no such file.
 *
 * @throws LogError `LOG_FILE_CORRUPT` when it is longer than `maxBytes`: nobody is made to hold what a damaged length claims
 */
export function readFileSync(files: FileSystem, path: string, maxBytes: number): Buffer | undefined {
  if (files.statSync(path) === undefined) return undefined
  const file = files.openSync(path, 'read')
  try {
    const size = file.sizeSync()
    if (size > maxBytes) throw new LogError('LOG_FILE_CORRUPT', `${path} has ${size} bytes, more than ${maxBytes}`, { path, size, maxBytes })
    const bytes = Buffer.allocUnsafe(size)
    return bytes.subarray(0, readFullySync(file, bytes, 0, size, 0))
  } finally {
    file.closeSync()
  }
}

/**
 * Replaces a file in one step: after a crash at any moment there is the old one or the new one, whole. Durable when it resolves.
 *
 * Goes through `<path>.tmp`, so one call per path at a time. When it rejects, the old file or the new one is there.
 *
 * @param bytes  the whole, or its pieces in order, each of which is asked for when the one before is written; they must not change meanwhile
 */
export async function writeFileAtomically(files: FileSystem, path: string, bytes: Uint8Array | Iterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.tmp`
  if (files.statSync(temporary) !== undefined) files.removeSync(temporary)       // left by a crash
  try {
    await writeNewFile(files, temporary, bytes instanceof Uint8Array ? [bytes] : bytes)
    files.renameSync(temporary, path)
  } catch (error) {
    removeIfThere(files, temporary)
    throw error
  }
  if (files.durable) await files.syncFolder(folderOf(files, path))
}

/** Makes a file that must not be there yet and syncs it, but not its folder. When it rejects, a part of the file may be there. */
export async function writeNewFile(files: FileSystem, path: string, pieces: Iterable<Uint8Array>): Promise<void> {
  const file = files.openSync(path, 'create')
  try {
    let position = 0
    for (const bytes of pieces) {
      // Much at once takes long even where it goes into memory only: nobody is to wait for it.
      if (bytes.length > PIECE_BYTES) await writeFully(file, bytes, 0, bytes.length, position)
      else writeFullySync(file, bytes, 0, bytes.length, position)
      position += bytes.length
    }
    if (files.durable) await file.sync()
  } finally {
    file.closeSync()
  }
}

/** Creates a folder and those above it, durably: the entries of all that were created, and always that of the folder itself. */
export async function createFolderDurably(files: FileSystem, folder: string): Promise<void> {
  const parents = [folderOf(files, folder)]
  for (let above = parents[0]!; files.statSync(above) === undefined; ) parents.push((above = folderOf(files, above)))
  files.createFolderSync(folder)
  if (files.durable) for (const parent of parents) await files.syncFolder(parent)
}

/** The folder that holds the entry of `path`. */
export function folderOf(files: FileSystem, path: string): string {
  return files.join(path, '..')
}

function progress(file: FileHandle, count: number): number {
  if (count === 0) throw systemError('EIO', 'write', file.path)       // no system says this of a file; without it the loop would not end
  return count
}

function removeIfThere(files: FileSystem, path: string): void {
  try {
    files.removeSync(path)
  } catch {
    // Already renamed, never created, or the disk is gone: the error that led here says more.
  }
}
