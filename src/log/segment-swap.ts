/*
 * Puts a cleaned segment in the place of those that it was made of, in steps that a crash may end anywhere: as in Kafka's LocalLog.
 *
 *   `.cleaned` are durable, names included     undone by the next open
 *   → `.swap`, and the folder is synced        from here on finished by the next open
 *   old files → `.deleted`, synced             none of them comes back beside the new one; first the logs
 *   `.swap` → plain names, synced              first the log
 *
 * Runs while nothing else changes the log (Writer.exclusively). What fails after the second step is half done and goes forward only: the
 * partition is fenced, and whoever reopens it calls `finish` first.
 */
import { type Segment } from './segment.ts'
import { segmentFiles } from './segment-files.ts'
import { snapshotFileName } from '../format/names.ts'
import { CleanedSegment, suffixed } from './cleaned-segment.ts'
import { type LogEnvironment } from './environment.ts'
import { type Segments } from './segments.ts'
import { type Tail } from './tail.ts'

/** What a swap changes. */
export interface SwapParts {
  readonly env: LogEnvironment
  readonly folder: string
  readonly segments: Segments
  readonly tail: Tail
}

const kinds = ['log', 'index', 'timeIndex', 'txnIndex'] as const

/** One swap. */
export class SegmentSwap {
  /** Files that mean nothing any more, to be removed by who has the time. */
  readonly deleted: string[] = []
  /** A sync of the folder failed: nobody knows which of the names that were made before it will ever be durable, this swap's or others'. */
  syncFailed = false
  readonly #parts: SwapParts
  readonly #sources: readonly Segment[]
  readonly #cleaned: CleanedSegment
  #steps: (() => void | Promise<void>)[] = []

  constructor(parts: SwapParts, sources: readonly Segment[], cleaned: CleanedSegment) {
    this.#parts = parts
    this.#sources = sources
    this.#cleaned = cleaned
  }

  /** Whether the sources are still what they were, one behind the other in the log. */
  get possible(): boolean {
    const { all } = this.#parts.segments
    const first = all.indexOf(this.#sources[0]!)
    return first >= 0 && first + this.#sources.length < all.length && this.#sources.every((source, number) => all[first + number] === source)
  }

  /** Makes the new segment the one that counts. When it rejects, `takeBack` makes everything as it was. */
  async commit(): Promise<void> {
    const { baseOffset } = this.#cleaned
    const [cleaned, swap] = [suffixed(baseOffset, '.cleaned'), suffixed(baseOffset, '.swap')]
    await this.#syncFolder()
    for (const kind of kinds) if (this.#there(cleaned[kind])) this.#rename(cleaned[kind], swap[kind])
    await this.#syncFolder()
  }

  /**
   * After `commit` rejected: removes what it may have left. Rejects when that is not durable: then nobody can tell which segments count.
   *
   * First all of it is `.cleaned` again, durably: what a power cut leaves on the way is either the whole of the new segment, or has a name
   * that tells that nothing of it counts.
   */
  async takeBack(): Promise<void> {
    const { env, folder } = this.#parts
    const { baseOffset } = this.#cleaned
    const [cleaned, swap] = [suffixed(baseOffset, '.cleaned'), suffixed(baseOffset, '.swap')]
    for (const kind of kinds) this.#rename(swap[kind], cleaned[kind])
    await this.#syncFolder()
    for (const kind of kinds) if (this.#there(cleaned[kind])) env.files.removeSync(env.files.join(folder, cleaned[kind]))
    await this.#syncFolder()
  }

  /** Readers in this process read the new segment from here on; the files of the old ones get out of the way, and it gets its names. */
  async replace(): Promise<void> {
    const { env, segments, tail } = this.#parts
    const { baseOffset } = this.#cleaned
    const [swap, plain] = [suffixed(baseOffset, '.swap'), segmentFiles(baseOffset)]
    const fresh = this.#cleaned.segment(swap)
    const behind = segments.after(this.#sources.at(-1)!)!
    const old = this.#sources.flatMap((source) => source.paths().filter((path) => path !== source.path))
    segments.exchange(this.#sources, fresh)
    tail.forget(behind.baseOffset)
    for (const source of this.#sources) source.release()
    this.#steps = [
      // Logs first: should one of them come back, so must its list of aborted transactions.
      ...this.#sources.map((source) => () => this.#delete(source.path)),
      () => this.#syncFolder(),
      ...old.map((path) => () => this.#delete(path)),
      ...this.#sources.slice(1).map((source) => () => this.#deleteSnapshot(source.baseOffset)),
      () => this.#syncFolder(),
      () => {
        env.openFiles.forget(fresh.path)
        this.#rename(swap.log, plain.log)
        fresh.renamed(plain)
      },
      // As long as the log is called `.swap`, whoever opens the folder takes what has a plain name for what it replaces.
      () => this.#syncFolder(),
      ...kinds.slice(1).map((kind) => () => this.#rename(swap[kind], plain[kind])),
      () => this.#syncFolder(),
    ]
    await this.finish()
  }

  /** Does what is left to do of `replace`. */
  async finish(): Promise<void> {
    for (let step = this.#steps[0]; step !== undefined; step = this.#steps[0]) {
      await step()
      this.#steps.shift()
    }
  }

  #delete(path: string): void {
    const { env } = this.#parts
    env.openFiles.forget(path)
    if (env.files.statSync(path) !== undefined) env.files.renameSync(path, `${path}.deleted`)
    this.deleted.push(`${path}.deleted`)
  }

  #deleteSnapshot(offset: number): void {
    const { env, folder } = this.#parts
    const path = env.files.join(folder, snapshotFileName(offset))
    if (env.files.statSync(path) !== undefined) env.files.removeSync(path)
  }

  #rename(from: string, to: string): void {
    const { files } = this.#parts.env
    if (this.#there(from)) files.renameSync(files.join(this.#parts.folder, from), files.join(this.#parts.folder, to))
  }

  #there(name: string): boolean {
    const { env, folder } = this.#parts
    return env.files.statSync(env.files.join(folder, name)) !== undefined
  }

  async #syncFolder(): Promise<void> {
    const { env, folder } = this.#parts
    if (!env.files.durable) return
    try {
      await env.syncs.run(() => env.files.syncFolder(folder))
    } catch (error) {
      this.syncFailed = true
      throw error
    }
  }
}
