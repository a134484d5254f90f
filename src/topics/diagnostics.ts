/*
 * What a log tells about itself: to `onEvent`, and on channels of node:diagnostics_channel for tools that watch from outside. Nothing is
 * put together while nobody listens, and nothing is ever printed.
 *
 * Channels: `commitlog:append`, `commitlog:round`, `commitlog:sync`, `commitlog:slow-sync`, `commitlog:roll`, `commitlog:compaction`,
 * `commitlog:retention`, `commitlog:recovery`, `commitlog:fenced`, `commitlog:disk-full`, `commitlog:housekeeping-failed`,
 * `commitlog:member-expired`. A message is the event with the log's folder as `log`; times are in ms, sizes in bytes.
 */
import { channel, type Channel } from 'node:diagnostics_channel'
import { type LogEvent } from '../log/environment.ts'

/** A sync that takes longer is also told on `commitlog:slow-sync`. */
const SLOW_SYNC_MS = 250

/** Something that happened in a log. */
export type LogNotice = LogEvent & { readonly log: string }

/** Called with what happens. What it throws is thrown from a microtask of its own, never into the log. */
export type LogListener = (event: LogNotice) => void

/** Records that were appended, before they are stored. */
export interface AppendNotice {
  readonly log: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

const appends = channel('commitlog:append')
const slowSyncs = channel('commitlog:slow-sync')
const channels: { readonly [Type in LogEvent['type']]: Channel } = {
  round: channel('commitlog:round'),
  sync: channel('commitlog:sync'),
  roll: channel('commitlog:roll'),
  compaction: channel('commitlog:compaction'),
  retention: channel('commitlog:retention'),
  'housekeeping-failed': channel('commitlog:housekeeping-failed'),
  'member-expired': channel('commitlog:member-expired'),
  recovery: channel('commitlog:recovery'),
  fenced: channel('commitlog:fenced'),
  'disk-full': channel('commitlog:disk-full'),
}
const allChannels = [slowSyncs, ...Object.values(channels)]

/** Whether somebody wants to know of every append. */
export function appendsWatched(): boolean {
  return appends.hasSubscribers
}

/** Tells of an append. */
export function tellAppend(notice: AppendNotice): void {
  appends.publish(notice)
}

/** The events of one log. */
export class LogEvents {
  readonly #log: string
  readonly #listeners = new Set<LogListener>()

  /** @param log  the folder, as messages name it */
  constructor(log: string) {
    this.#log = log
  }

  /** Tells an event to everyone who listens; undefined while nobody does. */
  get emit(): ((event: LogEvent) => void) | undefined {
    return this.#listeners.size > 0 || allChannels.some(({ hasSubscribers }) => hasSubscribers) ? this.#emit : undefined
  }

  /** Gives the function that ends it. */
  listen(listener: LogListener | undefined): () => void {
    if (listener === undefined) return () => {}
    // Wrapped, so that one function given twice listens twice.
    const own: LogListener = (event) => listener(event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  readonly #emit = (event: LogEvent): void => {
    const notice: LogNotice = { ...event, log: this.#log }
    for (const listener of this.#listeners) {
      try {
        listener(notice)
      } catch (error) {
        queueMicrotask(() => { throw error })
      }
    }
    if (channels[event.type].hasSubscribers) channels[event.type].publish(notice)
    if (event.type === 'sync' && event.ms >= SLOW_SYNC_MS && slowSyncs.hasSubscribers) slowSyncs.publish(notice)
  }
}
