/*
 * Whether the disk has room for more appends. Below the reserve (`minFreeBytes`) users are refused before the system refuses us, so that
 * what must still be written, markers, commits and checkpoints, finds a place. A full disk is a state, not a failure: it is left as soon
 * as there is room.
 */
import { type Clock } from '../base/clock.ts'
import { type FileSystem } from '../files/file-system.ts'

/** Bytes written after which the system is asked again, at the latest. */
const ASK_EVERY_BYTES = 8 * 1024 * 1024
/** While room is short the system is asked at most that often. */
const ASK_EVERY_MS = 100

/** The room on the disk of one log. */
export class DiskRoom {
  readonly #files: FileSystem
  readonly #folder: string
  readonly #clock: Clock
  readonly #minFreeBytes: number
  /** A part of the reserve, so that most of it is left when the next answer comes. */
  readonly #askEveryBytes: number
  #unasked = Infinity
  #short = false
  #askedAt = -Infinity

  constructor(files: FileSystem, folder: string, clock: Clock, minFreeBytes: number) {
    this.#files = files
    this.#folder = folder
    this.#clock = clock
    this.#minFreeBytes = minFreeBytes
    this.#askEveryBytes = Math.min(ASK_EVERY_BYTES, minFreeBytes / 4)
  }

  /** Notes that bytes were written. */
  wrote(bytes: number): void {
    this.#unasked += bytes
  }

  /** The system said that the disk is full. */
  noteFull(): void {
    this.#short = this.#minFreeBytes > 0
    this.#askedAt = this.#clock.monotonic()
  }

  /** Whether users are to be refused. Asks the system now and then. */
  get short(): boolean {
    if (this.#minFreeBytes <= 0) return false
    if (this.#short ? this.#clock.monotonic() - this.#askedAt < ASK_EVERY_MS : this.#unasked < this.#askEveryBytes) return this.#short
    this.#unasked = 0
    this.#askedAt = this.#clock.monotonic()
    this.#short = this.#freeBytes() < this.#minFreeBytes
    return this.#short
  }

  /** What cannot be told refuses nobody: a write will find out. */
  #freeBytes(): number {
    try {
      return this.#files.freeBytesSync(this.#folder)
    } catch {
      return Infinity
    }
  }
}
