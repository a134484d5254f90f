/*
 * The sealed segments of one partition that are not certainly durable yet, oldest first. A round with durability 'sync' syncs them with its
 * own segment; else they are synced one after the other behind the back of the appends, so that what a power cut can touch stays small,
 * and a flush short.
 */
import { type LogEnvironment } from './environment.ts'
import { type Segment } from './segment.ts'

/** Sealed segments on their way to the disk. */
export class SealedSegments {
  readonly #env: LogEnvironment
  readonly #folder: string
  #segments: Segment[] = []
  /** Syncs of `.log` files that were begun before it was their turn. */
  readonly #begun = new Map<Segment, Promise<void>>()

  constructor(env: LogEnvironment, folder: string) {
    this.#env = env
    this.#folder = folder
  }

  get all(): readonly Segment[] {
    return this.#segments
  }

  /** A segment that was sealed just now, behind those before it. */
  add(segment: Segment): void {
    this.#segments.push(segment)
  }

  /** The syncs of all of them. Once the mark has moved past a segment, recovery takes its indexes as they are: they are among it. */
  syncs(): Promise<void>[] {
    return [
      ...this.#segments.map((segment) => this.#env.syncs.run(() => segment.handle.sync())),
      ...this.#segments.map((segment) => segment.syncIndexes()),
    ]
  }

  /** These are durable. */
  stored(segments: readonly Segment[]): void {
    for (const segment of segments) segment.release()
    this.#segments = this.#segments.filter((segment) => !segments.includes(segment))
  }

  /**
   * Begins syncs as far as there are places: a loop of appends that never lets the event loop turn does not see one end, so the next must
   * have begun before.
   */
  begin(): void {
    for (const segment of this.#segments) if (this.#env.syncs.hasSpare) this.#begin(segment)
  }

  /** Makes the oldest durable, with all that it stands on, and gives it. */
  async syncOldest(): Promise<Segment> {
    const segment = this.#segments[0]!
    this.begin()
    await this.#begin(segment)
    await segment.syncIndexes()
    // Always: index files may have been made after the segment's own entry was synced.
    await this.#env.syncs.run(() => this.#env.files.syncFolder(this.#folder))
    segment.entrySynced = true
    this.#begun.delete(segment)
    this.stored([segment])
    return segment
  }

  /** Waits until no sync of theirs uses a file any more, however it ends. */
  async settle(): Promise<void> {
    if (this.#begun.size > 0) await Promise.allSettled(this.#begun.values())
    this.#begun.clear()
  }

  /** Forgets them, but for the handle of `kept`, which is active again. */
  clear(kept?: Segment): void {
    for (const segment of this.#segments) if (segment !== kept) segment.release()
    this.#segments = []
  }

  /** The sync of a `.log` file. Its failure is told when it is that segment's turn. */
  #begin(segment: Segment): Promise<void> {
    let sync = this.#begun.get(segment)
    if (sync === undefined) {
      sync = this.#env.syncs.run(() => segment.handle.sync())
      sync.catch(() => {})
      this.#begun.set(segment, sync)
    }
    return sync
  }
}
