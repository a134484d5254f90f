/*
 * Records from lines of JSON into a log, exactly once: the records of some lines and how far their partitions are by then are committed in one
 * transaction. What a line's record is called there (topic, partition, offset) says whether it was stored before.
 */
import { type Readable } from 'node:stream'
import { isLogError, LogError } from '../base/errors.ts'
import { checkTopicName } from '../format/names.ts'
import { bytes as bytesCodec } from '../topics/codecs.ts'
import { type CommitLog, type TopicInfo } from '../topics/commit-log.ts'
import { MAX_PARTITIONS } from '../topics/define-topic.ts'
import { isInternalTopic } from '../topics/internal-topics.ts'
import { type Call, InputError } from './command.ts'
import { lineChunks } from './lines.ts'
import { type LineRecord, parseFormLine } from './record-forms.ts'
import { openPlain, type PlainTopic } from './records.ts'
import { count, counted, jsonLine, size } from './text.ts'

/** Records and bytes of keys and values that are committed together. */
const RECORDS_TOGETHER = 8192
const BYTES_TOGETHER = 4 * 1024 * 1024

/** What to import, and to where. */
export interface ImportLinesOptions {
  readonly lines: Readable
  /** How many bytes there will be; 0 when nobody knows. */
  readonly bytes: number
  /** Keeps how far the import is. */
  readonly group: string
  /** Partitions of topics that are new. */
  readonly partitions: number | undefined
  /** The topic that all records get into. */
  readonly topic: string | undefined
}

/** A record that waits for its transaction. */
interface Waiting {
  readonly line: number
  readonly topic: string
  readonly record: LineRecord
}

/** How far a partition of the source is. */
interface Progress {
  readonly topic: string
  readonly partition: number
  /** Records below it were stored by a run before. */
  readonly before: number
  /** The last offset seen in a line. */
  last: number
}

/** One run. */
export class ImportLines {
  readonly #call: Call
  readonly #log: CommitLog
  readonly #options: ImportLinesOptions
  readonly #progress = new Map<string, Progress>()
  readonly #known = new Map<string, TopicInfo>()
  readonly #topics = new Map<string, PlainTopic>()
  readonly #started = performance.now()
  #source: string | undefined
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #line = 0
  #bytes = 0
  #stored = 0
  #there = 0
  #uncommitted = 0

  constructor(call: Call, log: CommitLog, options: ImportLinesOptions) {
    this.#call = call
    this.#log = log
    this.#options = options
  }

  async run(): Promise<number> {
    const { terminal, screen } = this.#call
    if (this.#options.topic !== undefined) checkName(this.#options.topic)
    let failure: unknown
    try {
      await this.#load()
      await this.#read()
    } catch (error) {
      failure = error
    }
    this.#options.lines.destroy()
    screen.clearBar()
    if (failure === undefined || this.#call.json) await this.#report()
    if (failure !== undefined) throw stoppedBy(failure, this.#stored)
    terminal.signal.throwIfAborted()
    return 0
  }

  /** What runs before have stored. */
  async #load(): Promise<void> {
    for (const info of await this.#log.topics()) this.#known.set(info.name, info)
    const groups = await this.#log.core.groups()
    for (const { topic, partition, offset } of groups.fetchOffsets(this.#options.group)) {
      this.#progress.set(`${topic}-${partition}`, { topic, partition, before: offset, last: -1 })
    }
  }

  async #read(): Promise<void> {
    let failure: unknown
    for await (const lines of lineChunks(this.#options.lines, this.#call.terminal.signal)) {
      try {
        for (const line of lines) {
          this.#line++
          this.#bytes += line.length + 1
          this.#take(line)
          if (this.#waiting.length >= RECORDS_TOGETHER || this.#waitingBytes >= BYTES_TOGETHER) await this.#store()
        }
      } catch (error) {
        failure = error
        break
      }
    }
    // A line that is wrong, and whatever is behind it, is not stored; all before it is.
    if (failure === undefined || failure instanceof InputError) await this.#store()
    if (failure !== undefined) throw failure
  }

  /** Takes a line, unless its record is there already. */
  #take(bytes: Buffer): void {
    if (bytes.length === 0) return
    try {
      const record = parseFormLine(bytes)
      const topic = this.#targetOf(record)
      if (this.#isThere(record)) this.#there++
      else if (!record.committed && !this.#call.flag('uncommitted')) this.#uncommitted++
      else {
        this.#waiting.push({ line: this.#line, topic, record })
        this.#waitingBytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
      }
    } catch (error) {
      throw error instanceof InputError ? new InputError(`line ${this.#line}: ${error.message}`, { cause: error }) : error
    }
  }

  #targetOf({ topic, partition }: LineRecord): string {
    const { topic: renamed, partitions } = this.#options
    checkName(topic)
    if (partition >= (partitions ?? MAX_PARTITIONS)) {
      throw new InputError(`partition ${partition} of topic "${topic}": there are to be ${count(partitions ?? MAX_PARTITIONS)} at most`)
    }
    if (renamed === undefined) return topic
    this.#source ??= topic
    if (this.#source !== topic) throw new InputError(`topic "${topic}" behind "${this.#source}": --topic is for lines of one topic`)
    return renamed
  }

  /** Whether a run before stored it. Offsets of a partition rise, else nobody could tell. */
  #isThere({ topic, partition, offset }: LineRecord): boolean {
    const name = `${topic}-${partition}`
    let progress = this.#progress.get(name)
    if (progress === undefined) this.#progress.set(name, (progress = { topic, partition, before: 0, last: -1 }))
    if (offset <= progress.last) throw new InputError(`offset ${offset} of ${name} behind ${progress.last}: offsets of a partition rise`)
    progress.last = offset
    return offset < progress.before
  }

  /** Stores what waits, in one transaction with how far it is. */
  async #store(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    if (waiting.length === 0) return
    await this.#openTopics(waiting)
    const refused = await this.#commit(waiting)
    if (refused !== undefined) {
      const good = waiting.slice(0, waiting.indexOf(refused.waiting))
      if (good.length > 0) await this.#commit(good)
      throw atLine(refused.waiting.line, refused.error)
    }
    const [done, total] = [this.#bytes, this.#options.bytes]
    const rate = (this.#stored / Math.max(1, performance.now() - this.#started)) * 1000
    const far = total === 0 ? '' : `${size(Math.min(done, total))} of ${size(total)}, `
    this.#call.screen.bar(done, total, `${far}${counted(this.#stored, 'record')} stored, ${count(rate)} a second`)
  }

  /** The first record that the log does not take, if there is one: then nothing was stored. */
  async #commit(list: readonly Waiting[]): Promise<{ readonly waiting: Waiting; readonly error: unknown } | undefined> {
    const transaction = await this.#log.beginTransaction({ timeoutMs: Infinity })
    try {
      const ends = new Map<string, { topic: string; partition: number; offset: number }>()
      const sends: Promise<unknown>[] = []
      for (const { topic, record: { topic: source, partition, offset, timestamp, key, value, headers } } of list) {
        sends.push(transaction.send(this.#topics.get(topic)!, { key, value, headers, partition, timestamp }))
        ends.set(`${source}-${partition}`, { topic: source, partition, offset: offset + 1 })
      }
      const sent = await Promise.allSettled(sends)
      const bad = sent.findIndex(({ status }) => status === 'rejected')
      if (bad >= 0) return { waiting: list[bad]!, error: (sent[bad] as PromiseRejectedResult).reason }
      await transaction.commitOffsets(this.#options.group, [...ends.values()])
      await transaction.commit()
      this.#stored += list.length
      return undefined
    } finally {
      if (transaction.status === 'open') await transaction.abort()
    }
  }

  /** Opens the topics of some records with as many partitions as these need. */
  async #openTopics(waiting: readonly Waiting[]): Promise<void> {
    const needed = new Map<string, number>()
    for (const { topic, record: { partition } } of waiting) needed.set(topic, Math.max(needed.get(topic) ?? 0, partition + 1))
    for (const [name, partitions] of needed) {
      const topic = this.#topics.get(name) ?? (await this.#open(name, partitions))
      this.#topics.set(name, topic)
      if (topic.partitionCount < partitions) await topic.addPartitions(partitions - topic.partitionCount)
    }
  }

  #open(name: string, partitions: number): Promise<PlainTopic> {
    const known = this.#known.get(name)
    if (known !== undefined) return openPlain(this.#log, known)
    return this.#log.topic<Uint8Array, Uint8Array>(name, {
      key: bytesCodec, value: bytesCodec, partitions: this.#options.partitions ?? partitions,
    })
  }

  async #report(): Promise<void> {
    const { screen, json } = this.#call
    const [records, there, uncommitted] = [this.#stored, this.#there, this.#uncommitted]
    const ms = Math.round(performance.now() - this.#started)
    if (json) return void (await screen.print(jsonLine({ records, there, uncommitted, topics: [...this.#topics.keys()].sort(), ms })))
    const parts = [`${counted(records, 'record')} stored`]
    if (there > 0) parts.push(`${count(there)} ${there === 1 ? 'was' : 'were'} there already`)
    if (uncommitted > 0) parts.push(`${count(uncommitted)} that ${uncommitted === 1 ? 'is' : 'are'} not committed left out`)
    await screen.print(parts.join(', '))
  }
}

function checkName(topic: string): void {
  if (isInternalTopic(topic)) throw new InputError(`topic "${topic}" is the log's own`)
  try {
    checkTopicName(topic)
  } catch (error) {
    throw new InputError((error as Error).message, { cause: error })
  }
}

function atLine(line: number, error: unknown): unknown {
  if (!isLogError(error)) return error
  return new LogError(error.code, `line ${line}: ${error.message}`, error.detail, error)
}

/** Why it stopped half-way, with how many records were stored all the same. */
function stoppedBy(error: unknown, stored: number): unknown {
  if (!(error instanceof Error) || (!isLogError(error) && !(error instanceof InputError))) return error
  const message = `${error.message}; ${counted(stored, 'record')} ${stored === 1 ? 'was' : 'were'} stored`
  return isLogError(error) ? new LogError(error.code, message, error.detail, error) : new InputError(message, { cause: error })
}
