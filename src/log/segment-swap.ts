/*
 * Puts a cleaned segment in the place of those that it was made of, in steps that a crash may end anywhere: as in Kafka's LocalLog.
 *
 *   `.cleaned` are durable, names included     undone by the next open
 *   → `.swap`, and the folder is synced        from here on finished by the next open
 *   old files → `.deleted`, synced             none of them comes back beside the new one; first the logs
 *   `.swap` → plain names, synced              first the log
 *
 * Runs while nothing else changes the log (Writer.exclusively). What fails after the second step is half done and goes forward only: the
 * partition is fenced, and whoever reopens it calls `finish` first. The names of a step whose sync failed are changed once more then: a
 * system may forget what it could not store, and a later sync stores only what was changed since.
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

/** A file gets another name. */
interface Rename {
  readonly from: string
  readonly to: string
  readonly done?: () => void
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
  /** What is left to do of `replace`: names that change, and behind each row of them a sync of the folder. */
  #steps: (readonly Rename[])[] = []

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
    const { files } = this.#parts.env
    const { baseOffset } = this.#cleaned
    const [cleaned, swap] = [suffixed(baseOffset, '.cleaned'), suffixed(baseOffset, '.swap')]
    for (const kind of kinds) this.#rename(swap[kind], cleaned[kind])
    await this.#syncFolder()
    for (const kind of kinds) if (this.#there(cleaned[kind])) files.removeSync(this.#path(cleaned[kind]))
    await this.#syncFolder()
  }

  /** Readers in this process read the new segment from here on; the files of the old ones get out of the way, and it gets its names. */
  async replace(): Promise<void> {
    const { segments, tail } = this.#parts
    const [swap, plain] = [suffixed(this.#cleaned.baseOffset, '.swap'), segmentFiles(this.#cleaned.baseOffset)]
    const fresh = this.#cleaned.segment(swap)
    const behind = segments.after(this.#sources.at(-1)!)!
    const old = this.#sources.flatMap((source) => source.paths().filter((path) => path !== source.path))
    const snapshots = this.#sources.slice(1).map(({ baseOffset }) => snapshotFileName(baseOffset)).filter((name) => this.#there(name))
    const others = kinds.slice(1).filter((kind) => this.#there(swap[kind]))
    segments.exchange(this.#sources, fresh)
    tail.forget(behind.baseOffset)
    for (const source of this.#sources) source.release()
    this.#steps = [
      // Logs first: should one of them come back, so must its list of aborted transactions.
      this.#sources.map(({ path }) => this.#deletion(path)),
      [...old, ...snapshots.map((name) => this.#path(name))].map((path) => this.#deletion(path)),
      // As long as the log is called `.swap`, whoever opens the folder takes what has a plain name for what it replaces.
      [{ from: fresh.path, to: this.#path(plain.log), done: () => fresh.renamed(plain) }],
      others.map((kind) => ({ from: this.#path(swap[kind]), to: this.#path(plain[kind]) })),
    ]
    await this.finish()
  }

  /** Does what is left to do of `replace`. */
  async finish(): Promise<void> {
    for (let step = this.#steps[0]; step !== undefined; step = this.#steps[0]) {
      for (const rename of step) this.#change(rename)
      await this.#syncFolder()
      this.#steps.shift()
    }
  }

  #deletion(path: string): Rename {
    const deleted = `${path}.deleted`
    this.deleted.push(deleted)
    return { from: path, to: deleted }
  }

  /** One that was done before is done again: its sync failed. */
  #change({ from, to, done }: Rename): void {
    const { files, openFiles } = this.#parts.env
    openFiles.forget(from)
    if (files.statSync(from) === undefined) files.renameSync(to, from)
    files.renameSync(from, to)
    done?.()
  }

  #rename(from: string, to: string): void {
    if (this.#there(from)) this.#parts.env.files.renameSync(this.#path(from), this.#path(to))
  }

  #there(name: string): boolean {
    return this.#parts.env.files.statSync(this.#path(name)) !== undefined
  }

  #path(name: string): string {
    return this.#parts.env.files.join(this.#parts.folder, name)
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
