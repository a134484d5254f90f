/*
 * Checks everything in a partition's folder and changes nothing: each batch with each record in it, how segments and offsets follow each
 * other, each entry of each index, the transactions, snapshots and leader epochs. It goes on behind damage and reports all of it.
 *
 * What is damage depends on what is certain (segment-legs.ts): below the mark every byte was synced. Past it, in a folder that was not
 * closed in good order, a torn tail is what a power cut may leave, and the next open for writing sets it aside.
 */
import { type Clock } from '../base/clock.ts'
import { isLogError } from '../base/errors.ts'
import { type FileSystem } from '../files/file-system.ts'
import { readFileSync } from '../files/write-fully.ts'
import { LEADER_EPOCH_FILE, parseLeaderEpochs } from '../format/leader-epoch-checkpoint.ts'
import { decodeLogStart, LOG_START_FILE } from '../format/log-start.ts'
import { logFileName } from '../format/names.ts'
import { parsePartitionMetadata, PARTITION_METADATA_FILE } from '../format/partition-metadata.ts'
import { decodeProducerSnapshot } from '../format/producer-snapshot.ts'
import { decodeTxnIndex } from '../format/txn-index-entry.ts'
import { uuidText } from '../format/uuid.ts'
import { Epochs } from './epochs.ts'
import { type Finding, Findings, inWords, withoutPath } from './findings.ts'
import { type FolderPlan, planFolder } from './folder-plan.ts'
import { type FoundBatch, type Piece, walkSegment } from './inspect.ts'
import { type CertainFacts, type Leg, planLegs, type PlannedLegs, type SegmentLegs } from './segment-legs.ts'
import { checkTxnIndex, type IndexCheck, offsetIndexCheck, timeIndexCheck } from './verify-indexes.ts'
import { EpochCheck, ProducerCheck, type SnapshotToCheck } from './verify-state.ts'

const MAX_FILE_BYTES = 256 * 1024 * 1024
/** Bytes after which others get their turn. */
const BREATH_BYTES = 8 * 1024 * 1024

/** What a partition holds, and what is wrong with it. */
export interface PartitionReport {
  readonly topic: string
  readonly partition: number
  readonly segments: number
  /** Bytes of `.log` files that were looked at. */
  readonly bytes: number
  /** Batches that are whole and in their place, control batches included, and their records. */
  readonly batches: number
  readonly records: number
  readonly startOffset: number
  /** One past the last offset; without a torn tail. */
  readonly nextOffset: number
  /** The partition was closed in good order. */
  readonly clean: boolean
  readonly findings: readonly Finding[]
}

/** Which partition to check, and what is said of it elsewhere. */
export interface VerifyOptions extends CertainFacts {
  readonly folder: string
  readonly topic: string
  readonly partition: number
  /** 16 bytes; undefined when nothing but the folder itself tells it. */
  readonly topicId: Uint8Array | undefined
  readonly logStartOffset?: number | undefined
  /** The partition is, or was, compacted: offsets are missing also between segments. */
  readonly compacted?: boolean
  readonly clock: Clock
  /** Called with the bytes that were looked at since the last call. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

/** Checks a partition. What cannot be checked because of damage before it is left out, and the damage is reported. */
export function verifyPartition(files: FileSystem, options: VerifyOptions): Promise<PartitionReport> {
  return new Verification(files, options).run()
}

interface Torn {
  readonly path: string
  readonly position: number
  readonly reason: string
  bytes: number
  batches: number
}

class Verification {
  readonly #files: FileSystem
  readonly #options: VerifyOptions
  readonly #findings = new Findings()
  readonly #plan: FolderPlan
  readonly #legs: PlannedLegs
  readonly #epochs: Epochs | undefined
  readonly #epochCheck: EpochCheck
  readonly #producerCheck: ProducerCheck
  readonly #startOffset: number
  /** What is below it was deleted on request, or by retention. */
  readonly #deletedTo: number
  #nextOffset: number
  #torn: Torn | undefined
  /** No offset is missing so far, between batches or in them: nothing was compacted, and no append failed. */
  #dense = true
  /** Damage stands just before the place where the check is: offsets are missing because of it. */
  #afterDamage = false
  #bytes = 0
  #batches = 0
  #records = 0
  #unbreathed = 0

  constructor(files: FileSystem, options: VerifyOptions) {
    const { folder, logStartOffset = 0 } = options
    this.#files = files
    this.#options = options
    const startPath = this.#path(LOG_START_FILE)
    const stored = this.#read(startPath, (bytes) => decodeLogStart(bytes, startPath)) ?? 0
    this.#plan = planFolder(files, folder, stored, options.state)
    this.#legs = planLegs(files, folder, this.#plan, options)
    const first = this.#legs.segments[0]?.baseOffset ?? 0
    this.#startOffset = Math.max(first, stored, logStartOffset)
    this.#deletedTo = Math.max(stored, logStartOffset)
    this.#nextOffset = first
    this.#epochs = this.#readEpochs()
    this.#epochCheck = new EpochCheck(this.#epochs ?? new Epochs(), this.#startOffset)
    this.#producerCheck = new ProducerCheck(this.#plan.snapshots.map((snapshot) => this.#snapshot(snapshot)), first, this.#findings)
  }

  async run(): Promise<PartitionReport> {
    const { topic, partition } = this.#options
    const { segments, clean } = this.#legs
    this.#checkNames()
    this.#checkTopicId()
    this.#checkMarked()
    for (const [number, segment] of segments.entries()) await this.#checkSegment(segment, segments[number - 1])
    this.#checkEnd()
    return {
      topic, partition, segments: segments.length, bytes: this.#bytes, batches: this.#batches, records: this.#records,
      startOffset: this.#startOffset, nextOffset: this.#nextOffset, clean, findings: this.#findings.list,
    }
  }

  #path(name: string): string {
    return this.#files.join(this.#options.folder, name)
  }

  #checkNames(): void {
    const { segments, snapshots, obsolete } = this.#plan
    for (const name of obsolete) this.#findings.note(this.#path(name), 'leftover', 'left by an interrupted change; it means nothing any more')
    for (const { name } of [...segments.map(({ files }) => ({ name: files.log })), ...snapshots]) {
      if (name.endsWith('.swap')) this.#findings.note(this.#path(name), 'leftover', 'a finished change that was not renamed yet; it counts')
    }
    for (const name of this.#files.listSync(this.#options.folder)) {
      if (name.startsWith('torn-')) this.#findings.note(this.#path(name), 'set-aside', 'bytes that were set aside; they are not a part of the log')
    }
  }

  #checkTopicId(): void {
    const path = this.#path(PARTITION_METADATA_FILE)
    const { topicId } = this.#options
    const found = this.#read(path, (bytes) => parsePartitionMetadata(bytes, path))
    if (found === undefined) {
      if (this.#files.statSync(path) === undefined) this.#findings.note(path, 'missing-file', 'there is no topic id in the folder')
    } else if (topicId !== undefined && Buffer.compare(found, topicId) !== 0) {
      this.#findings.damage(path, 'topic-id', `topic id ${uuidText(found)}, but the topic's is ${uuidText(topicId)}`)
    }
  }

  #readEpochs(): Epochs | undefined {
    const path = this.#path(LEADER_EPOCH_FILE)
    const entries = this.#read(path, (bytes) => parseLeaderEpochs(bytes, path))
    if (entries === undefined) return undefined
    const epochs = new Epochs(entries)
    if (epochs.entries.length !== entries.length) this.#findings.damage(path, 'epoch-order', 'epochs and their offsets do not rise')
    return epochs
  }

  /** What a small file says; undefined when there is none or it is damaged, which is reported. */
  #read<T>(path: string, parse: (bytes: Buffer) => T, kind: Finding['kind'] = 'damage'): T | undefined {
    try {
      const bytes = readFileSync(this.#files, path, MAX_FILE_BYTES)
      return bytes === undefined ? undefined : parse(bytes)
    } catch (error) {
      if (!isLogError(error, 'LOG_FILE_CORRUPT')) throw error
      this.#findings.add({ kind, path, position: undefined, reason: 'damaged-file', message: withoutPath(error.message, path) })
      return undefined
    }
  }

  /** The segment that the mark speaks of must be there, as far as it was synced. */
  #checkMarked(): void {
    const { state } = this.#options
    if (state === undefined) return
    const path = this.#path(logFileName(state.baseOffset))
    const { size } = this.#legs.segments.find(({ baseOffset }) => baseOffset === state.baseOffset) ?? { size: Infinity }
    if (this.#legs.segmentMissing) {
      this.#findings.damage(path, 'missing-file', `the segment is missing: ${state.position} bytes of it were synced`)
    } else if (size < state.position) {
      this.#findings.damage(path, 'missing-bytes', `the file has ${size} bytes, ${state.position} were synced`, size)
    }
  }

  /** Snapshots are synced after they are taken: a power cut may leave half of the last ones, which the next open removes. */
  #snapshot({ name, offset }: FolderPlan['snapshots'][number]): SnapshotToCheck {
    const { clean, certainSnapshot } = this.#legs
    const path = this.#path(name)
    const kind = clean || offset < certainSnapshot ? 'damage' : 'note'
    return { offset, path, read: () => this.#read(path, (bytes) => decodeProducerSnapshot(bytes, path), kind) }
  }

  async #checkSegment(segment: SegmentLegs, before: SegmentLegs | undefined): Promise<void> {
    const path = this.#path(segment.files.log)
    this.#checkBegin(segment, before, path)
    const checks = this.#torn === undefined ? this.#indexChecks(segment) : []
    const file = this.#files.openSync(path, 'read')
    try {
      for (const leg of segment.legs) {
        const { startOffset = Math.max(this.#nextOffset, segment.baseOffset), ...bounds } = leg
        for (const piece of walkSegment(file, { ...bounds, baseOffset: startOffset })) {
          this.#take(piece, leg, path, checks)
          if (this.#unbreathed >= BREATH_BYTES) await this.#breathe()
        }
        if (leg.nextOffset !== undefined && leg.nextOffset > this.#nextOffset) {
          this.#nextOffset = leg.nextOffset
          this.#dense = false
        }
      }
    } finally {
      file.closeSync()
    }
    await this.#breathe()
    for (const [name, check] of checks) this.#endIndex(name, check, segment)
    if (this.#torn === undefined) this.#checkTxnIndex(segment)
  }

  /** We begin a segment exactly where the one before ends; Kafka may leave a gap. */
  #checkBegin({ baseOffset, legs }: SegmentLegs, before: SegmentLegs | undefined, path: string): void {
    if (this.#torn !== undefined || baseOffset === this.#nextOffset) return
    const { foreign, compacted } = this.#options
    // Below the start the epochs do not tell any more what was cut.
    const deleted = this.#nextOffset <= this.#startOffset
    const explained = foreign !== undefined || compacted === true || this.#afterDamage || deleted || this.#wasCut()
    if (before !== undefined && !explained && baseOffset > this.#nextOffset) {
      const beforePath = this.#path(before.files.log)
      const message = `the log ends with offset ${this.#nextOffset - 1}, the next segment begins with ${baseOffset}`
      if (legs[0]?.certain === true) this.#findings.damage(beforePath, 'missing-bytes', message, before.size)
      else this.#torn = { path: beforePath, position: before.size, reason: 'missing-bytes', bytes: 0, batches: 0 }
    }
    this.#dense = false
    if (this.#torn === undefined && baseOffset < this.#nextOffset) {
      this.#findings.damage(path, 'offset-order', `the segment begins with offset ${baseOffset}, the one before ends with ${this.#nextOffset - 1}`)
    }
    this.#nextOffset = Math.max(this.#nextOffset, baseOffset)
  }

  #indexChecks(segment: SegmentLegs): [name: string, check: IndexCheck][] {
    const { baseOffset, files } = segment
    const exact = this.#options.foreign === undefined
    const checks: [string, IndexCheck][] = []
    for (const [name, make] of [
      [files.index, (bytes: Buffer) => offsetIndexCheck(bytes, baseOffset, exact, this.#indexReport(files.index, segment))],
      [files.timeIndex, (bytes: Buffer) => timeIndexCheck(bytes, baseOffset, this.#indexReport(files.timeIndex, segment))],
    ] as const) {
      const check = this.#read(this.#path(name), make)
      if (check !== undefined) checks.push([name, check])
      else if (this.#files.statSync(this.#path(name)) === undefined) this.#missingIndex(name, segment)
    }
    return checks
  }

  /** Without its index a segment is read from its beginning to make it again. The active one has none until it is sealed. */
  #missingIndex(name: string, segment: SegmentLegs): void {
    const { clean, segments } = this.#legs
    const message = 'the index is missing; it is made again from the log'
    if (clean && segment.certain) this.#findings.damage(this.#path(name), 'missing-file', message)
    else if (segment !== segments.at(-1) && !this.#options.following) this.#findings.note(this.#path(name), 'missing-file', message)
  }

  #indexReport(name: string, segment: SegmentLegs): (position: number, message: string) => void {
    let reported = 0
    const kind = kindIn(segment)
    const path = this.#path(name)
    // A shifted index contradicts the log with every entry: the first few tell enough.
    return (position, message) => {
      if (reported++ < 3) this.#findings.add({ kind, path, position, reason: 'index-entry', message })
    }
  }

  #take(piece: Piece, leg: Leg, path: string, checks: readonly (readonly [string, IndexCheck])[]): void {
    const size = piece.kind === 'batch' || piece.kind === 'misplaced' ? piece.batch.header.size : piece.size
    this.#bytes += size
    this.#unbreathed += size
    if (this.#torn !== undefined) {
      if (piece.kind !== 'zeros') this.#torn.bytes += size
      if (piece.kind === 'batch' || piece.kind === 'misplaced') this.#torn.batches++
      return
    }
    if (piece.kind === 'batch') return this.#takeBatch(piece.batch, path, checks)
    if (piece.kind === 'zeros') return this.#takeZeros(piece.position, size, leg, path)
    const position = piece.kind === 'damage' ? piece.position : piece.batch.position
    const reason = piece.kind === 'damage' ? piece.reason : 'offset-order'
    if (leg.certain || this.#nextOffset < this.#legs.certainOffset) {
      this.#findings.damage(path, reason, piece.kind === 'damage' ? `${inWords(reason)} (${size} bytes)` : misplaced(piece), position)
      for (const [, check] of checks) check.gap(position, position + size)
      this.#dense = false
      this.#afterDamage = true
    } else this.#torn = { path, position, reason, bytes: size, batches: piece.kind === 'misplaced' ? 1 : 0 }
  }

  /** Room ahead of the end is zeros; below what was synced there is none. */
  #takeZeros(position: number, size: number, leg: Leg, path: string): void {
    if (!leg.certain || this.#options.foreign !== undefined) {
      this.#findings.note(path, 'room', `${size} zeros: room that was never used`, position)
    } else this.#findings.damage(path, 'zeros', `${size} zeros where batches were synced`, position)
  }

  #takeBatch(batch: FoundBatch, path: string, checks: readonly (readonly [string, IndexCheck])[]): void {
    const { header, position, problem } = batch
    if (problem !== undefined) this.#findings.damage(path, 'bad-record', `the checksum is right, but the records are not: ${problem}`, position)
    if (header.baseOffset !== this.#nextOffset || header.recordCount !== header.lastOffsetDelta + 1) this.#dense = false
    this.#epochCheck.batch(header, path, position)
    this.#producerCheck.batch(batch, this.#dense)
    for (const [, check] of checks) check.batch(position, header)
    this.#afterDamage = false
    this.#batches++
    if (!header.control) this.#records += header.recordCount
    this.#nextOffset = header.lastOffset + 1
  }

  #endIndex(name: string, check: IndexCheck, { certain }: SegmentLegs): void {
    const past = check.end()
    // The index of a segment that grows may be ahead of what was synced of its log.
    if (past === 0 || this.#options.following) return
    const path = this.#path(name)
    if (this.#legs.clean && certain) this.#findings.damage(path, 'index-entry', `entries that point past the end of the log: ${past}`)
    else this.#findings.note(path, 'index-ahead', `entries that are ahead of the log: ${past}; the next open takes them away`)
  }

  #checkTxnIndex(segment: SegmentLegs): void {
    const path = this.#path(segment.files.txnIndex)
    const expected = this.#producerCheck.takeAborted(this.#nextOffset)
    const kind = kindIn(segment)
    const entries = this.#read(path, (bytes) => decodeTxnIndex(bytes, segment.baseOffset, path), kind) ?? []
    const kept = entries.filter(({ lastOffset }) => lastOffset < this.#nextOffset)
    const denseFrom = this.#dense ? this.#legs.segments[0]!.baseOffset : Infinity
    checkTxnIndex(kept, expected, denseFrom, (position, message) => this.#findings.add({ kind, path, position, reason: 'index-entry', message }))
  }

  #checkEnd(): void {
    this.#producerCheck.end(this.#nextOffset, this.#dense)
    this.#epochCheck.end(this.#path(LEADER_EPOCH_FILE), this.#findings)
    const { state } = this.#options
    const torn = this.#torn
    if (torn !== undefined) {
      const whole = torn.batches === 0 ? '' : `; whole batches among them: ${torn.batches}`
      const message = `the log ends here: ${inWords(torn.reason)}. The next open for writing sets ${torn.bytes} bytes aside${whole}`
      this.#findings.add({ kind: 'torn', path: torn.path, position: torn.position, reason: torn.reason, message })
    }
    const damaged = this.#findings.list.some(({ kind, reason }) => kind === 'damage' && reason !== 'index-entry')
    if (state !== undefined && !damaged && this.#nextOffset < state.syncedOffset && !this.#wasCut()) {
      const last = this.#legs.segments.at(-1)
      const path = last === undefined ? this.#options.folder : this.#path(last.files.log)
      this.#findings.damage(path, 'missing-bytes', `the log ends with offset ${this.#nextOffset - 1}, ${state.syncedOffset - 1} was synced`)
    }
    const [oldest] = this.#epochs?.entries ?? []
    const first = this.#legs.segments[0]?.baseOffset ?? 0
    if (oldest !== undefined && oldest.startOffset < first && first > this.#deletedTo && this.#options.foreign === undefined) {
      const message = `it begins with offset ${oldest.startOffset}, but the first segment with ${first}: what was before it is missing`
      this.#findings.damage(this.#path(LEADER_EPOCH_FILE), 'epoch-order', message)
    }
    const ahead = this.#epochs?.entries.find(({ startOffset }) => startOffset > this.#nextOffset)
    if (ahead !== undefined && this.#legs.clean && !damaged) {
      this.#findings.damage(this.#path(LEADER_EPOCH_FILE), 'epoch-ahead', `epoch ${ahead.epoch} begins at offset ${ahead.startOffset}, past the end`)
    }
  }

  /** Whether the log was cut here once: a new epoch begins where the records end that were left. A batch goes whole, so offsets are missing. */
  #wasCut(): boolean {
    return this.#epochs?.entries.some(({ startOffset }) => startOffset === this.#nextOffset) === true
  }

  #breathe(): Promise<void> {
    this.#options.onProgress?.(this.#unbreathed)
    this.#unbreathed = 0
    return new Promise((resolve) => this.#options.clock.defer(resolve))
  }
}

function misplaced({ batch, due, belongsAt }: Piece & { readonly kind: 'misplaced' }): string {
  const { baseOffset, lastOffset } = batch.header
  const hint = belongsAt === undefined ? '' : ': it is the only batch that is missing there, so only its base offset is wrong'
  return `a whole batch with offsets ${baseOffset}..${lastOffset} stands where ${due} is due${hint}`
}

/** What a wrong entry is in an index of `segment`: of an end that is not certain, entries may not be whole. The next open makes them again. */
function kindIn(segment: SegmentLegs): Finding['kind'] {
  return segment.legs.every((leg) => leg.certain) ? 'damage' : 'note'
}
