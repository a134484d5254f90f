/*
 * States of long streams, so that they need not be folded from their beginning: the newest of each stream, in a compacted topic beside the
 * category. A snapshot says which fold made it, of which version, and which event it ends with; one that does not fit is as good as none.
 */
import { isLogError } from '../base/errors.ts'
import { msgpack, string } from '../topics/codecs.ts'
import { type TopicCore, logOf } from '../topics/topic-core.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { type StreamCore } from './stream-core.ts'
import { takeInTurns } from './take-in-turns.ts'

/** What is stored of a state. */
interface Snapshot {
  readonly state: unknown
  readonly version: number
  /** Position of the event that it ends with, and that event's id: another history has another event there. */
  readonly position: number
  readonly id: string
}

const codecs: RecordCodecs<string, Snapshot> = { key: string, value: msgpack<Snapshot>() }
/** Snapshots of a fold whose places are known, those that were made last: some 100 bytes each, and the id of the stream. */
const MOST_PLACES = 250_000
/** Where they cannot be read, they are looked for again after so many times as long as that took: loads must not each wait for it. */
const RETRY_RATIO = 20

const untouched: RecordCodecs<string, null> = { key: string, value: { name: 'bytes', encode: () => {}, decode: () => null } }

/** The topic that holds the snapshots of a category. */
export function snapshotTopic(category: string): string {
  return `${category}.snapshots`
}

/** Snapshots of one fold. */
export class SnapshotStore<State> {
  readonly every: number
  readonly #name: string
  readonly #core: StreamCore
  readonly #most: number
  /** By stream, the newest last. */
  #places: Map<string, number> | undefined
  #opening: Promise<PartitionLog | undefined> | undefined
  /** Before this time they are not looked for: they could not be read. */
  #retryAt = -Infinity

  /**
   * @param name  of the fold and its version, in the category
   * @param most  snapshots whose places are known
   */
  constructor(core: StreamCore, name: string, every: number, most = MOST_PLACES) {
    this.#core = core
    this.#name = name
    this.every = every
    this.#most = most
  }

  /** Streams of which it knows a snapshot. */
  get known(): number {
    return this.#places?.size ?? 0
  }

  /** The newest snapshot of a stream that is of its history. */
  async find(stream: string, core: StreamCore, slot: number): Promise<{ readonly state: State; readonly version: number } | undefined> {
    try {
      const log = await this.#open(false)
      const offset = this.#places?.get(stream)
      if (log === undefined || offset === undefined || core.index.keptFrom(slot) > 1) return undefined
      const [record] = log.read(codecs, { from: offset, to: offset + 1 })
      const snapshot = record?.value
      if (snapshot === null || snapshot === undefined || snapshot.version > core.index.table.version(slot)) return undefined
      const [event] = await core.readSlot(slot, { from: snapshot.version, to: snapshot.version, limit: 1, backward: false })
      const same = event !== undefined && event.position === snapshot.position && event.id === snapshot.id
      return same ? { state: snapshot.state as State, version: snapshot.version } : undefined
    } catch (error) {
      if (!isLogError(error)) throw error
      return undefined
    }
  }

  /** Keeps a state when enough events came since the one that it was made of. What cannot be kept is not missed. */
  maybeKeep(stream: string, kept: { readonly state: State; readonly version: number; readonly offset: number }, since: number): void {
    const { state, version, offset } = kept
    if (version - since < this.every || this.#core.logCore.readOnly) return
    // None is believed of a stream that has forgotten some.
    const { index } = this.#core
    if (index.keptFrom(index.table.find(stream)) > 1) return
    void this.#keep(stream, state, version, offset).catch(() => {})
  }

  async #keep(stream: string, state: State, version: number, offset: number): Promise<void> {
    const log = await this.#open(true)
    const event = await this.#core.eventAt(offset)
    if (log === undefined || event === undefined || event.version !== version) return
    const at = log.append(codecs, { key: this.#key(stream), value: { state, version, position: offset, id: event.id } })
    await log.durable(at)
    this.#place(this.#places!, stream, at)
  }

  #key(stream: string): string {
    return `${this.#name}/${stream}`
  }

  /** The topic of the snapshots, with the places of those of this fold; undefined when there is none, or it could not be read a moment ago. */
  async #open(create: boolean): Promise<PartitionLog | undefined> {
    const { clock } = this.#core.logCore.env
    if (this.#opening !== undefined) {
      const log = await this.#opening
      if (log !== undefined || !create) return log
    }
    const began = clock.monotonic()
    if (began < this.#retryAt) return undefined
    const opening = this.#openTopic(create)
    this.#opening = opening
    // What could not be read once may be readable the next time.
    opening.catch(() => {
      if (this.#opening !== opening) return
      this.#opening = undefined
      const now = clock.monotonic()
      this.#retryAt = now + RETRY_RATIO * (now - began)
    })
    return opening
  }

  async #openTopic(create: boolean): Promise<PartitionLog | undefined> {
    let topic: TopicCore
    try {
      topic = await this.#core.logCore.openTopic({
        name: snapshotTopic(this.#core.name), partitions: 1, key: codecs.key.name, value: codecs.value.name, create,
        settings: { cleanupPolicy: 'compact' }, newKey: codecs.key.name, newValue: codecs.value.name,
      })
    } catch (error) {
      if (isLogError(error)) return undefined
      throw error
    }
    const log = logOf(topic, 0)
    const places = new Map<string, number>()
    const prefix = this.#key('')
    await takeInTurns(log.read(untouched), this.#core.logCore.env.clock, ({ key, offset, valueBytes }) => {
      if (key?.startsWith(prefix) !== true) return
      const stream = key.slice(prefix.length)
      if (valueBytes === null) places.delete(stream)
      else this.#place(places, stream, offset)
    })
    // Of two who opened it at once the second may not know what the first has kept since.
    this.#places ??= places
    return log
  }

  /** Where the snapshot of a stream is; the oldest one is given up when there are too many. */
  #place(places: Map<string, number>, stream: string, offset: number): void {
    places.delete(stream)
    places.set(stream, offset)
    if (places.size <= this.#most) return
    for (const oldest of places.keys()) {
      places.delete(oldest)
      break
    }
  }
}
