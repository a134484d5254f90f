/*
 * What is certain of the segments of a partition before any of their bytes are read: up to where they were synced. Recovery asks the same
 * when a log opens (recovery.ts); here it is for those who look at damage, verify.ts and repair.ts.
 */
import { type FileSystem } from '../files/file-system.ts'
import { type FolderPlan } from './folder-plan.ts'
import { type MarkState } from './mark.ts'
import { type ForeignState } from './open-partition.ts'
import { type SegmentFiles } from './segment-files.ts'

/** A part of a `.log` file, of which all bytes were certainly synced or none. */
export interface Leg {
  readonly from: number
  readonly to: number
  /** Its first batch is not below this offset; undefined: where the leg before ends. */
  readonly startOffset: number | undefined
  /** Its last batch is below this offset; Infinity when that is not known. */
  readonly endOffset: number
  /** The offset at `to`, when that is known: past the last batch when the one behind was cut, which goes whole. */
  readonly nextOffset?: number | undefined
  readonly certain: boolean
}

/** A segment in legs. */
export interface SegmentLegs {
  readonly baseOffset: number
  readonly files: SegmentFiles
  readonly size: number
  readonly legs: readonly Leg[]
  /** Some of it was certainly synced, and with it its indexes. */
  readonly certain: boolean
}

/** The segments of a partition in legs. */
export interface PlannedLegs {
  readonly segments: readonly SegmentLegs[]
  /** The partition was closed in good order. */
  readonly clean: boolean
  /** The segment that the mark speaks of is not there, though bytes of it were synced. */
  readonly segmentMissing: boolean
  /** Offsets below it were certainly synced. */
  readonly certainOffset: number
  /** Snapshots of producers below this offset were certainly synced. */
  readonly certainSnapshot: number
}

/** What is said of a partition beside its folder. */
export interface CertainFacts {
  /** What the mark says. */
  readonly state: MarkState | undefined
  /** What Kafka's files say, in a folder that Kafka wrote. */
  readonly foreign: ForeignState | undefined
  /** A writer lives: what lies behind the mark is being written, and is left out. */
  readonly following: boolean
}

/** Plans the legs of the segments in `folder`. Reads nothing but the sizes of files. */
export function planLegs(files: FileSystem, folder: string, plan: FolderPlan, facts: CertainFacts): PlannedLegs {
  const { state, foreign } = facts
  const sized = plan.segments.map((segment) => ({ ...segment, size: files.statSync(files.join(folder, segment.files.log))?.size ?? 0 }))
  if (state !== undefined) return markedLegs(sized, state, facts.following)
  // Without a mark: what was rolled away counts as synced, or what Kafka's recovery point says.
  const certainOffset = foreign?.recoveryPoint ?? 0
  const certainEnd = foreign?.recoveryPoint ?? sized.at(-1)?.baseOffset ?? 0
  const clean = foreign?.clean === true
  const segments = sized.map((segment, number) => {
    const endOffset = sized[number + 1]?.baseOffset ?? Infinity
    return wholeSegment(segment, endOffset, clean || endOffset <= certainEnd)
  })
  return { segments, clean, segmentMissing: false, certainOffset, certainSnapshot: certainEnd }
}

type Sized = Pick<SegmentLegs, 'baseOffset' | 'files' | 'size'>

function markedLegs(all: readonly Sized[], state: MarkState, following: boolean): PlannedLegs {
  const sized = following ? all.filter(({ baseOffset }) => baseOffset <= state.baseOffset) : all
  const last = sized.at(-1)
  const clean = state.closed && last !== undefined && last.baseOffset === state.baseOffset && last.size === state.position
  const marked = sized.findIndex(({ baseOffset }) => baseOffset === state.baseOffset)
  const segments = sized.map((segment, number) => {
    const next = sized[number + 1]?.baseOffset
    if (number === marked) return markedSegment(segment, state, next ?? Infinity, { clean, following })
    const certain = segment.baseOffset < state.baseOffset
    // A segment below the mark ends where the next one begins, also when that is missing.
    return wholeSegment(segment, next ?? (certain ? state.baseOffset : Infinity), certain)
  })
  const { baseOffset, syncedOffset, position } = state
  const certainSnapshot = state.closed ? syncedOffset : baseOffset
  return { segments, clean, segmentMissing: marked < 0 && position > 0, certainOffset: syncedOffset, certainSnapshot }
}

function wholeSegment(segment: Sized, endOffset: number, certain: boolean): SegmentLegs {
  return { ...segment, legs: [{ from: 0, to: segment.size, startOffset: undefined, endOffset, certain }], certain }
}

/** Up to the mark's position every byte was synced, and the offset there is known. */
function markedSegment(
  segment: Sized, { position, syncedOffset }: MarkState, endOffset: number, facts: { readonly clean: boolean; readonly following: boolean },
): SegmentLegs {
  const to = Math.min(position, segment.size)
  const nextOffset = to === position ? syncedOffset : undefined
  const synced = { from: 0, to, startOffset: undefined, endOffset: syncedOffset, nextOffset, certain: true }
  // A segment that begins below is one that was cut away, and came back.
  const behindEnd = endOffset >= syncedOffset ? endOffset : Infinity
  const behind = { from: to, to: segment.size, startOffset: syncedOffset, endOffset: behindEnd, certain: false }
  const legs = facts.clean || facts.following ? [synced] : [synced, behind]
  return { ...segment, legs, certain: facts.clean || position > 0 }
}
