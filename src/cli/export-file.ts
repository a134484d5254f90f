/*
 * The file that an export goes to: lines that gather and are written without holding the event loop, and what an interrupted export left of
 * such a file, up to its last whole line. Nothing here knows what the lines say.
 */
import { dirname, resolve } from 'node:path'
import { diskFileSystem } from '../files/disk.ts'
import { type FileHandle } from '../files/file-system.ts'
import { readFullySync, writeFully } from '../files/write-fully.ts'

/** Characters that gather before they are written. */
const WRITE_AT = 256 * 1024
const LOOK_BACK = 64 * 1024
const PART_BYTES = 1024
const NEWLINE = 0x0a

/** A file of lines that grows. */
export class LineFile {
  /** The last whole line that was there before; undefined when there was none. */
  readonly last: Buffer | undefined
  /** What stands behind it, at most the first kilobyte: a part of a line, where an export was interrupted. */
  readonly part: Buffer
  readonly path: string
  readonly #file: FileHandle
  #size: number
  #text = ''

  private constructor(path: string, file: FileHandle, { size, last, part }: Pick<LineFile, 'size' | 'last' | 'part'>) {
    this.path = path
    this.#file = file
    this.#size = size
    this.last = last
    this.part = part
  }

  /** Makes the file. EEXIST when it is there. */
  static create(path: string): LineFile {
    return new LineFile(path, diskFileSystem.openSync(path, 'create'), { size: 0, last: undefined, part: Buffer.alloc(0) })
  }

  /** Goes on with a file, or makes it. What stands behind its last whole line goes when the first new line is written, or with `finish`. */
  static resume(path: string): LineFile {
    if (diskFileSystem.statSync(path) === undefined) return LineFile.create(path)
    const file = diskFileSystem.openSync(path, 'write')
    try {
      const end = newlineBefore(file, file.sizeSync()) + 1
      const part = readFrom(file, end, PART_BYTES)
      if (end === 0) return new LineFile(path, file, { size: 0, last: undefined, part })
      const start = newlineBefore(file, end - 1) + 1
      return new LineFile(path, file, { size: end, last: readFrom(file, start, end - 1 - start), part })
    } catch (error) {
      file.closeSync()
      throw error
    }
  }

  /** Bytes of whole lines that are there or gather. */
  get size(): number {
    return this.#size + Buffer.byteLength(this.#text)
  }

  /** Adds a line. Gives a promise now and then: wait for it before the next. */
  print(line: string): Promise<void> | undefined {
    this.#text += `${line}\n`
    return this.#text.length < WRITE_AT ? undefined : this.#write()
  }

  /** Writes what gathered and makes all of it durable. */
  async finish(): Promise<void> {
    await this.#write()
    await this.#file.sync()
    await diskFileSystem.syncFolder(dirname(resolve(this.path)))
  }

  close(): void {
    this.#file.closeSync()
  }

  /** Writes what gathered. A part of a line is left behind only by a crash or a full disk. */
  async #write(): Promise<void> {
    const bytes = Buffer.from(this.#text)
    this.#text = ''
    if (this.#file.sizeSync() !== this.#size) this.#file.truncateSync(this.#size)
    await writeFully(this.#file, bytes, 0, bytes.length, this.#size)
    this.#size += bytes.length
  }
}

/** As many bytes as there are, at most `count`. */
function readFrom(file: FileHandle, position: number, count: number): Buffer {
  const piece = Buffer.alloc(count)
  return piece.subarray(0, readFullySync(file, piece, 0, count, position))
}

/** Where the last newline before `end` is; −1 when there is none. */
function newlineBefore(file: FileHandle, end: number): number {
  const piece = Buffer.alloc(LOOK_BACK)
  for (let to = end; to > 0; to -= LOOK_BACK) {
    const from = Math.max(0, to - LOOK_BACK)
    const count = readFullySync(file, piece, 0, to - from, from)
    const at = piece.subarray(0, count).lastIndexOf(NEWLINE)
    if (at >= 0) return from + at
  }
  return -1
}
