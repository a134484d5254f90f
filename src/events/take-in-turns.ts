/*
 * Items that are read one after the other, however many there are, without holding the event loop. Unlike `readInTurns` it does not begin anew when
 * a compaction comes in between: for what is looked at again when it is used, or what nobody compacts meanwhile.
 */
import { type Clock } from '../base/clock.ts'
import { Pace } from '../log/pace.ts'

const SLICE_MS = 5
/** Items between two looks at the clock. */
const LOOK_EVERY = 64

/** Hands over all items, in slices of some milliseconds. */
export async function takeInTurns<T>(items: Iterable<T>, clock: Clock, take: (item: T) => void): Promise<void> {
  const pace = new Pace(clock, new AbortController().signal, SLICE_MS)
  let left = LOOK_EVERY
  for (const item of items) {
    take(item)
    if (--left > 0) continue
    left = LOOK_EVERY
    if (pace.over) await pace.breathe()
  }
}
