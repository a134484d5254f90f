/*
 * What one partition was told and what it promised, kept by hand: which record was appended at which offset, and below which offset nothing
 * may be missing. Whoever opens the partition later, after whatever crash, compares it with this. Written without looking at how the log
 * does it; the simulation (test/simulation) has a model of more, for the floor below.
 */
import { type Durability } from '../../src/log/config.ts'
import { type Partition } from '../../src/topics/partition.ts'

/** A transaction of some producer. */
export interface LedgerTransaction {
  /** Where the marker is that ends it; Infinity while there is none. */
  endsAt: number
  aborted: boolean
}

interface Entry {
  readonly offset: number
  /** Undefined for a marker, which no reader gets. */
  readonly value: string | null | undefined
  readonly transaction: LedgerTransaction | undefined
  /** `refused`: its sender was told that it is lost, but a crash may bring it back; `gone`: it was cut, and nothing brings it back. */
  state: 'appended' | 'refused' | 'gone'
}

/** How the process ended that left what is compared. */
export interface LedgerEnd {
  readonly power: boolean
  readonly durability: Durability
}

/** Thrown when a partition is not what it promised to be. */
export class BrokenPromise extends Error {}

/** One partition's records and promises. */
export class Ledger {
  readonly #entries: Entry[]
  /** Everything below was acknowledged. */
  acknowledged = 0
  /** Everything below was synced, whatever the durability. */
  synced = 0
  /** A cut under way may have taken everything from here on: the batch that holds the offset goes whole. */
  cutting = Infinity
  /** Where the cut under way ends the log. */
  cuttingTo = Infinity

  constructor(entries: readonly Entry[] = []) {
    const transactions = new Map<LedgerTransaction | undefined, LedgerTransaction | undefined>([[undefined, undefined]])
    for (const { transaction } of entries) if (!transactions.has(transaction)) transactions.set(transaction, { ...transaction! })
    this.#entries = entries.map((entry) => ({ ...entry, transaction: transactions.get(entry.transaction) }))
  }

  /** As it is now; the original goes on. */
  copy(): Ledger {
    const copy = new Ledger(this.#entries)
    copy.acknowledged = this.acknowledged
    copy.synced = this.synced
    copy.cutting = this.cutting
    copy.cuttingTo = this.cuttingTo
    return copy
  }

  /** Notes a record that is about to be appended at `offset`; the function takes that back. */
  add(offset: number, value: string | null | undefined, transaction?: LedgerTransaction): () => void {
    const entry: Entry = { offset, value, transaction, state: 'appended' }
    this.#entries.push(entry)
    return () => void this.#entries.splice(this.#entries.indexOf(entry), 1)
  }

  /** Its sender was told that what is in [from, end) is lost. */
  refuse(from: number, end: number): void {
    for (const entry of this.#entries) if (entry.offset >= from && entry.offset < end && entry.state === 'appended') entry.state = 'refused'
  }

  /** Whether the record appended last at `offset` was refused or is gone. */
  isLost(offset: number): boolean {
    return this.#entries.findLast((entry) => entry.offset === offset)?.state !== 'appended'
  }

  /** Everything below `end` was acknowledged, or seen by a reader. */
  acknowledge(end: number): void {
    this.acknowledged = Math.max(this.acknowledged, Math.min(end, this.cutting))
  }

  /** Everything below `end` is synced. */
  flushed(end: number): void {
    this.acknowledge(end)
    this.synced = Math.max(this.synced, Math.min(end, this.cutting))
  }

  /** The cut under way succeeded: what it took is gone for good. */
  cut(): void {
    for (const entry of this.#entries) if (entry.offset >= this.cutting) lose(entry)
    this.acknowledged = this.synced = Math.min(this.acknowledged, this.cutting)
    this.#cutEnded()
  }

  /** The partition was fenced, and opened again with an end at `end`: what was refused, or half cut, is gone for good, the rest is synced. */
  reopened(end: number): void {
    if (end <= this.cuttingTo && this.cuttingTo < Infinity) this.cut()
    this.#cutEnded()
    for (const entry of this.#entries) if (entry.state === 'refused') lose(entry)
    this.flushed(end)
  }

  /** The cut under way was refused before it began. */
  notCut(): void {
    this.#cutEnded()
  }

  /**
   * Holds a partition that was opened just now against its promises, and takes what is there for certain from then on.
   *
   * @throws BrokenPromise
   */
  compareOpened(partition: Partition<string, string>, { power, durability }: LedgerEnd): void {
    const keeps = Math.min(power && durability !== 'sync' ? this.synced : this.acknowledged, this.cutting)
    this.#resolve(partition, keeps)
    const found = this.#compare(partition, keeps)
    const { nextOffset } = partition
    for (const entry of this.#entries.filter(({ state }) => state !== 'gone')) {
      if (entry.value === undefined ? entry.offset < nextOffset : found.has(entry.offset)) entry.state = 'appended'
      else lose(entry)
    }
    this.acknowledged = this.synced = nextOffset
    this.#cutEnded()
  }

  /** Holds a partition that goes on against its promises. */
  compare(partition: Partition<string, string>): void {
    this.#compare(partition, Math.min(this.acknowledged, this.cutting), { refusedAreGone: true })
  }

  /**
   * What was open is aborted when the partition is opened, by a marker that nobody here appended. A transaction whose end was not acknowledged may
   * have ended so or as it was to: all of it is there for readers of what is committed, or nothing.
   */
  #resolve(partition: Partition<string, string>, keeps: number): void {
    const { nextOffset, lastStableOffset } = partition
    const found = new Set([...partition.read({ isolation: 'read_uncommitted' })].map(({ offset }) => offset))
    const committed = new Set([...partition.read()].map(({ offset }) => offset))
    const there = this.#entries.filter(({ offset, state, value }) => value !== undefined && state !== 'gone' && found.has(offset))
    const undecided = new Map(there.filter(({ transaction }) => transaction !== undefined && transaction.endsAt >= keeps)
      .map(({ transaction, offset }) => [transaction!, offset]))
    const explained = new Set(this.#entries.filter(({ state, value }) => state !== 'appended' || value === undefined).map(({ offset }) => offset))
    const markers = Array.from({ length: nextOffset }, (_, offset) => offset).filter((offset) => !found.has(offset) && !explained.has(offset))
    for (const [transaction, offset] of undecided) {
      transaction.aborted ||= transaction.endsAt === Infinity || !committed.has(offset)
      if (offset >= lastStableOffset) transaction.endsAt = Infinity
      else {
        const marker = markers.shift()
        if (marker !== undefined) this.#entries.push({ offset: marker, value: undefined, transaction, state: 'appended' })
        transaction.endsAt = marker ?? Math.min(transaction.endsAt, nextOffset - 1)
      }
    }
    this.#entries.sort((one, other) => one.offset - other.offset)
  }

  #cutEnded(): void {
    this.cutting = this.cuttingTo = Infinity
  }

  #compare(partition: Partition<string, string>, keeps: number, { refusedAreGone = false } = {}): ReadonlySet<number> {
    const { nextOffset, highWatermark } = partition
    check(nextOffset >= keeps && highWatermark >= keeps, () => `it ends at ${highWatermark} of ${nextOffset}, and ${keeps} was promised`)
    const found = [...partition.read({ isolation: 'read_uncommitted' })].map(({ offset, value }) => ({ offset, value }))
    const end = Math.max(keeps, (found.at(-1)?.offset ?? -1) + 1)
    const possible = this.#entries.filter(({ state, value }) => state !== 'gone' && value !== undefined && !(refusedAreGone && state === 'refused'))
    let next = 0
    for (const { offset, value } of found) {
      for (; next < possible.length && possible[next]!.offset < offset; next++) checkMissing(possible[next]!)
      const entry = possible[next++]
      check(entry?.offset === offset, () => `offset ${offset} was never appended, or is gone, and it is there: ${value}`)
      check(entry!.value === value, () => `offset ${offset} is ${value}, and ${entry!.value} was appended there`)
    }
    for (; next < possible.length && possible[next]!.offset < end; next++) checkMissing(possible[next]!)
    const offsets = new Set(found.map(({ offset }) => offset))
    this.#checkDense(nextOffset, offsets)
    this.#checkCommitted(partition, found)
    return offsets
  }

  /** An offset without a record is one that was refused or cut, or is being cut, or a marker's. */
  #checkDense(nextOffset: number, found: ReadonlySet<number>): void {
    const unseen = this.#entries.filter(({ state, value }) => state !== 'appended' || value === undefined)
    const explained = new Set(unseen.map(({ offset }) => offset))
    for (let offset = 0; offset < nextOffset; offset++) {
      const known = found.has(offset) || explained.has(offset) || offset >= this.cutting
      check(known, () => `offset ${offset} was left out, and the next one is ${nextOffset}`)
    }
  }

  /** Readers of what is committed get no more and no less. */
  #checkCommitted(partition: Partition<string, string>, found: readonly { readonly offset: number }[]): void {
    const { highWatermark } = partition
    const transactions = new Map(this.#entries.filter(({ state }) => state !== 'gone').map(({ offset, transaction }) => [offset, transaction]))
    const isOpen = (offset: number): boolean => (transactions.get(offset)?.endsAt ?? -1) >= highWatermark
    const firstOpen = found.find(({ offset }) => isOpen(offset))?.offset ?? Infinity
    const expected = found.map(({ offset }) => offset).filter((offset) => offset < firstOpen && transactions.get(offset)?.aborted !== true)
    const committed = [...partition.read()].map(({ offset }) => offset)
    check(`${committed}` === `${expected}`, () => `readers of what is committed get ${committed} instead of ${expected}`)
  }
}

/** It is not there any more. Without its marker a transaction is open again. */
function lose(entry: Entry): void {
  entry.state = 'gone'
  if (entry.value === undefined) entry.transaction!.endsAt = Infinity
}

function checkMissing({ offset, state }: Entry): void {
  check(state === 'refused', () => `offset ${offset} is missing`)
}

/** Throws a {@link BrokenPromise} when `condition` does not hold. */
export function check(condition: boolean, what: () => string): void {
  if (!condition) throw new BrokenPromise(what())
}
