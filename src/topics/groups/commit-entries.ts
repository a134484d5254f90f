/*
 * What a user may hand to `commit`, as offsets of partitions: a record stands for the offset behind it, positions say their offset.
 */
import { checkInteger, describe } from '../../base/options.ts'
import { type CommitEntry, type Place } from './member.ts'
import { MAX_METADATA } from './committed-offsets.ts'
import { placeKey } from './offset-table.ts'

/** A record, as far as its commit is concerned. */
export interface CommittedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** What tells a record from a position. */
  readonly timestamp: number
}

/** A position to commit: the offset of the next record to read. */
export type CommitPosition<P> = (P extends number ? { readonly partition: number } : P) & { readonly offset: number; readonly metadata?: string }

/** What may be committed: a record or records, each done with all before it in its partition; or positions. */
export type Committing<P> = CommittedRecord | readonly CommittedRecord[] | CommitPosition<P> | readonly CommitPosition<P>[]

/**
 * The offsets to commit; of one partition only the last.
 *
 * @throws TypeError or RangeError for what is no record and no position
 */
export function toEntries<P>(what: Committing<P>, metadata: string | undefined, toPlace: (given: P) => Place): CommitEntry[] {
  const entries = new Map<string, CommitEntry>()
  for (const given of Array.isArray(what) ? (what as readonly unknown[]) : [what]) {
    const entry = toEntry(given, metadata, toPlace)
    const key = placeKey(entry.topic, entry.partition)
    const before = entries.get(key)
    if (before === undefined || before.offset <= entry.offset) entries.set(key, entry)
  }
  return [...entries.values()]
}

function toEntry<P>(given: unknown, metadata: string | undefined, toPlace: (given: P) => Place): CommitEntry {
  if (typeof given !== 'object' || given === null || !('partition' in given) || !('offset' in given)) {
    throw new TypeError(`commit takes a record, { partition, offset }, or an array of them, not ${describe(given)}`)
  }
  const { topic, partition, offset } = given as { topic?: unknown; partition: unknown; offset: number }
  checkInteger(offset ?? null, 'the offset to commit', 0)
  const place = toPlace((topic === undefined ? partition : { topic, partition }) as P)
  const own = 'metadata' in given ? (given.metadata as string | undefined) : undefined
  const said = own ?? metadata
  checkMetadata(said)
  return { ...place, offset: 'timestamp' in given ? offset + 1 : offset, leaderEpoch: -1, ...(said !== undefined && { metadata: said }) }
}

/** Throws a TypeError for what cannot be kept beside a commit; undefined is nothing to keep. */
export function checkMetadata(metadata: unknown): void {
  if (metadata === undefined || (typeof metadata === 'string' && metadata.length <= MAX_METADATA)) return
  throw new TypeError(`metadata is a string of at most ${MAX_METADATA} characters, not ${describe(metadata)}`)
}
