/*
 * The events of a category as consumers of Emmett 0.43 read them: what is stored, a word that this is all, and then what comes, which it is
 * told of. So there is no interval to poll by. An event is known to processors by its position, 19 digits.
 */
import { type LocalEventStore } from '../events/event-store.ts'
import { type EventShape, type RecordedEvent } from '../events/types.ts'
import { type EmmettRecorded } from './types.ts'

/** Where a reading begins: behind a checkpoint, or at one of Emmett's places. */
export type SourceStart = 'BEGINNING' | 'END' | { readonly lastCheckpoint: string }

/** How a position is written in 0.43: as text that sorts like the number. */
export function checkpointOf(position: number): string {
  return String(position).padStart(19, '0')
}

/** What is below every checkpoint: where a store without events is caught up. */
const BEFORE_ALL = '0'

/** A `MessageSource` of Emmett 0.43. */
export class EventSource {
  readonly #store: LocalEventStore
  readonly #recorded: (event: RecordedEvent<EventShape>) => EmmettRecorded
  readonly #caughtUp: (checkpoint: string) => unknown

  constructor(store: LocalEventStore, recorded: (event: RecordedEvent<EventShape>) => EmmettRecorded, caughtUp: (checkpoint: string) => unknown) {
    this.#store = store
    this.#recorded = recorded
    this.#caughtUp = caughtUp
  }

  /** Gives events in their order, for ever; it ends when the signal is aborted. */
  async *read({ from, signal }: { readonly from: SourceStart; readonly signal: AbortSignal }): AsyncGenerator<unknown> {
    let next = this.#startAt(from)
    let last = next === 0 ? BEFORE_ALL : checkpointOf(next - 1)
    try {
      for (let until: 'end' | undefined = 'end'; !signal.aborted;) {
        for await (const events of this.#store.all({ from: next, signal, ...(until !== undefined && { until }) }).batches()) {
          for (const event of events) yield this.#recorded(event)
          next = events.at(-1)!.position + 1
          last = checkpointOf(next - 1)
          if (until === undefined) break
        }
        if (until === 'end') yield this.#caughtUp(last)
        until = until === 'end' ? undefined : 'end'
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  /** The checkpoint of the last event; null when there is none. */
  async readLastMessageCheckpoint(): Promise<string | null> {
    const end = this.#store.durablePosition
    // At the end may be what is the store's own, so it looks further and further back.
    for (let count = 1; ; count *= 16) {
      const from = Math.max(0, end - count)
      let last: number | undefined
      for await (const events of this.#store.all({ from, until: 'end' }).batches()) last = events.at(-1)!.position
      if (last !== undefined) return checkpointOf(last)
      if (from === 0) return null
    }
  }

  /** The store is its user's to close. */
  close(): Promise<void> {
    return Promise.resolve()
  }

  #startAt(from: SourceStart): number {
    if (from === 'BEGINNING') return 0
    return from === 'END' ? this.#store.durablePosition : Number(from.lastCheckpoint) + 1
  }
}
