/*
 * How the sealed batches of one partition get to disk: in rounds. A round writes what has gathered, syncs the file once, and then all of it is
 * stored (docs/design, "rounds"). While its sync runs the file is not touched; appends gather for the next round. With the relaxed
 * durabilities a round is a write alone and needs no turn of the event loop.
 *
 * What is appended, and who hears that it is stored or lost, is the business of writer.ts.
 */
import { allDone } from '../base/all-done.ts'
import { type Timer } from '../base/clock.ts'
import { LogError } from '../base/errors.ts'
import { systemCode } from '../files/system-error.ts'
import { BatchQueue } from './batch-queue.ts'
import { type LogConfig } from './config.ts'
import { type LogEnvironment } from './environment.ts'
import { type ProducerState } from './producer-state.ts'
import { type AppendWatcher } from './record-group.ts'
import { RoomAhead } from './room-ahead.ts'
import { RoundSchedule } from './round-schedule.ts'
import { SealedSegments } from './sealed-segments.ts'
import { Segment } from './segment.ts'
import { type Segments } from './segments.ts'
import { type Standing } from './standing.ts'
import { type TailBatch } from './tail.ts'
import { type Watermarks } from './watermarks.ts'

/** A synchronous loop of appends writes when so much has gathered. */
const WRITE_BYTES = 1024 * 1024
/** A round takes no more than this, so that its promises do not wait for megabytes behind them. */
const ROUND_BYTES = 8 * 1024 * 1024
/** Index entries in memory before they are written. */
const PENDING_INDEX_BYTES = 1024
/** Rounds that wait for the disk write what there is of them after so much log: an open after a crash looks through what has no entry. */
const UNINDEXED_BYTES = 1024 * 1024

/** What the rounds of a partition work on. */
export interface RoundParts {
  readonly env: LogEnvironment
  readonly config: LogConfig
  readonly folder: string
  readonly segments: Segments
  readonly producers: ProducerState
  /** Takes a snapshot of the producers, for a segment that begins at `offset`. */
  readonly snapshot: (offset: number) => void
  /** Who follows what becomes of appends. */
  readonly watcher: () => AppendWatcher | undefined
}

/** The writer, as its rounds see it. */
export interface RoundOwner {
  /** Whether a batch is open. */
  readonly isBatchOpen: () => boolean
  /** Seals the open batch and puts it into the queue: the round takes it along. */
  readonly seal: () => void
  /** Everything below `end` is stored as its durability asks. False when that could not be made known. */
  readonly stored: (end: number) => boolean
  /** The disk has no room for what is behind the end of the active segment. */
  readonly full: (cause: unknown) => void
}

/** The rounds of one partition. */
export class Rounds {
  readonly schedule: RoundSchedule
  readonly #parts: RoundParts
  readonly #standing: Standing
  readonly #watermarks: Watermarks
  readonly #owner: RoundOwner
  readonly #queue = new BatchQueue()
  readonly #ahead: RoomAhead
  readonly #sealed: SealedSegments
  #synchronous: boolean
  #busy: Promise<void> | undefined
  #backgroundSync: Promise<void> | undefined
  #interval: Timer | undefined
  /** Written and not acknowledged. */
  #writtenBytes = 0
  /** The mark is: slots may be written. */
  #ready = false

  constructor(parts: RoundParts, standing: Standing, watermarks: Watermarks, owner: RoundOwner) {
    this.#parts = parts
    this.#standing = standing
    this.#watermarks = watermarks
    this.#owner = owner
    this.#ahead = new RoomAhead(parts.env, parts.config)
    this.#sealed = new SealedSegments(parts.env, parts.folder)
    this.#synchronous = this.asksForSync
    this.schedule = new RoundSchedule(parts.env.clock, !this.#synchronous, () => this.start())
  }

  /** Whether rounds wait for the disk. */
  get synchronous(): boolean {
    return this.#synchronous
  }

  /** Whether they are to, by the settings. */
  get asksForSync(): boolean {
    return this.#parts.config.durability === 'sync' && this.#parts.env.files.durable
  }

  /** Rounds wait for the disk from now on, or do not. */
  waitForDisk(synchronous: boolean): void {
    this.#synchronous = synchronous
    this.schedule.yieldIf(!synchronous)
  }

  /** The oldest batch that waits to be written. */
  get firstQueued(): TailBatch | undefined {
    return this.#queue.first
  }

  /** Something appended is neither acknowledged nor lost. */
  get unsettled(): boolean {
    return this.#pending || this.#writtenBytes > 0
  }

  /** A sealed batch waits for its round. */
  enqueue(batch: TailBatch): void {
    this.#queue.push(batch)
    this.#parts.env.buffer.take(batch.size)
  }

  /** Writes when much has gathered: a loop that never lets the event loop turn would otherwise only fill memory. */
  relieve(): void {
    if (this.#queue.bytes >= WRITE_BYTES && this.#busy === undefined) this.start()
  }

  /** Starts a round unless one runs, which then takes the new appends too. */
  start(): void {
    this.schedule.cancel()
    if (this.#busy !== undefined || this.#standing.state !== 'open') return
    if (this.#synchronous || !this.#lockConfirmed) this.#occupy(this.#runRounds())
    else this.#writeAll()
  }

  /** What waits is lost, and with `written` what was written and not acknowledged too. */
  drop(written: boolean): void {
    const { buffer } = this.#parts.env
    buffer.give(this.#queue.bytes)
    this.#queue.clear()
    if (written) this.giveWritten()
  }

  /** What was written counts as acknowledged, or as lost: no longer as memory that waits. */
  giveWritten(): void {
    this.#parts.env.buffer.give(this.#writtenBytes)
    this.#writtenBytes = 0
  }

  /** Runs `work` while no round runs and none starts. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    while (this.#busy !== undefined) await this.#busy
    this.#standing.check()
    const running = this.#confirmed(work)
    this.#occupy(running)
    return running
  }

  /** Within `exclusively`: everything written is synced. */
  async settleSyncs(): Promise<void> {
    await this.#backgroundSync
    if (this.#standing.state === 'open' && this.isBehind) await this.#sync()
    this.#standing.check()
  }

  /** Whether something acknowledged is not synced. */
  get isUnsynced(): boolean {
    return this.#parts.env.files.durable && this.#watermarks.synced < this.#watermarks.acknowledged
  }

  /** Whether that is so, or the mark speaks of a sealed segment: a roll may have found no room for what came first. */
  get isBehind(): boolean {
    const { env, segments } = this.#parts
    return this.isUnsynced || (env.files.durable && this.#watermarks.certain.baseOffset !== segments.active.baseOffset)
  }

  /** Syncs everything written, for `flush` and for durability 'interval'. */
  async syncNow(): Promise<void> {
    await this.exclusively(async () => {
      await this.#backgroundSync
      this.#standing.check()
      if (!(await this.#sync())) throw this.#standing.refusal
      this.#watermarks.publish()
    })
  }

  /** Within `exclusively`: starts a new segment, if the active one holds anything. */
  async roll(): Promise<void> {
    if (this.#parts.segments.active.size === 0) return
    this.#roll()
    if (this.#synchronous && !(await this.#sync())) throw this.#standing.refusal
  }

  /** Within `exclusively`: seals the last segment and says in the mark that nothing is to be recovered. */
  async closeSegment(): Promise<void> {
    const { env, segments, producers, snapshot, folder } = this.#parts
    await this.#backgroundSync
    const { active } = segments
    active.seal()
    active.flushTxnIndex()
    if (producers.used) snapshot(this.#watermarks.acknowledged)
    if (env.files.durable) {
      if (!(await this.#sync())) throw this.#standing.refusal
      await active.syncIndexes()
      await env.files.syncFolder(folder)
    } else this.#watermarks.moveSynced(active.baseOffset, active.size, this.#watermarks.acknowledged)
    if (!(await this.#confirmLock())) throw this.#standing.refusal
    this.#watermarks.publish(true)
  }

  /** After the log was cut: what was due when the partition was fenced, or meanwhile, has been dropped; the active segment may have been sealed. */
  restart(): void {
    this.schedule.idle()
    this.#sealed.clear(this.#parts.segments.active)
  }

  /** Waits until nothing of this partition is under way. */
  async settle(): Promise<void> {
    while (this.#busy !== undefined || this.#backgroundSync !== undefined) await (this.#busy ?? this.#backgroundSync)
  }

  /** No round starts by itself any more, and no sealed segment is held. */
  end(): void {
    this.#interval?.cancel()
    this.schedule.cancel()
    this.#sealed.clear()
  }

  get #pending(): boolean {
    return this.#standing.state === 'open' && (this.#queue.first !== undefined || this.#owner.isBatchOpen())
  }

  /** Rounds without a sync: write, acknowledge, on the spot. */
  #writeAll(): void {
    this.schedule.idle()
    this.#owner.seal()
    while (this.#queue.first !== undefined) {
      const end = this.#write()
      if (end === undefined || !this.#owner.stored(end)) return
      this.#syncSomeTime()
    }
  }

  async #runRounds(): Promise<void> {
    do {
      this.schedule.running()
      if (!this.#ready && !(await this.#awaitMark())) break
      this.#owner.seal()
      const started = this.#parts.env.clock.monotonic()
      // Also before the write: whoever took the lock while this process stood still has written to the same place.
      if (!this.#lockConfirmed && !(await this.#confirmLock())) break
      const end = this.#write()
      if (end === undefined) continue
      const bytes = this.#writtenBytes
      if (this.#synchronous && !(await this.#sync())) break
      if (!this.#lockConfirmed && !(await this.#confirmLock())) break
      if (!this.#owner.stored(end)) break
      this.#syncSomeTime()
      this.#parts.env.emit?.({ type: 'round', ...this.#standing.where, bytes, ms: this.#parts.env.clock.monotonic() - started })
      // Whoever was resolved goes on before the next round begins, so that it carries what they append.
      for (let hop = 0; hop < 8; hop++) await undefined
    } while (this.#pending)
    this.schedule.idle()
  }

  /**
   * Writes queued batches up to the end of the active segment, rolling first when the next one does not fit, and gives the offset
   * behind the last one written. Undefined when there was nothing, or the write failed and everything that depends on it was told.
   */
  #write(): number | undefined {
    const { env, segments } = this.#parts
    let end: number | undefined
    let bytes = 0
    try {
      for (let next = this.#queue.first; next !== undefined && bytes < ROUND_BYTES; next = this.#queue.first) {
        if (segments.active.rollReason(next) !== undefined) {
          if (end !== undefined) break
          this.#roll()
        }
        bytes += this.#writeRun(next, segments.active)
        end = segments.active.nextOffset
      }
    } catch (error) {
      this.#writeFailed(error)
      if (this.#standing.state !== 'open') return undefined
    }
    env.room.wrote(bytes)
    return end
  }

  /** Writes the first queued batches that lie side by side in memory and fit the segment, and gives their bytes. */
  #writeRun(first: TailBatch, segment: Segment): number {
    const { count, bytes } = this.#queue.runFor(segment, WRITE_BYTES)
    if (this.#synchronous) this.#ahead.makeFor(segment, bytes)
    segment.write(first.buffer, first.at, first.at + bytes)
    const watcher = this.#parts.watcher()
    for (const batch of this.#queue.take(count)) {
      batch.position = segment.size
      segment.added(batch)
      watcher?.written(batch, segment.baseOffset)
    }
    this.#writtenBytes += bytes
    if (this.#writesIndexes(segment)) segment.flushIndexes()
    return bytes
  }

  #writesIndexes(segment: Segment): boolean {
    const pending = segment.pendingIndexBytes
    return pending >= PENDING_INDEX_BYTES || (pending > 0 && this.#synchronous && segment.unindexedBytes >= UNINDEXED_BYTES)
  }

  #writeFailed(error: unknown): void {
    const code = systemCode(error)
    if (code !== 'ENOSPC' && code !== 'EDQUOT') return this.#standing.fence('write', error)
    try {
      // Back to the batch boundary: what is behind it never happened, nor did a roll that had begun.
      const { active } = this.#parts.segments
      active.cutToSize()
      active.growing = true
    } catch (second) {
      return this.#standing.fence('truncate', second)
    }
    this.#parts.env.room.noteFull()
    this.#owner.full(error)
  }

  /** Seals the active segment and starts the next one exactly where it ends: recovery knows by that whether an end is missing. */
  #roll(): void {
    const { env, config, folder, segments, producers } = this.#parts
    const sealed = segments.active
    const baseOffset = sealed.nextOffset
    sealed.seal()
    producers.expire(env.clock.now(), config.producerIdExpirationMs)
    if (producers.used) this.#parts.snapshot(baseOffset)
    segments.add(Segment.create(env, config, folder, baseOffset))
    if (env.files.durable) this.#sealed.add(sealed)
    else sealed.release()
    if (!this.#synchronous) this.#syncSealed()
    env.emit?.({ type: 'roll', ...this.#standing.where, baseOffset })
  }

  /** Syncs what was written, with the sealed segments and the folder entries that it stands on. False when the partition was fenced. */
  async #sync(): Promise<boolean> {
    const { env, segments, folder } = this.#parts
    const { active } = segments
    const { size, nextOffset } = active
    const sealed = this.#sealed.all
    const started = env.clock.monotonic()
    try {
      if (sealed.length === 0 && active.entrySynced) await env.syncs.run(() => active.handle.sync())
      else {
        const jobs = [...this.#sealed.syncs(), env.syncs.run(() => active.handle.sync())]
        if (!active.entrySynced) jobs.push(env.syncs.run(() => env.files.syncFolder(folder)))
        await allDone(jobs)
      }
    } catch (error) {
      this.#standing.fence('sync', error)
      return false
    }
    active.entrySynced = true
    this.#sealed.stored(sealed)
    this.#watermarks.moveSynced(active.baseOffset, size, nextOffset)
    env.emit?.({ type: 'sync', ...this.#standing.where, ms: env.clock.monotonic() - started })
    return true
  }

  /** With durability 'interval', what is acknowledged now is synced when the interval is over. */
  #syncSomeTime(): void {
    const { env, config } = this.#parts
    if (config.durability !== 'interval' || !env.files.durable) return
    this.#interval ??= env.clock.setTimer(() => {
      this.#interval = undefined
      // A failure fences the partition, which tells everybody who appends.
      if (this.#standing.state === 'open') this.syncNow().catch(() => {})
    }, config.flushIntervalMs, { ref: false })
  }

  /** Syncs sealed segments behind the back of relaxed appends. */
  #syncSealed(): void {
    this.#sealed.begin()
    if (this.#backgroundSync !== undefined || this.#sealed.all.length === 0) return
    this.#backgroundSync = this.#syncSealedOnes().finally(() => { this.#backgroundSync = undefined })
  }

  async #syncSealedOnes(): Promise<void> {
    while (this.#sealed.all.length > 0 && this.#standing.state === 'open') {
      try {
        const next = this.#parts.segments.after(await this.#sealed.syncOldest())!
        this.#watermarks.moveSynced(next.baseOffset, 0, next.baseOffset)
        this.#watermarks.publishSoon()
      } catch (error) {
        this.#standing.fence('sync', error)
      }
    }
    await this.#sealed.settle()        // fenced: nobody goes on while they use the files
  }

  /** A partition that waits for the disk is open before its log may be written to: see `settleClosed` in open-partition.ts. */
  async #awaitMark(): Promise<boolean> {
    const { mark } = this.#parts.env
    try {
      // What failed when the log was opened is made up for, since nothing has been written since.
      await mark.restore()
      await mark.ready()
      this.#ready = true
    } catch (error) {
      this.#standing.fence('mark', error)
    }
    return this.#ready
  }

  /** Whether the lock, if there is one, is certainly ours at this moment. */
  get #lockConfirmed(): boolean {
    const { lock } = this.#parts.env
    return lock === undefined || lock.confirmed
  }

  /** Before anything is written, and again before it is acknowledged, the lock must certainly be ours. */
  async #confirmLock(): Promise<boolean> {
    const { lock } = this.#parts.env
    try {
      if (lock === undefined || lock.confirmed || (await lock.confirm())) return true
      this.#standing.fence('lock', new LogError('LOG_LOCK_LOST', `another process took the lock of the folder of ${this.#standing.name}`))
    } catch (error) {
      this.#standing.fence('lock', error)       // whose it is cannot be told now; a reopen asks again
    }
    return false
  }

  async #confirmed<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#ready && !(await this.#awaitMark())) throw this.#standing.refusal
    if (!(await this.#confirmLock())) throw this.#standing.refusal
    return work()
  }

  /** Nothing else writes while `running` runs; what gathered meanwhile goes after it. */
  #occupy(running: Promise<unknown>): void {
    const done = (): void => {
      this.#busy = undefined
      if (this.#pending) this.start()
    }
    this.#busy = running.then(done, done)
  }
}
