/*
 * Takes damage out of a partition, so that what is whole can be read again. Nothing is deleted: damaged bytes go to `torn-…` files, and what
 * is made anew (indexes, snapshots) follows from the log. Offsets that were lost are not given out again: a batch without records stands
 * for them, as compaction leaves one, so that segments still follow each other.
 *
 * First a plan is made, which changes nothing; `applyRepair` carries it out, for who holds the lock. A repair that is interrupted is
 * begun again: at every moment the folder is as it was, or damaged in a way that a repair finds.
 *
 * A torn tail is none of its business: that is what recovery sets aside when the log opens (recovery.ts).
 */
import { setInt32, setInt64 } from '../base/bytes.ts'
import { type FileHandle, type FileSystem } from '../files/file-system.ts'
import { piecesOf, readFileSync, readFullySync, writeFileAtomically, writeNewFile } from '../files/write-fully.ts'
import { BASE_OFFSET_AT, encodeBatch, LEADER_EPOCH_AT } from '../format/batch.ts'
import { encodeLeaderEpochs, LEADER_EPOCH_FILE, parseLeaderEpochs } from '../format/leader-epoch-checkpoint.ts'
import { LOG_START_FILE } from '../format/log-start.ts'
import { segmentName } from '../format/names.ts'
import { encodePartitionMetadata, PARTITION_METADATA_FILE } from '../format/partition-metadata.ts'
import { type LogConfig } from './config.ts'
import { type LogEnvironment } from './environment.ts'
import { Epochs } from './epochs.ts'
import { type Finding, inWords } from './findings.ts'
import { planFolder } from './folder-plan.ts'
import { type FoundBatch, type Piece, walkSegment } from './inspect.ts'
import { type MarkState } from './mark.ts'
import { replayProducers } from './restore-producers.ts'
import { ProducerState } from './producer-state.ts'
import { hintedLogStart } from './retention.ts'
import { Segment } from './segment.ts'
import { segmentFiles } from './segment-files.ts'
import { planLegs, type SegmentLegs } from './segment-legs.ts'
import { tornName } from './torn-name.ts'
import { type PartitionReport, type VerifyOptions } from './verify.ts'

const MAX_FILE_BYTES = 64 * 1024 * 1024

/** One thing that a repair does, for people. */
export interface RepairStep {
  readonly path: string
  readonly position: number | undefined
  readonly message: string
}

/** What is to be done to the `.log` file of a segment: pieces of the old file, and what comes instead of the others. */
type Edit =
  | { readonly kind: 'keep'; readonly from: number; to: number }
  | { readonly kind: 'aside'; readonly from: number; readonly to: number }
  | { readonly kind: 'put'; readonly bytes: Buffer }

interface SegmentEdit {
  readonly baseOffset: number
  readonly path: string
  /** The file is there. */
  readonly exists: boolean
  readonly edits: readonly Edit[]
  /** Where the bytes that were certainly synced end in the new file. */
  readonly certainEnd: number
}

/** What is to be done to a partition. */
export interface PartitionRepair {
  readonly options: VerifyOptions
  readonly steps: readonly RepairStep[]
  readonly segments: readonly SegmentEdit[]
  /** Base offsets of the segments whose indexes are made again. */
  readonly rebuilt: readonly number[]
  /** Files that are set aside as they are. */
  readonly moved: readonly string[]
  /** Files that are written. */
  readonly written: readonly { readonly path: string; readonly bytes: Buffer }[]
}

/** Plans the repair of the damage that a check found, and of missing indexes wherever they are missing. Changes nothing. */
export function planRepair(files: FileSystem, options: VerifyOptions, report: PartitionReport): PartitionRepair {
  return new Planning(files, options, report.findings.filter(({ kind, reason }) => kind === 'damage' || reason === 'missing-file')).run()
}

/** Carries a plan out. Everything is durable when it resolves. */
export async function applyRepair(env: LogEnvironment, config: LogConfig, repair: PartitionRepair): Promise<void> {
  const { files } = env
  const { folder, state } = repair.options
  // 1 What is wrong as a whole goes aside, and what can be told without it is written.
  for (const path of repair.moved) files.renameSync(path, files.join(folder, tornName(files, folder, path.split(/[\\/]/).at(-1)!)))
  for (const { path, bytes } of repair.written) await writeFileAtomically(files, path, bytes)
  // 2 The segments. The mark never speaks of more than there is: it moves up before its segment grows, down after it shrank.
  const marked = repair.segments.find(({ baseOffset }) => baseOffset === state?.baseOffset)
  const moved = marked === undefined || state === undefined ? undefined : { ...state, position: marked.certainEnd, closed: false }
  if (moved !== undefined && moved.position > state!.position) await writeMark(env, repair.options, moved)
  for (const segment of repair.segments) await rewriteSegment(env, folder, segment)
  if (moved !== undefined) await writeMark(env, repair.options, moved)
  // 3 The indexes.
  rebuildIndexes(env, config, repair)
  if (files.durable) await files.syncFolder(folder)
}

class Planning {
  readonly #files: FileSystem
  readonly #options: VerifyOptions
  readonly #damage: readonly Finding[]
  readonly #steps: RepairStep[] = []
  readonly #moved: string[] = []
  readonly #written: { path: string; bytes: Buffer }[] = []
  readonly #rebuilt = new Set<number>()
  #due = 0

  constructor(files: FileSystem, options: VerifyOptions, damage: readonly Finding[]) {
    this.#files = files
    this.#options = options
    this.#damage = damage
  }

  run(): PartitionRepair {
    const { folder } = this.#options
    const plan = planFolder(this.#files, folder, hintedLogStart(this.#files, folder), this.#options.state)
    const { segments, segmentMissing, certainOffset } = planLegs(this.#files, folder, plan, this.#options)
    this.#planSideFiles(segments)
    for (const { name } of plan.snapshots) {
      if (this.#isDamaged(this.#path(name))) this.#moveAside(this.#path(name), 'it is made again when the log opens')
    }
    this.#due = segments[0]?.baseOffset ?? 0
    const edits = segments.flatMap((segment) => this.#planSegment(segment, certainOffset))
    if (segmentMissing) edits.push(this.#missingSegment(this.#options.state!))
    for (const { baseOffset, files } of segments) {
      const names = [files.index, files.timeIndex, files.txnIndex].map((name) => this.#path(name))
      const damaged = names.find((path) => this.#isDamaged(path))
      if (damaged === undefined || this.#rebuilt.has(baseOffset)) continue
      this.#rebuilt.add(baseOffset)
      this.#step(damaged, undefined, 'the indexes of the segment are made again from its log')
    }
    return { options: this.#options, steps: this.#steps, segments: edits, rebuilt: [...this.#rebuilt], moved: this.#moved, written: this.#written }
  }

  #path(name: string): string {
    return this.#files.join(this.#options.folder, name)
  }

  #step(path: string, position: number | undefined, message: string): void {
    this.#steps.push({ path, position, message })
  }

  #isDamaged(path: string): boolean {
    return this.#damage.some((finding) => finding.path === path)
  }

  #moveAside(path: string, instead: string): void {
    if (this.#files.statSync(path) !== undefined) this.#moved.push(path)
    this.#step(path, undefined, `set aside; ${instead}`)
  }

  #planSideFiles(segments: readonly SegmentLegs[]): void {
    const metadata = this.#path(PARTITION_METADATA_FILE)
    const { topicId } = this.#options
    if (this.#isDamaged(metadata) && (topicId !== undefined || this.#files.statSync(metadata) !== undefined)) {
      this.#moveAside(metadata, topicId === undefined ? 'the topic gets a new id' : 'the topic id is that of the catalog')
      if (topicId !== undefined) this.#written.push({ path: metadata, bytes: encodePartitionMetadata(topicId) })
    }
    const start = this.#path(LOG_START_FILE)
    if (this.#isDamaged(start)) this.#moveAside(start, 'the log begins with its first segment, of which some records may have been deleted')
    const epochs = this.#path(LEADER_EPOCH_FILE)
    if (this.#isDamaged(epochs)) {
      this.#moveAside(epochs, 'it is made again from the batches')
      this.#written.push({ path: epochs, bytes: encodeLeaderEpochs(this.#epochsOfBatches(segments).entries) })
    }
  }

  #epochsOfBatches(segments: readonly SegmentLegs[]): Epochs {
    const epochs = new Epochs()
    for (const segment of segments) {
      this.#walk(segment, (piece) => {
        if (piece.kind === 'batch') epochs.observe(piece.batch.header.leaderEpoch, piece.batch.header.baseOffset)
      })
    }
    return epochs
  }

  #walk({ files, baseOffset, legs }: SegmentLegs, visit: (piece: Piece) => void): void {
    const file = this.#files.openSync(this.#path(files.log), 'read')
    try {
      for (const { startOffset = baseOffset, ...leg } of legs) {
        for (const piece of walkSegment(file, { ...leg, baseOffset: startOffset })) visit(piece)
      }
    } finally {
      file.closeSync()
    }
  }

  /** The edits of a segment; none when its log is whole. */
  #planSegment(segment: SegmentLegs, certainOffset: number): SegmentEdit[] {
    const path = this.#path(segment.files.log)
    const lastLeg = segment.legs.at(-1)
    if (!this.#isDamaged(path)) {
      if (lastLeg !== undefined && lastLeg.endOffset !== Infinity) this.#due = lastLeg.endOffset
      return []
    }
    const draft = new Draft(this.#epochsForBatches(path), (position, message) => this.#step(path, position, message))
    let certainEnd = 0
    const file = this.#files.openSync(path, 'read')
    try {
      for (const leg of segment.legs) {
        draft.due = leg.startOffset ?? Math.max(this.#due, segment.baseOffset)
        let kept = leg.from
        for (const piece of walkSegment(file, { ...leg, baseOffset: draft.due })) {
          // A tail that may be torn is recovery's business; of Kafka's only offsets tell where that begins.
          if (!leg.certain && draft.due >= certainOffset) break
          kept = draft.take(file, piece, this.#options.foreign !== undefined)
        }
        draft.keep(kept, leg.to)
        if (!leg.certain) break
        // We know where a segment of ours ends; of Kafka's, that a hole of ours must be filled.
        if (leg.endOffset !== Infinity && (draft.hole || this.#options.foreign === undefined)) draft.fill(leg.endOffset)
        certainEnd = draft.size
      }
    } finally {
      file.closeSync()
    }
    this.#due = draft.due
    this.#rebuilt.add(segment.baseOffset)
    const { state } = this.#options
    if (state?.baseOffset === segment.baseOffset && certainEnd !== state.position) {
      this.#step(path, certainEnd, `the mark says that it ends here, and not at ${state.position}`)
    }
    return [{ baseOffset: segment.baseOffset, path, exists: true, edits: draft.edits, certainEnd }]
  }

  /** Where the checkpoint of epochs is right and a batch is not, its epoch is corrected. */
  #epochsForBatches(path: string): Epochs | undefined {
    if (!this.#damage.some((finding) => finding.path === path && finding.reason === 'leader-epoch')) return undefined
    const epochPath = this.#path(LEADER_EPOCH_FILE)
    const bytes = readFileSync(this.#files, epochPath, MAX_FILE_BYTES)
    return bytes === undefined ? undefined : new Epochs(parseLeaderEpochs(bytes, epochPath))
  }

  #missingSegment({ baseOffset, syncedOffset, epoch }: MarkState): SegmentEdit {
    const path = this.#path(segmentFiles(baseOffset).log)
    const bytes = placeholder(baseOffset, syncedOffset, epoch)
    this.#step(path, undefined, `made again without its records: offsets ${baseOffset}..${syncedOffset - 1} are lost`)
    this.#rebuilt.add(baseOffset)
    return { baseOffset, path, exists: false, edits: [{ kind: 'put', bytes }], certainEnd: bytes.length }
  }
}

/** The new `.log` file of a segment, in edits of the old one. */
class Draft {
  readonly edits: Edit[] = []
  /** Bytes of the new file so far. */
  size = 0
  /** The offset that is due. */
  due = 0
  /** Something was taken out just before `due`. */
  hole = false
  readonly #epochs: Epochs | undefined
  readonly #step: (position: number | undefined, message: string) => void
  #leaderEpoch = -1

  constructor(epochs: Epochs | undefined, step: (position: number | undefined, message: string) => void) {
    this.#epochs = epochs
    this.#step = step
  }

  keep(from: number, to: number): void {
    if (to <= from) return
    const last = this.edits.at(-1)
    if (last?.kind === 'keep' && last.to === from) last.to = to
    else this.edits.push({ kind: 'keep', from, to })
    this.size += to - from
  }

  /** A batch without records for the offsets that are missing up to `end`. */
  fill(end: number): void {
    this.hole = false
    if (end <= this.due) return
    const bytes = placeholder(this.due, end, this.#leaderEpoch)
    this.#step(undefined, `offsets ${this.due}..${end - 1} are lost; a batch without records stands for them`)
    this.#put(bytes)
    this.due = end
  }

  /** Takes the next piece in, or leaves it out, and gives where it ends in the old file. */
  take(file: FileHandle, piece: Piece, foreign: boolean): number {
    const { position, size } = 'batch' in piece ? { position: piece.batch.position, size: piece.batch.header.size } : piece
    if (piece.kind === 'damage') this.#setAside(position, size, inWords(piece.reason))
    else if (piece.kind === 'zeros') {
      // Of room that was never used there are no bytes worth keeping.
      if (foreign) this.keep(position, position + size)
    } else this.#takeBatch(file, piece)
    return position + size
  }

  #takeBatch(file: FileHandle, piece: Piece & { readonly kind: 'batch' | 'misplaced' }): void {
    const { position, header, problem } = piece.batch
    const baseOffset = piece.kind === 'batch' ? header.baseOffset : piece.belongsAt
    if (problem !== undefined) return this.#setAside(position, header.size, 'a batch with malformed records')
    if (baseOffset === undefined) return this.#setAside(position, header.size, inWords('offset-order'))
    if (this.hole) this.fill(baseOffset)
    const leaderEpoch = this.#epochs?.epochAt(baseOffset) ?? header.leaderEpoch
    this.#leaderEpoch = leaderEpoch
    if (baseOffset !== header.baseOffset || leaderEpoch !== header.leaderEpoch) this.#correct(file, piece.batch, baseOffset, leaderEpoch)
    else this.keep(position, position + header.size)
    this.due = baseOffset + header.lastOffsetDelta + 1
  }

  #put(bytes: Buffer): void {
    this.edits.push({ kind: 'put', bytes })
    this.size += bytes.length
  }

  #setAside(position: number, size: number, reason: string): void {
    this.hole = true
    this.edits.push({ kind: 'aside', from: position, to: position + size })
    this.#step(position, `${size} bytes are set aside: ${reason}`)
  }

  /** Base offset and leader epoch are outside the checksum, so they can be put right without touching the rest. */
  #correct(file: FileHandle, { position, header }: FoundBatch, baseOffset: number, leaderEpoch: number): void {
    const bytes = Buffer.alloc(LEADER_EPOCH_AT + 4)
    readFullySync(file, bytes, 0, bytes.length, position)
    setInt64(bytes, BASE_OFFSET_AT, baseOffset)
    setInt32(bytes, LEADER_EPOCH_AT, leaderEpoch)
    this.#put(bytes)
    this.keep(position + bytes.length, position + header.size)
    const what = baseOffset === header.baseOffset ? `leader epoch is ${leaderEpoch} again` : `base offset is ${baseOffset} again`
    this.#step(position, `the ${what}; the batch is whole`)
  }
}

/** A batch without records that stands for the offsets from `baseOffset` up to `end`. */
function placeholder(baseOffset: number, end: number, leaderEpoch: number): Buffer {
  return encodeBatch([], { baseOffset, lastOffset: end - 1, leaderEpoch })
}

async function rewriteSegment({ files, openFiles }: LogEnvironment, folder: string, segment: SegmentEdit): Promise<void> {
  const { path, exists, edits, baseOffset } = segment
  if (exists && edits.every(({ kind }) => kind === 'keep') && edits.length <= 1) return
  const name = segmentName(baseOffset)
  const temporary = files.join(folder, `repair-${name}`)
  if (files.statSync(temporary) !== undefined) files.removeSync(temporary)
  const source = exists ? files.openSync(path, 'read') : undefined
  try {
    for (const edit of edits) {
      if (edit.kind === 'aside') await writeNewFile(files, files.join(folder, tornName(files, folder, name)), piecesOf(source!, edit.from, edit.to))
    }
    await writeNewFile(files, temporary, piecesOfEdits(source, edits))
  } finally {
    source?.closeSync()
  }
  // The damaged bytes are safe beside: only now the whole ones take their place.
  if (files.durable) await files.syncFolder(folder)
  openFiles.forget(path)
  files.renameSync(temporary, path)
  if (files.durable) await files.syncFolder(folder)
}

/** The file of some edits, in pieces. */
function* piecesOfEdits(source: FileHandle | undefined, edits: readonly Edit[]): Generator<Uint8Array, void> {
  for (const edit of edits) {
    if (edit.kind === 'put') yield edit.bytes
    else if (edit.kind === 'keep') yield* piecesOf(source!, edit.from, edit.to)
  }
}

async function writeMark(env: LogEnvironment, { topicId, partition }: VerifyOptions, state: MarkState): Promise<void> {
  if (topicId === undefined) return       // then the mark said nothing of it either
  env.mark.slot(topicId, partition).write(state)
  await env.mark.sync()
}

/** Makes the indexes of some segments again from their logs; what was aborted is found by a replay of the producers. */
function rebuildIndexes(env: LogEnvironment, config: LogConfig, { options, rebuilt }: PartitionRepair): void {
  if (rebuilt.length === 0) return
  const { files } = env
  const { folder } = options
  const segments = planFolder(files, folder, hintedLogStart(files, folder), options.state).segments.map(({ baseOffset, files: names }) => {
    const paths = [names.index, names.timeIndex, names.txnIndex].map((name) => files.join(folder, name))
    if (rebuilt.includes(baseOffset)) for (const path of paths) if (files.statSync(path) !== undefined) files.removeSync(path)
    return Segment.open(env, config, folder, baseOffset, names, files.statSync(files.join(folder, names.log))!.size)
  })
  const chosen = segments.filter(({ baseOffset }) => rebuilt.includes(baseOffset))
  for (const segment of chosen) segment.rebuildIndexes()
  const producers = new ProducerState()
  producers.reset(segments[0]!.baseOffset)
  replayProducers(producers, segments, segments[0]!.baseOffset, Infinity)
  for (const segment of chosen) segment.flushTxnIndex()
}
