/*
 * The records of classic groups on their way into the offsets topic: of each group one is under way at a time, and of those that wait behind it
 * the last one counts.
 */
import { type ClassicGroup } from './classic-group.ts'
import { type Stored } from './committed-offsets.ts'
import { groupRecord } from './group-records.ts'
import { type OffsetsLogRecord } from './offsets-log.ts'

/** A record of a group under way, and the one that goes next. */
interface Storing {
  readonly running: Promise<void>
  next: Waiting | undefined
}

interface Waiting {
  group: ClassicGroup
  record: () => OffsetsLogRecord
  readonly done: Promise<void>
  readonly settle: (as: Promise<void>) => void
}

/** Stores what groups are now. */
export class GroupWrites {
  readonly #append: (groupId: string, records: readonly OffsetsLogRecord[]) => Promise<Stored>
  readonly #storing = new Map<string, Storing>()

  constructor(append: (groupId: string, records: readonly OffsetsLogRecord[]) => Promise<Stored>) {
    this.#append = append
  }

  /** Stores what a group is now; rejects with what stood in the way. */
  store(group: ClassicGroup): Promise<void> {
    // Of a group that nobody outside of this process is a member of only the last state is of interest.
    const wire = [...group.members.all()].some(({ local }) => local === undefined)
    const encoded = wire ? groupRecord(group) : undefined
    const record = (): OffsetsLogRecord => encoded ?? groupRecord(group)
    const storing = this.#storing.get(group.groupId)
    if (storing === undefined) return this.#begin(group, record)
    storing.next ??= waiting(group, record)
    storing.next.group = group
    storing.next.record = record
    return storing.next.done
  }

  /** What waits to be stored of a group is of no use any more. */
  forget(groupId: string): void {
    const storing = this.#storing.get(groupId)
    storing?.next?.settle(Promise.resolve())
    if (storing !== undefined) storing.next = undefined
  }

  /** Resolves when the record of a group that is under way, if there is one, is stored or is not. */
  async settledOf(groupId: string): Promise<void> {
    await this.#storing.get(groupId)?.running.catch(() => {})
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#storing.values()].map(({ running, next }) => next?.done ?? running))
  }

  #begin(group: ClassicGroup, record: () => OffsetsLogRecord): Promise<void> {
    const { groupId } = group
    const running = this.#append(groupId, [record()]).then(throwCause).finally(() => this.#goOn(groupId))
    this.#storing.set(groupId, { running, next: undefined })
    return running
  }

  #goOn(groupId: string): void {
    const next = this.#storing.get(groupId)?.next
    this.#storing.delete(groupId)
    if (next === undefined) return
    const { group, record } = next
    next.settle(group.state === 'Dead' ? Promise.resolve() : this.#begin(group, record))
  }
}

function waiting(group: ClassicGroup, record: () => OffsetsLogRecord): Waiting {
  let settle: (as: Promise<void>) => void = () => {}
  const done = new Promise<void>((resolve) => { settle = resolve })
  return { group, record, done, settle }
}

function throwCause({ error, cause }: Stored): void {
  if (error !== 'NONE') throw cause
}
