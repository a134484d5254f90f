/*
 * Checks everything in a partition's folder and changes nothing: each batch with each record in it, how segments and offsets follow each
 * other, each entry of each index, the transactions, snapshots and leader epochs. It goes on behind damage and reports all of it.
 *
 * What is damage depends on what is certain (recovery.ts): below the mark every byte was synced. Past it, in a folder that was not closed
 * in good order, a torn tail is what a power cut may leave, and the next open for writing sets it aside.
 */
import { type Clock } from '../base/clock.ts'
import { isLogError } from '../base/errors.ts'
import { type FileSystem } from '../files/file-system.ts'
import { readFileSync } from '../files/write-fully.ts'
import { type BatchHeader } from '../format/batch.ts'
import { LEADER_EPOCH_FILE, parseLeaderEpochs } from '../format/leader-epoch-checkpoint.ts'
import { logFileName } from '../format/names.ts'
import { parsePartitionMetadata, PARTITION_METADATA_FILE } from '../format/partition-metadata.ts'
import { decodeProducerSnapshot, type ProducerSnapshotEntry } from '../format/producer-snapshot.ts'
import { decodeTxnIndex } from '../format/txn-index-entry.ts'
import { uuidText } from '../format/uuid.ts'
import { Epochs } from './epochs.ts'
import { type FolderPlan, planFolder } from './folder-plan.ts'
import { type FoundBatch, type Piece, walkSegment } from './inspect.ts'
import { type CompletedTransaction, ProducerState } from './producer-state.ts'
import { type CertainFacts, type Leg, planLegs, type PlannedLegs, type SegmentLegs } from './segment-legs.ts'
import { checkTxnIndex, type IndexCheck, offsetIndexCheck, timeIndexCheck } from './verify-indexes.ts'

const MAX_FILE_BYTES = 256 * 1024 * 1024
/** Of a partition: whoever has so many needs no more to know what to do. */
const MOST_DAMAGES = 1000
/** Bytes after which others get their turn. */
const BREATH_BYTES = 8 * 1024 * 1024

/** Something that a check found. */
export interface Finding {
  /**
   * `'damage'`: bytes that were certainly written are wrong or missing. `'torn'`: the end of a log that was not closed in good order, which
   * the next open for writing sets aside. `'note'`: nothing wrong, but worth knowing.
   */
  readonly kind: 'damage' | 'torn' | 'note'
  readonly path: string
  /** Where in the file, in bytes; undefined when it is about the file as a whole. */
  readonly position: number | undefined
  /** In a word. */
  readonly reason: string
  readonly message: string
}

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
  readonly #findings: Finding[] = []
  readonly #producers = new ProducerState()
  #plan: FolderPlan = { segments: [], snapshots: [], obsolete: [], renames: [] }
  #legs: PlannedLegs = { segments: [], clean: false, segmentMissing: false, certainOffset: 0 }
  #epochs: Epochs | undefined
  #snapshots: FolderPlan['snapshots'][number][] = []
  #aborted: CompletedTransaction[] = []
  #wrongEpochs: { path: string; position: number; leaderEpoch: number; expected: number | undefined }[] = []
  #epochsFall = false
  #lastEpoch = -1
  #torn: Torn | undefined
  /** No offset is missing so far, between batches or in them: nothing was compacted, and no append failed. */
  #dense = true
  /** Damage stands just before the place where the check is: offsets are missing because of it. */
  #afterDamage = false
  #startOffset = 0
  #nextOffset = 0
  #bytes = 0
  #batches = 0
  #records = 0
  #unbreathed = 0
  #damages = 0

  constructor(files: FileSystem, options: VerifyOptions) {
    this.#files = files
    this.#options = options
  }

  async run(): Promise<PartitionReport> {
    const { topic, partition, folder, logStartOffset = 0 } = this.#options
    // 1 The files, and those that speak of the partition as a whole.
    this.#plan = planFolder(this.#files, folder)
    this.#checkNames()
    this.#checkTopicId()
    this.#epochs = this.#readEpochs()
    // 2 What is certain.
    this.#legs = planLegs(this.#files, folder, this.#plan, this.#options)
    this.#checkMarked()
    const { segments } = this.#legs
    const first = segments[0]?.baseOffset ?? 0
    this.#startOffset = Math.max(first, logStartOffset)
    this.#nextOffset = first
    this.#startProducers(first)
    // 3 The segments with their indexes.
    for (const [number, segment] of segments.entries()) await this.#checkSegment(segment, segments[number - 1])
    // 4 Where it all ends.
    this.#checkEnd()
    return {
      topic, partition, segments: segments.length, bytes: this.#bytes, batches: this.#batches, records: this.#records,
      startOffset: this.#startOffset, nextOffset: this.#nextOffset, clean: this.#legs.clean, findings: this.#findings,
    }
  }

  #find(finding: Finding): void {
    if (finding.kind !== 'damage' || ++this.#damages <= MOST_DAMAGES) this.#findings.push(finding)
  }

  #damage(path: string, reason: string, message: string, position?: number): void {
    this.#find({ kind: 'damage', path, position, reason, message })
  }

  #note(path: string, reason: string, message: string, position?: number): void {
    this.#find({ kind: 'note', path, position, reason, message })
  }

  #path(name: string): string {
    return this.#files.join(this.#options.folder, name)
  }

  #checkNames(): void {
    const { segments, snapshots, obsolete } = this.#plan
    for (const name of obsolete) this.#note(this.#path(name), 'leftover', 'left by an interrupted change; it means nothing any more')
    for (const { name } of [...segments.map(({ files }) => ({ name: files.log })), ...snapshots]) {
      if (name.endsWith('.swap')) this.#note(this.#path(name), 'leftover', 'a finished change that was not renamed yet; it counts')
    }
    for (const name of this.#files.listSync(this.#options.folder)) {
      if (name.startsWith('torn-')) this.#note(this.#path(name), 'set-aside', 'bytes that were set aside; they are not a part of the log')
    }
  }

  #checkTopicId(): void {
    const path = this.#path(PARTITION_METADATA_FILE)
    const { topicId } = this.#options
    const found = this.#read(path, (bytes) => parsePartitionMetadata(bytes, path))
    if (found === undefined) {
      if (this.#files.statSync(path) === undefined) this.#note(path, 'missing-file', 'there is no topic id in the folder')
    } else if (topicId !== undefined && Buffer.compare(found, topicId) !== 0) {
      this.#damage(path, 'topic-id', `topic id ${uuidText(found)}, but the topic's is ${uuidText(topicId)}`)
    }
  }

  #readEpochs(): Epochs | undefined {
    const path = this.#path(LEADER_EPOCH_FILE)
    const entries = this.#read(path, (bytes) => parseLeaderEpochs(bytes, path))
    if (entries === undefined) return undefined
    const epochs = new Epochs(entries)
    if (epochs.entries.length !== entries.length) this.#damage(path, 'epoch-order', 'epochs and their offsets do not rise')
    return epochs
  }

  /** What a small file says; undefined when there is none or it is damaged, which is reported. */
  #read<T>(path: string, parse: (bytes: Buffer) => T, kind: Finding['kind'] = 'damage'): T | undefined {
    try {
      const bytes = readFileSync(this.#files, path, MAX_FILE_BYTES)
      return bytes === undefined ? undefined : parse(bytes)
    } catch (error) {
      if (!isLogError(error, 'LOG_FILE_CORRUPT')) throw error
      this.#find({ kind, path, position: undefined, reason: 'damaged-file', message: withoutPath(error.message, path) })
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
      this.#damage(path, 'missing-file', `the segment is missing: ${state.position} bytes of it were synced`)
    } else if (size < state.position) {
      this.#damage(path, 'missing-bytes', `the file has ${size} bytes, ${state.position} were synced`, size)
    }
  }

  /** The producers as they were before the first segment, when a snapshot tells. */
  #startProducers(first: number): void {
    this.#snapshots = [...this.#plan.snapshots]
    this.#producers.reset(first)
    while (this.#snapshots.length > 0 && this.#snapshots[0]!.offset <= first) {
      const { name, offset } = this.#snapshots.shift()!
      const entries = this.#readSnapshot(name, offset)
      if (entries !== undefined && offset === first) this.#producers.load(entries, first, { now: 0, expirationMs: Infinity })
    }
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
      }
    } finally {
      file.closeSync()
    }
    await this.#breathe()
    for (const [name, check] of checks) this.#endIndex(name, check, segment)
    if (this.#torn === undefined) this.#checkTxnIndex(segment)
    this.#producers.onHighWatermark(this.#nextOffset)
  }

  /** We begin a segment exactly where the one before ends; Kafka may leave a gap. */
  #checkBegin({ baseOffset, legs }: SegmentLegs, before: SegmentLegs | undefined, path: string): void {
    if (this.#torn !== undefined || baseOffset === this.#nextOffset) return
    const { foreign } = this.#options
    if (before !== undefined && foreign === undefined && !this.#afterDamage && baseOffset > this.#nextOffset) {
      const beforePath = this.#path(before.files.log)
      const message = `the log ends with offset ${this.#nextOffset - 1}, the next segment begins with ${baseOffset}`
      if (legs[0]?.certain === true) this.#damage(beforePath, 'missing-bytes', message, before.size)
      else this.#torn = { path: beforePath, position: before.size, reason: 'missing-bytes', bytes: 0, batches: 0 }
    }
    this.#dense = false
    if (this.#torn === undefined && baseOffset < this.#nextOffset) {
      this.#damage(path, 'offset-order', `the segment begins with offset ${baseOffset}, the one before ends with ${this.#nextOffset - 1}`)
    }
    this.#nextOffset = Math.max(this.#nextOffset, baseOffset)
  }

  #indexChecks(segment: SegmentLegs): [name: string, check: IndexCheck][] {
    const { baseOffset, files } = segment
    const exact = this.#options.foreign === undefined
    const checks: [string, IndexCheck][] = []
    for (const [name, make] of [
      [files.index, (bytes: Buffer) => offsetIndexCheck(bytes, baseOffset, exact, this.#indexReport(files.index))],
      [files.timeIndex, (bytes: Buffer) => timeIndexCheck(bytes, baseOffset, this.#indexReport(files.timeIndex))],
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
    if (clean && segment.certain) this.#damage(this.#path(name), 'missing-file', message)
    else if (segment !== segments.at(-1) && !this.#options.following) this.#note(this.#path(name), 'missing-file', message)
  }

  #indexReport(name: string): (position: number, message: string) => void {
    let reported = 0
    // A shifted index contradicts the log with every entry: the first few tell enough.
    return (position, message) => {
      if (reported++ < 3) this.#damage(this.#path(name), 'index-entry', message, position)
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
      this.#damage(path, reason, piece.kind === 'damage' ? `${inWords(reason)} (${size} bytes)` : misplaced(piece), position)
      for (const [, check] of checks) check.gap(position, position + size)
      this.#dense = false
      this.#afterDamage = true
    } else this.#torn = { path, position, reason, bytes: size, batches: piece.kind === 'misplaced' ? 1 : 0 }
  }

  /** Room ahead of the end is zeros; below what was synced there is none. */
  #takeZeros(position: number, size: number, leg: Leg, path: string): void {
    if (!leg.certain || this.#options.foreign !== undefined) {
      this.#note(path, 'room', `${size} zeros: room that was never used`, position)
    } else this.#damage(path, 'zeros', `${size} zeros where batches were synced`, position)
  }

  #takeBatch(batch: FoundBatch, path: string, checks: readonly (readonly [string, IndexCheck])[]): void {
    const { header, position, problem } = batch
    if (header.baseOffset !== this.#nextOffset || header.recordCount !== header.lastOffsetDelta + 1) this.#dense = false
    this.#compareSnapshots(header.baseOffset)
    if (problem !== undefined) this.#damage(path, 'bad-record', `the checksum is right, but the records are not: ${problem}`, position)
    this.#checkEpoch(header, position, path)
    for (const [, check] of checks) check.batch(position, header)
    const ended = header.producerId < 0n ? undefined : this.#producers.replay(header, batch.marker)
    if (ended?.aborted === true) this.#aborted.push(ended)
    this.#afterDamage = false
    this.#batches++
    if (!header.control) this.#records += header.recordCount
    this.#nextOffset = header.lastOffset + 1
  }

  #checkEpoch({ leaderEpoch, baseOffset, lastOffset }: BatchHeader, position: number, path: string): void {
    // Batches of before leader epochs were invented have −1. What was deleted on request has no epochs any more.
    if (this.#epochs?.latest === undefined || leaderEpoch === -1 || lastOffset < this.#startOffset) return
    if (leaderEpoch < this.#lastEpoch) this.#epochsFall = true
    this.#lastEpoch = leaderEpoch
    const expected = this.#epochs.epochAt(Math.max(baseOffset, this.#startOffset))
    if (leaderEpoch !== expected) this.#wrongEpochs.push({ path, position, leaderEpoch, expected })
  }

  /** Where batches and checkpoint contradict each other, most of the batches against a checkpoint are right if they do not contradict themselves. */
  #judgeEpochs(): void {
    const wrong = this.#wrongEpochs
    if (wrong.length === 0) return
    if (!this.#epochsFall && 2 * wrong.length > this.#batches) {
      const { leaderEpoch, expected } = wrong[0]!
      const message = `${wrong.length} batches have another leader epoch than it says: ${leaderEpoch} instead of ${expected ?? 'none'}`
      return this.#damage(this.#path(LEADER_EPOCH_FILE), 'epoch-order', message)
    }
    for (const { path, position, leaderEpoch, expected } of wrong) {
      this.#damage(path, 'leader-epoch', `leader epoch ${leaderEpoch}, but ${LEADER_EPOCH_FILE} says ${expected ?? 'none'}`, position)
    }
  }

  #endIndex(name: string, check: IndexCheck, { certain }: SegmentLegs): void {
    const past = check.end()
    if (past === 0) return
    const { following } = this.#options
    // The index of a segment that grows may be ahead of what was synced of its log.
    if (following || !certain || this.#torn !== undefined || !this.#legs.clean) {
      if (!following) this.#note(this.#path(name), 'index-ahead', `entries that are ahead of the log: ${past}; the next open takes them away`)
    } else this.#damage(this.#path(name), 'index-entry', `entries that point past the end of the log: ${past}`)
  }

  #checkTxnIndex(segment: SegmentLegs): void {
    const path = this.#path(segment.files.txnIndex)
    const expected = this.#aborted
    this.#aborted = []
    const entries = this.#read(path, (bytes) => decodeTxnIndex(bytes, segment.baseOffset, path)) ?? []
    const kept = entries.filter(({ lastOffset }) => lastOffset < this.#nextOffset)
    // Of an end that is not certain, entries may be missing: the next open adds them.
    const kind = segment.legs.every((leg) => leg.certain) ? 'damage' : 'note'
    checkTxnIndex(kept, expected, this.#dense, (position, message) => this.#find({ kind, path, position, reason: 'index-entry', message }))
  }

  /** Compares the snapshots up to an offset with what a replay of the log found. */
  #compareSnapshots(upTo: number): void {
    while (this.#snapshots.length > 0 && this.#snapshots[0]!.offset <= upTo) {
      const { name, offset } = this.#snapshots.shift()!
      const entries = this.#readSnapshot(name, offset)
      // Compaction removes batches that older snapshots tell of.
      if (entries === undefined || !this.#dense || this.#startOffset > 0) continue
      for (const entry of entries) this.#compareProducer(entry, this.#path(name))
    }
  }

  /** A snapshot may lack producers that were forgotten; those that it has must be as the log says. */
  #compareProducer(entry: ProducerSnapshotEntry, path: string): void {
    const known = this.#producers.producer(entry.producerId)
    const last = known?.batches.at(-1)
    const same = known !== undefined && known.epoch === entry.epoch && known.currentTxnFirstOffset === entry.currentTxnFirstOffset &&
      (last?.lastOffset ?? -1) === entry.lastOffset && (last?.lastSequence ?? -1) === entry.lastSequence
    if (!same) this.#damage(path, 'snapshot', `producer ${entry.producerId} is not as the log tells it`)
  }

  #readSnapshot(name: string, offset: number): ProducerSnapshotEntry[] | undefined {
    const path = this.#path(name)
    const { clean, certainOffset } = this.#legs
    // Snapshots are not synced when they are taken: a power cut may leave half of one, which the next open passes over.
    return this.#read(path, (bytes) => decodeProducerSnapshot(bytes, path), clean || offset <= certainOffset ? 'damage' : 'note')
  }

  #checkEnd(): void {
    this.#compareSnapshots(this.#nextOffset)
    this.#judgeEpochs()
    const { state } = this.#options
    const torn = this.#torn
    if (torn !== undefined) {
      const whole = torn.batches === 0 ? '' : `; whole batches among them: ${torn.batches}`
      const message = `the log ends here: ${inWords(torn.reason)}. The next open for writing sets ${torn.bytes} bytes aside${whole}`
      this.#find({ kind: 'torn', path: torn.path, position: torn.position, reason: torn.reason, message })
    }
    const damaged = this.#findings.some(({ kind, reason }) => kind === 'damage' && reason !== 'index-entry')
    if (state !== undefined && !damaged && this.#nextOffset < state.syncedOffset) {
      const last = this.#legs.segments.at(-1)
      const path = last === undefined ? this.#options.folder : this.#path(last.files.log)
      this.#damage(path, 'missing-bytes', `the log ends with offset ${this.#nextOffset - 1}, ${state.syncedOffset - 1} was synced`)
    }
    for (const { name } of this.#snapshots) this.#note(this.#path(name), 'snapshot-ahead', 'of producers past the end of the log')
    const ahead = this.#epochs?.entries.find(({ startOffset }) => startOffset > this.#nextOffset)
    if (ahead !== undefined && this.#legs.clean && !damaged) {
      this.#damage(this.#path(LEADER_EPOCH_FILE), 'epoch-ahead', `epoch ${ahead.epoch} begins at offset ${ahead.startOffset}, past the end`)
    }
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

const words: Readonly<Record<string, string>> = {
  'short-header': 'fewer bytes than a batch header has',
  'short-batch': 'a batch that is longer than what is left',
  'bad-length': 'a batch whose length cannot be',
  'bad-magic': 'no batch of a format that is known',
  'bad-crc': 'a batch whose checksum does not fit',
  'bad-header': 'a batch header that cannot be',
  'bad-compression': 'a batch of an unknown compression',
  'bad-offset': 'a batch with offsets that cannot be',
  'bad-timestamp': 'a batch with timestamps that cannot be',
  'bad-count': 'a batch with a record count that cannot be',
  'offset-order': 'a batch whose offsets do not follow those before it',
  'missing-bytes': 'the next segment does not begin where this one ends',
}

/** The message of an error, for a finding that names the file anyway. */
export function withoutPath(message: string, path: string): string {
  return message.startsWith(path) ? message.slice(path.length).replace(/^(?: is damaged)?:? ?/, '') : message
}

/** A reason of {@link Piece} or recovery in words. */
export function inWords(reason: string): string {
  return words[reason] ?? reason
}
