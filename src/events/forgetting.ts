/*
 * Forgetting: events of a stream before a version, or all of a stream; and giving back the room that they take. What is forgotten is not read
 * any more as soon as that is stored; its bytes go when `freeForgotten` rewrites the segments that hold them. Versions and positions are never
 * given to other events. docs/events.md says what forgetting does not reach: views, snapshots of one's own, backups.
 */
import { LogError } from '../base/errors.ts'
import { checkOptions, checkSignal } from '../base/options.ts'
import { compactNow } from '../topics/cleaning.ts'
import { bytes, string } from '../topics/codecs.ts'
import { type LogCore } from '../topics/log-core.ts'
import { logOf } from '../topics/topic-core.ts'
import { EventParser } from './event-format.ts'
import { checkStream, checkVersion } from './event-input.ts'
import { forgettingEvent } from './reactor.ts'
import { partsOf, type StoreParts } from './store-parts.ts'
import { snapshotTopic } from './snapshot-store.ts'
import { takeInTurns } from './take-in-turns.ts'
import { type EventShape, type EventStore } from './types.ts'

/** What freeing the room of forgotten events did. */
export interface FreedReport {
  /** Events that are gone. */
  readonly events: number
  /** Of the segments that were rewritten, before and after. */
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly segments: number
}

/** A stream as it is listed. */
export interface StreamInfo {
  readonly stream: string
  readonly version: number
  /** It has events: false for one that was deleted. */
  readonly exists: boolean
  /** The first version that is kept. */
  readonly from: number
}

/**
 * Forgets the events of a stream below a version. They are not read any more when it resolves.
 *
 * @param before  up to one past the stream's version, which forgets all there are; at or below the first kept it does nothing
 * @throws LogError `LOG_VERSION_INVALID` when the stream has no such version; `LOG_STREAM_INVALID`, `LOG_READ_ONLY`
 */
export async function truncateStream<E extends EventShape>(
  store: EventStore<E>, stream: string, { before }: { readonly before: number },
): Promise<void> {
  checkStream(stream)
  checkVersion(before ?? null, 'before', 1)
  const { core } = partsOf(store)
  await core.settled()
  const head = store.head(stream)
  if (before > head + 1) {
    const message = `stream ${JSON.stringify(stream)} has ${head} versions: before is at most ${head + 1}, not ${before}`
    throw new LogError('LOG_VERSION_INVALID', message, { stream, before, current: head })
  }
  await forget(partsOf(store), stream, before, 'any')
}

/**
 * Deletes a stream: all events that it has now are forgotten, and it does not exist. What is appended later continues its versions.
 *
 * @returns the version that it had; 0 when there was no such stream
 * @throws LogError `LOG_VERSION_CONFLICT` when it is not at `expected`, or somebody appends at the same time; `LOG_READ_ONLY`
 */
export async function deleteStream<E extends EventShape>(
  store: EventStore<E>, stream: string, options: { readonly expected?: number } = {},
): Promise<number> {
  checkStream(stream)
  checkOptions(options, ['expected'], 'deleteStream')
  checkVersion(options.expected, 'expected', 0)
  const parts = partsOf(store)
  await parts.core.settled()
  const head = store.head(stream)
  const { expected = head } = options
  const gone = await forget(parts, stream, head + 1, expected)
  if (gone || expected === head) return head
  const message = `stream ${JSON.stringify(stream)} of "${store.category}" is at version ${head}, and is to be deleted at version ${expected}`
  throw new LogError('LOG_VERSION_CONFLICT', message, { stream, expected, current: head, category: store.category })
}

/**
 * Rewrites the segments that hold forgotten events without them, in the background of whatever else happens. Streams that the store itself keeps,
 * such as the checkpoints of reactors, are tidied too.
 *
 * @throws LogError `LOG_READ_ONLY`, `LOG_CORRUPT`, `LOG_FENCED`; the reason of the signal
 */
export async function freeForgotten<E extends EventShape>(
  store: EventStore<E>, options: { readonly signal?: AbortSignal } = {},
): Promise<FreedReport> {
  checkOptions(options, ['signal'], 'freeForgotten')
  checkSignal(options.signal)
  const { core, partition, log } = partsOf(store)
  await core.settled()
  // What says that they are forgotten must be certain before they go.
  const kept = core.index.withoutPending(() => new Map(core.index.kept))
  // Streams have their numbers in this table: should the index be made again meanwhile, others may have them there.
  const { table } = core.index
  await partition.flush()
  if (kept.size === 0) return { events: 0, bytesBefore: 0, bytesAfter: 0, segments: 0 }
  await forgetSnapshots(log, core.name, (stream) => kept.has(table.find(stream)))
  await partition.roll()
  const parser = new EventParser()
  const { records, ...report } = await partition.erase((_, { start, end }, bytes) => {
    if (!parser.parseSized(bytes, start, end)) return false
    const first = kept.get(table.findBytes(bytes, parser.keyAt, parser.keyEnd))
    // One that forgets stays until another one forgets more.
    return first !== undefined && parser.version < first
  }, options.signal)
  return { events: records, ...report }
}

/** The streams of a category, in the order in which they began; not those that the store itself keeps. */
export async function* listStreams<E extends EventShape>(store: EventStore<E>): AsyncIterableIterator<StreamInfo> {
  const { core: { index }, core, clock } = partsOf(store)
  await core.settled()
  for (let slot = 0; slot < index.table.count; slot++) {
    const stream = index.table.idOf(slot)
    // One whose first append was refused or lost has a number, and never was.
    const version = index.table.version(slot)
    if (version > 0 && !stream.startsWith('$')) yield { stream, version, exists: index.exists(slot), from: index.keptFrom(slot) }
    if (slot % 1024 === 1023) await new Promise<void>((resolve) => clock.defer(resolve))
  }
}

/** Snapshots of what was forgotten are not used any more: they go too. */
async function forgetSnapshots(log: LogCore, category: string, isForgotten: (stream: string) => boolean): Promise<void> {
  const name = snapshotTopic(category)
  if (!log.topics.some((topic) => topic.name === name)) return
  const topic = await log.openTopic({
    name, create: false, partitions: undefined, key: undefined, value: undefined, settings: {}, newKey: undefined, newValue: undefined,
  })
  const snapshots = logOf(topic, 0)
  const there = new Map<string, boolean>()
  await takeInTurns(snapshots.read({ key: string, value: bytes }), log.env.clock, ({ key, valueBytes }) => {
    // A key is the name of the fold and the stream; either may have slashes in it, and one that goes for nothing is made again.
    if (key !== null && parts(key).some(isForgotten)) there.set(key, valueBytes !== null)
  })
  const gone = [...there].filter(([, stored]) => stored).map(([key]) => key)
  if (gone.length === 0) return
  for (const key of gone) snapshots.append({ key: string, value: bytes }, { key, value: null })
  await snapshots.flush()
  await compactNow(snapshots)
}

function parts(key: string): string[] {
  return [...key.matchAll(/\//g)].map(({ index }) => key.slice(index + 1))
}

async function forget<E extends EventShape>(
  { core, store }: StoreParts<E>, stream: string, keptFrom: number, expected: number | 'any',
): Promise<boolean> {
  const slot = core.index.table.find(stream)
  if (slot < 0 || keptFrom <= core.index.keptFrom(slot)) return false
  await core.append([{ stream, events: [forgettingEvent(keptFrom)], expected }], store.codecs, undefined)
  return true
}
