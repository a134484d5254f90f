/*
 * The index of streams on disk, as of one offset: what is behind it is read from the log again. Disposable: missing, damaged, of another
 * history or of another machine's byte order, it only makes the next open look at more of the log. Spec: docs/format.md#events.
 */
import { type FileSystem } from '../files/file-system.ts'
import { readFileSync, writeFileAtomically } from '../files/write-fully.ts'
import { decodeSideFile, encodeSideFile } from '../format/side-file.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type StreamIndex } from './stream-index.ts'

/** Name of the file in the folder of the partition. */
export const CHECKPOINT_FILE = 'events-index'

const KIND = 'EVIX'
const VERSION = { major: 1, minor: 0 }
const MAX_BYTES = 0x7fff_ffff
const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** What the file says of what follows in it. */
interface Contents {
  readonly little: boolean
  /** Everything below `offset`, in the history in which this epoch wrote it, is in the index. */
  readonly epoch: number
  readonly offset: number
  readonly count: number
  /** Of the hash of streams, and of that of ids where `keyed` says so. */
  readonly keys: readonly [number, number]
  readonly keyed: boolean
  readonly sizes: readonly number[]
  readonly kept: readonly (readonly [number, number])[]
  /** Where the segment that was written begins, and from where on the last part has its places. */
  readonly growing?: readonly [number, number]
}

/** The checkpoint of one index. */
export class CheckpointFile {
  readonly #files: FileSystem
  readonly #path: string
  readonly #index: StreamIndex
  readonly #log: PartitionLog
  #writing: Promise<void> | undefined
  /** Offset of the one on disk; −1 for none. */
  #stored = -1

  constructor(files: FileSystem, folder: string, index: StreamIndex, log: PartitionLog) {
    this.#files = files
    this.#path = files.join(folder, CHECKPOINT_FILE)
    this.#index = index
    this.#log = log
  }

  /** Fills the index from the file, if there is one that is of this log. */
  load(): void {
    try {
      const bytes = readFileSync(this.#files, this.#path, MAX_BYTES)
      if (bytes !== undefined) this.#take(decodeSideFile(bytes, KIND, VERSION, this.#path).payload)
    } catch {
      // It only costs time that it cannot be read, whatever the reason.
    }
  }

  /**
   * Writes the file, when there is something new to say. It speaks of what is acknowledged: should a power cut take some of that, a new epoch
   * begins there, and the file is not believed.
   *
   * @param closing  nobody appends any more: what was appended is stored before
   */
  async write(closing: boolean): Promise<void> {
    if (!this.#files.durable) return
    while (this.#writing !== undefined) await this.#writing
    const writing = this.#write(closing)
    this.#writing = writing.finally(() => { this.#writing = undefined })
    return this.#writing
  }

  async #write(closing: boolean): Promise<void> {
    const log = this.#log
    const index = this.#index
    if (log.state !== 'open' || (closing && index.indexed === this.#stored)) return
    try {
      if (closing) await log.flush()
      const { offset, bytes } = index.withoutPending(() => ({ offset: index.indexed, bytes: this.#encode() }))
      index.bytesSinceCheckpoint = 0
      if (log.state !== 'open' || index.stale) return
      await writeFileAtomically(this.#files, this.#path, bytes)
      this.#stored = offset
    } catch {
      // Of the log's failures whoever appends is told; without the file the next open looks at more of the log.
    }
  }

  #encode(): Buffer {
    const index = this.#index
    const { count, key0, key1, parts } = index.table.dump()
    const { hashes, offsets } = index.ids.dump()
    const ids = [new Uint8Array(hashes.buffer), new Uint8Array(offsets.buffer)]
    const growing = index.places.dump(index.indexed)
    const all = [...parts, ...ids, ...(growing === undefined ? [] : [new Uint8Array(growing.words.buffer)])]
    const contents: Contents = {
      little: LITTLE, epoch: this.#log.leaderEpoch, offset: index.indexed, count, keys: [key0, key1], keyed: true,
      sizes: all.map(({ length }) => length), kept: [...index.kept],
      ...(growing !== undefined && { growing: [growing.baseOffset, growing.from] }),
    }
    const text = Buffer.from(JSON.stringify(contents))
    const size = Buffer.alloc(4)
    size.writeUInt32BE(text.length)
    // Copied once, while everybody waits: these are tens of megabytes.
    return encodeSideFile(KIND, VERSION, size, text, ...all)
  }

  #take(payload: Buffer): void {
    const textEnd = 4 + payload.readUInt32BE(0)
    const { little, epoch, offset, count, keys, keyed, sizes, kept, growing } = JSON.parse(payload.toString('utf8', 4, textEnd)) as Contents
    const log = this.#log
    if (little !== LITTLE || keyed !== true) return
    if (offset > log.highWatermark || log.epochs.divergence({ epoch, offset }, log.nextOffset) < offset) return
    const parts: Buffer[] = []
    let at = textEnd
    for (const size of sizes) parts.push(payload.subarray(at, at += size))
    const places = growing === undefined ? undefined : parts.pop()!
    const [hashes, offsets] = parts.splice(-2)
    const index = this.#index
    if (at !== payload.length || !index.table.load({ count, key0: keys[0], key1: keys[1], parts })) return
    index.ids.useKey(keys)
    const ids = hashes!.length / 4
    for (let number = 0; number < ids; number++) index.ids.add(hashes!.readUInt32LE(number * 4), offsets!.readDoubleLE(number * 8))
    for (const [slot, version] of kept) index.kept.set(slot, version)
    index.indexed = offset
    if (growing === undefined) index.places.clear(offset)
    else index.places.load({ baseOffset: growing[0], from: growing[1], words: new Float64Array(Uint8Array.from(places!).buffer) })
    this.#stored = offset
  }
}
