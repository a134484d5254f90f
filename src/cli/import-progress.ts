/*
 * How far an import has come, by the topics and partitions in the lines: what a group has committed for them. Beside the offset a commit keeps
 * what the first and the last record were that stand for it, so that lines which are passed over are known to be those that were stored, and
 * not those of another log that happen to have the same offsets.
 */
import { InputError } from '../base/input-error.ts'
import { xxh3 } from '../base/xxh3.ts'
import { type GroupCoordinator } from '../topics/groups/coordinator.ts'
import { type GroupOffset } from '../topics/transactions/transaction.ts'
import { type LineRecord } from '../topics/lines/parse-line.ts'
import { type TopicSource } from '../topics/lines/topic-source.ts'

/** A record that was stored: its offset in the lines, and a hash of all that is stored of it. */
type Mark = readonly [offset: number, hash: string]

/** Stands for the first record of what somebody else committed, `groups --reset` for one. */
const UNKNOWN: Mark = [0, '']

/** What is kept with a commit. */
interface Kept {
  /** Id of the topic that the lines are of; null where they do not say. */
  readonly topic: string | null
  readonly first: Mark
  readonly last: Mark
}

/** How far a partition of the source is. */
interface Progress {
  readonly topic: string
  readonly partition: number
  /** Records below it were stored by a run before. */
  readonly before: number
  /** What that run kept; undefined where there was none, or somebody else committed. */
  readonly kept: Kept | undefined
  /** It is certain that what is passed over was stored. */
  known: boolean
  /** Lines passed over. */
  passed: number
  /** The last offset seen in a line. */
  last: number
  /** The first record that is stored under it. */
  first: Mark | undefined
}

/** How far each partition of the lines is, as one group keeps it. */
export class ImportProgress {
  readonly group: string
  readonly #partitions = new Map<string, Progress>()

  constructor(groups: GroupCoordinator, group: string) {
    this.group = group
    for (const { topic, partition, offset, metadata } of groups.offsets.fetch(group)) {
      const kept = parseKept(metadata)
      const first = kept?.first ?? (offset > 0 ? UNKNOWN : undefined)
      const progress = { topic, partition, before: offset, kept, known: false, passed: 0, last: -1, first }
      this.#partitions.set(keyOf(topic, partition), progress)
    }
  }

  /**
   * Whether a run before stored the record of a line. Offsets of a partition rise, else nobody could tell.
   *
   * @throws InputError when they do not, and when it is another record than the one that was stored
   */
  has(record: LineRecord, source: TopicSource | undefined): boolean {
    const { topic, partition, offset } = record
    const progress = this.#of(topic, partition)
    if (offset <= progress.last) {
      throw new InputError(`offset ${offset} of ${topic}-${partition} behind ${progress.last}: offsets of a partition rise`)
    }
    progress.last = offset
    if (offset >= progress.before) return false
    this.#compare(record, source, progress)
    return true
  }

  /** Counts a line that was passed over. */
  passed({ topic, partition }: LineRecord): void {
    this.#of(topic, partition).passed++
  }

  /** A record is about to be stored: the first of its partition stands for all of it. */
  begins(record: LineRecord): void {
    this.#of(record.topic, record.partition).first ??= [record.offset, hashOf(record)]
  }

  /** What is to be committed with a record that is stored, and is the last one of its partition to be; `begins` was told of the first. */
  after(record: LineRecord, source: TopicSource | undefined): GroupOffset {
    const { topic, partition, offset } = record
    const progress = this.#of(topic, partition)
    const mark: Mark = [offset, hashOf(record)]
    const kept: Kept = { topic: source?.id ?? progress.kept?.topic ?? null, first: progress.first ?? mark, last: mark }
    return { topic, partition, offset: offset + 1, metadata: JSON.stringify(kept) }
  }

  /** How many lines were passed over of which it is certain, or not, that they were stored before. */
  get counts(): { readonly there: number; readonly unknown: number } {
    let [there, unknown] = [0, 0]
    for (const { known, passed } of this.#partitions.values()) {
      if (known) there += passed
      else unknown += passed
    }
    return { there, unknown }
  }

  #of(topic: string, partition: number): Progress {
    const key = keyOf(topic, partition)
    let progress = this.#partitions.get(key)
    if (progress === undefined) {
      progress = { topic, partition, before: 0, kept: undefined, known: false, passed: 0, last: -1, first: undefined }
      this.#partitions.set(key, progress)
    }
    return progress
  }

  #compare(record: LineRecord, source: TopicSource | undefined, progress: Progress): void {
    const { kept } = progress
    if (kept === undefined) return
    const { topic, partition, offset, committed } = record
    if (source !== undefined && kept.topic !== null) {
      if (source.id !== kept.topic) throw this.#another(`topic "${topic}" is another one than that which was imported, of the same name`)
      progress.known = true
    }
    if (!committed) return
    if (offset < kept.first[0]) {
      throw this.#another(`offset ${offset} of ${topic}-${partition} was not imported: what was begins with ${kept.first[0]}`)
    }
    const mark = [kept.first, kept.last].find(([at]) => at === offset)
    if (mark === undefined || mark[1] === '') return
    if (mark[1] !== hashOf(record)) throw this.#another(`offset ${offset} of ${topic}-${partition} is another record than the one that was imported`)
    progress.known = true
  }

  #another(what: string): InputError {
    return new InputError(`${what} (the group ${this.group} keeps that); lines of another log need a progress of their own: --id NAME`)
  }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

function hashOf({ timestamp, key, value, headers }: LineRecord): string {
  const parts = [Buffer.from(`${timestamp}`), key, value, ...headers.flatMap(([name, bytes]) => [Buffer.from(name), bytes])]
  // Lengths keep apart what would look the same behind each other.
  const bytes = Buffer.concat(parts.flatMap((part) => [Buffer.from(part === null ? '-;' : `${part.length};`), part ?? Buffer.alloc(0)]))
  return xxh3(bytes).toString(16).padStart(16, '0')
}

/** Undefined for what somebody else wrote there. */
function parseKept(metadata: string): Kept | undefined {
  try {
    const { topic, first, last } = JSON.parse(metadata) as { [Name in keyof Kept]?: unknown }
    return isMark(first) && isMark(last) && (topic === null || typeof topic === 'string') ? { topic, first, last } : undefined
  } catch {
    return undefined
  }
}

function isMark(given: unknown): given is Mark {
  return Array.isArray(given) && Number.isSafeInteger(given[0]) && typeof given[1] === 'string'
}
