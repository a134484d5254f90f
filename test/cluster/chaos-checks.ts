/*
 * What has to hold of a cluster that was broken under load: what it holds, as somebody read it, beside what the load was told.
 */
import { type SentRecord } from './chaos-sender.ts'
import { isPoison } from './chaos-groups.ts'

/** A record as somebody read it: committed ones only. */
export interface StoredRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  /** Each as `<name>=<value>`. */
  readonly headers: readonly string[]
}

/** What a load was told, and was given. */
export interface Told {
  /** By sender, in the order of sending. */
  readonly sent: readonly (readonly SentRecord[])[]
  /** Places that groups were given, as `<partition>:<offset>`. */
  readonly given: Readonly<Record<string, ReadonlySet<string>>>
  /** The log that was mirrored. */
  readonly source: readonly StoredRecord[]
}

/** What the cluster holds: what was sent, what the pipeline made of it, what was put aside, and what was mirrored. */
export interface Held {
  readonly sent: readonly StoredRecord[]
  readonly piped: readonly StoredRecord[]
  readonly dead: readonly StoredRecord[]
  readonly mirrored: readonly StoredRecord[]
}

/** Enough to see what kind of thing went wrong. */
const MOST_FINDINGS = 20

/** What does not hold, in sentences. */
export function findings(told: Told, held: Held): string[] {
  return [
    ...sends(told.sent, held.sent), ...piped(held), ...groups(told, held), ...mirrored(told, held),
  ].slice(0, MOST_FINDINGS)
}

/** What is acknowledged is there once, where it was said to be, and in order; what was refused is not; of what nobody knows there is one or none. */
function sends(sent: Told['sent'], stored: readonly StoredRecord[]): string[] {
  const places = new Map<string, StoredRecord[]>()
  for (const record of stored) places.set(record.value!, [...places.get(record.value!) ?? [], record])
  const wrong = sent.flat().flatMap(({ value, told, partition, offset }) => {
    const found = places.get(value) ?? []
    const text = `${value}, of which was told: ${told}, is there ${found.length} times`
    if (told === 'nothing' || found.length > 1) return [text]
    if (told === 'refused' ? found.length > 0 : told === 'stored' && found.length === 0) return [text]
    if (told !== 'stored' || (found[0]!.partition === partition && found[0]!.offset === offset)) return []
    return [`${value} is at ${found[0]!.partition}:${found[0]!.offset}, and was told to be at ${partition}:${offset}`]
  })
  const known = new Set(sent.flat().map(({ value }) => value))
  const invented = stored.filter(({ value }) => !known.has(value!)).map(({ value }) => `${value} was sent by nobody`)
  return [...wrong, ...invented, ...sent.flatMap(outOfOrder)]
}

function outOfOrder(sent: readonly SentRecord[]): string[] {
  const last = new Map<number, SentRecord>()
  return sent.filter(({ told }) => told === 'stored').flatMap((record) => {
    const before = last.get(record.partition)
    last.set(record.partition, record)
    return before === undefined || before.offset < record.offset ? [] : [`${record.value} is stored before ${before.value}`]
  })
}

/** The pipeline wrote each record that it read once, and those of a partition in order. */
function piped({ sent, piped: output }: Held): string[] {
  return partitionsOf(sent).flatMap((partition) => {
    const wanted = ofPartition(sent, partition).map(({ offset }) => `${partition}:${offset}`)
    return differences(`partition ${partition} of the pipeline`, wanted, ofPartition(output, partition).map(({ value }) => value!))
  })
}

/** Groups were given every record, and what handlers failed with is among the dead letters once. */
function groups({ given }: Told, { sent, dead }: Held): string[] {
  const missed = Object.entries(given).flatMap(([group, places]) => (
    sent.filter(({ partition, offset }) => !places.has(`${partition}:${offset}`)).map(({ value }) => `${group} was never given ${value}`)
  ))
  const poison = sent.map(({ value }) => value!).filter(isPoison).sort()
  return [...missed, ...differences('the dead letters', poison, dead.map(({ value }) => value!).sort())]
}

/** The mirror's target holds what the source does. */
function mirrored({ source }: Told, { mirrored: target }: Held): string[] {
  return partitionsOf(source).flatMap((partition) => (
    differences(`partition ${partition} of the mirror`, ofPartition(source, partition).map(textOf), ofPartition(target, partition).map(textOf))
  ))
}

function partitionsOf(records: readonly StoredRecord[]): number[] {
  return [...new Set(records.map(({ partition }) => partition))].sort()
}

function ofPartition(records: readonly StoredRecord[], partition: number): StoredRecord[] {
  return records.filter((record) => record.partition === partition).sort((a, b) => a.offset - b.offset)
}

function textOf({ timestamp, key, value, headers }: StoredRecord): string {
  return JSON.stringify([timestamp, key, value, headers])
}

/** Where two lists part. */
function differences(what: string, wanted: readonly string[], found: readonly string[]): string[] {
  const at = wanted.findIndex((text, index) => text !== found[index])
  if (at < 0 && wanted.length === found.length) return []
  const from = at < 0 ? wanted.length : at
  const [more, less] = [wanted.slice(from, from + 3), found.slice(from, from + 3)]
  return [`${what} has ${found.length} records for ${wanted.length}; from number ${from} on ${less.join(' ')} in the place of ${more.join(' ')}`]
}
