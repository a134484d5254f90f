/*
 * A projection whose rows are in the user's own database: events are handed over in batches, with the checkpoint to be stored in the same
 * transaction. Whatever crashes, the database has each event once, since rows and checkpoint are there together or not at all.
 */
import { LogError } from '../base/errors.ts'
import { checkFunction, checkInteger, checkOptions } from '../base/options.ts'
import { attempted, checkRetry, type Follower, FollowerLoop, type RetryOptions } from './follower.ts'
import { checkProjectionName } from './projection-types.ts'
import { partsOf, type StoreParts } from './store-parts.ts'
import { type EventShape, type EventStore, type RecordedEvent } from './types.ts'

/** How events get into a database. */
export interface ProjectIntoOptions<E extends EventShape, Type extends E['type'] = E['type']> {
  /** For messages. Letters, digits, `_` and `-`. */
  readonly name: string
  /** The checkpoint that the database has: what `write` was given last; null or undefined when there is none. */
  readonly checkpoint: () => string | null | undefined | Promise<string | null | undefined>
  /** Changes the rows and stores the checkpoint, in one transaction. Without events, only the checkpoint moves. */
  readonly write: (events: readonly RecordedEvent<Extract<E, { readonly type: Type }>>[], checkpoint: string) => unknown
  /** Only events of these types. Default: all. */
  readonly types?: readonly Type[]
  /** Events at a time, at most. Default 500. */
  readonly batch?: number
  /** What a write that fails is tried again by; then it stops. Default: 5 attempts. */
  readonly retry?: RetryOptions
}

/** Positions after which the checkpoint is stored though no event was of a type that is wanted. */
const MOVE_EVERY = 10_000

/**
 * Follows a store into a database, from the checkpoint that the database has.
 *
 * @throws LogError `LOG_CHECKPOINT_AHEAD` when the database knows events that the store does not have; `LOG_DECODE_FAILED` for a checkpoint
 *   that is none
 */
export async function projectInto<E extends EventShape, Type extends E['type'] = E['type']>(
  store: EventStore<E>, options: ProjectIntoOptions<E, Type>,
): Promise<Follower> {
  checkOptions(options ?? null, ['name', 'checkpoint', 'write', 'types', 'batch', 'retry'], 'projectInto')
  const { name, checkpoint, write, types, batch = 500, retry = {} } = options
  checkProjectionName(name)
  checkFunction(checkpoint ?? null, 'checkpoint')
  checkFunction(write ?? null, 'write')
  checkInteger(batch, 'batch', 1)
  checkRetry(retry)
  const parts = partsOf(store)
  const wanted = types === undefined ? undefined : new Set<string>(types)
  let waiting: RecordedEvent<E>[] = []
  let written = 0
  const flush = async (position: number): Promise<void> => {
    const events = waiting as never
    const text = `${parts.partition.leaderEpoch}:${position}`
    await attempted(async () => { await write(events, text) }, retry, parts.clock, loop.stopping.signal)
    waiting = []
    written = position
  }
  const loop = new FollowerLoop<E>(name, store, parts, {
    load: async () => {
      waiting = []
      return (written = positionOf(await checkpoint(), parts as StoreParts, name))
    },
    handle: (event) => {
      if (wanted !== undefined && !wanted.has(event.type)) return undefined
      waiting.push(event)
      return waiting.length < batch ? undefined : flush(event.position + 1)
    },
    quiet: (position) => (waiting.length > 0 || position - written >= MOVE_EVERY ? flush(position) : undefined),
  })
  await loop.start()
  return loop
}

function positionOf(stored: string | null | undefined, { partition }: StoreParts, name: string): number {
  if (stored === null || stored === undefined) return 0
  const [, epoch, position] = /^(-?\d{1,10}):(\d{1,16})$/.exec(stored) ?? []
  if (position === undefined) throw new LogError('LOG_DECODE_FAILED', `${JSON.stringify(stored)} is no checkpoint of ${name}`, { name })
  const offset = Number(position)
  const common = partition.epochs.divergence({ epoch: Number(epoch), offset }, partition.highWatermark)
  if (common >= offset) return offset
  const message = `the database of ${name} knows events up to ${offset}, of which the store has those below ${common}: build it anew`
  throw new LogError('LOG_CHECKPOINT_AHEAD', message, { name, position: offset, common })
}
