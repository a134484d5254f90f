/*
 * Records from lines of JSON into a log, exactly once: the records of some lines and how far their partitions are by then are committed in one
 * transaction. What a line's record is called there (topic, partition, offset) says whether it was stored before.
 */
import { type Readable } from 'node:stream'
import { isLogError, LogError } from '../base/errors.ts'
import { InputError } from '../base/input-error.ts'
import { checkTopicName } from '../format/names.ts'
import { bytes as bytesCodec } from '../topics/codecs.ts'
import { type CommitLog, type TopicInfo } from '../topics/commit-log.ts'
import { MAX_PARTITIONS } from '../topics/define-topic.ts'
import { type GroupCoordinator } from '../topics/groups/coordinator.ts'
import { isInternalTopic } from '../topics/internal-topics.ts'
import { kafkaSettingName, settingText } from '../topics/kafka-settings.ts'
import { type TopicSettings } from '../topics/settings.ts'
import { type GroupOffset } from '../topics/transactions/transaction.ts'
import { type Call } from './command.ts'
import { ImportProgress } from './import-progress.ts'
import { lineChunks } from '../topics/lines/line-chunks.ts'
import { type LineRecord, parseFormLine } from '../topics/lines/parse-line.ts'
import { openPlain, type PlainTopic } from './records.ts'
import { count, counted, jsonLine, size } from './text.ts'
import { type TopicSource } from '../topics/lines/topic-source.ts'

/** Keeps how far an import of lines is that do not say which log they are of. */
const GROUP = `commitlog-import`

/** Records and bytes of keys and values that are committed together. */
const RECORDS_TOGETHER = 8192
const BYTES_TOGETHER = 4 * 1024 * 1024

/** What to import, and to where. */
export interface ImportLinesOptions {
  readonly lines: Readable
  /** How many bytes there will be; 0 when nobody knows. */
  readonly bytes: number
  /** The group that keeps how far the import is. Undefined: one for each log that lines are of. */
  readonly group: string | undefined
  /** Partitions of topics that are new. */
  readonly partitions: number | undefined
  /** The topic that all records get into. */
  readonly topic: string | undefined
  /** Whether topics that are new get the settings of those that the lines are of. */
  readonly settings: boolean
}

/** A record that waits for its transaction. */
interface Waiting {
  readonly line: number
  readonly topic: string
  readonly record: LineRecord
  /** What its lines say of the topic that it is of. */
  readonly source: TopicSource | undefined
  readonly progress: ImportProgress
}

/** One run. */
export class ImportLines {
  readonly #call: Call
  readonly #log: CommitLog
  readonly #options: ImportLinesOptions
  /** By group. */
  readonly #progress = new Map<string, ImportProgress>()
  /** By topic, of the lines that came last. */
  readonly #sources = new Map<string, TopicSource>()
  readonly #known = new Map<string, TopicInfo>()
  readonly #topics = new Map<string, PlainTopic>()
  readonly #started = performance.now()
  #groups!: GroupCoordinator
  #source: string | undefined
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #line = 0
  #bytes = 0
  #stored = 0
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
    this.#checkKnown()
    return 0
  }

  /** Who passes over what it cannot tell from other records does not say that all is well. */
  #checkKnown(): void {
    for (const { group, counts: { unknown } } of this.#progress.values()) {
      if (unknown === 0) continue
      throw new InputError(`${counted(unknown, 'line')} passed over since the group ${group} is behind ${unknown === 1 ? 'it' : 'them'}: ` +
        'nothing tells whether these are the records that were imported. Lines of another log need a progress of their own: --id NAME')
    }
  }

  /** What runs before have stored. */
  async #load(): Promise<void> {
    for (const info of await this.#log.topics()) this.#known.set(info.name, info)
    this.#groups = await this.#log.core.groups()
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
      if (record.source !== undefined) this.#sources.set(record.topic, record.source)
      const source = this.#sources.get(record.topic)
      const progress = this.#progressOf(source)
      const there = progress.has(record, source)
      if (!record.committed && !this.#call.flag('uncommitted')) this.#uncommitted++
      else if (there) progress.passed(record)
      else {
        this.#waiting.push({ line: this.#line, topic, record, source, progress })
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

  /** Lines of different logs have nothing to do with each other, and so each log has a group. */
  #progressOf(source: TopicSource | undefined): ImportProgress {
    const group = this.#options.group ?? (source === undefined ? GROUP : `${GROUP}-${source.log}`)
    let progress = this.#progress.get(group)
    if (progress === undefined) this.#progress.set(group, (progress = new ImportProgress(this.#groups, group)))
    return progress
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
      const sends: Promise<unknown>[] = []
      for (const { topic, record: { partition, timestamp, key, value, headers } } of list) {
        sends.push(transaction.send(this.#topics.get(topic)!, { key, value, headers, partition, timestamp }))
      }
      const sent = await Promise.allSettled(sends)
      const bad = sent.findIndex(({ status }) => status === 'rejected')
      if (bad >= 0) return { waiting: list[bad]!, error: (sent[bad] as PromiseRejectedResult).reason }
      for (const [group, offsets] of offsetsAfter(list)) await transaction.commitOffsets(group, offsets)
      await transaction.commit()
      this.#stored += list.length
      return undefined
    } finally {
      if (transaction.status === 'open') await transaction.abort()
    }
  }

  /** Opens the topics of some records with as many partitions as these need. */
  async #openTopics(waiting: readonly Waiting[]): Promise<void> {
    const needed = new Map<string, { partitions: number; source: TopicSource | undefined; line: number }>()
    for (const { topic, record: { partition }, source, line } of waiting) {
      const need = needed.get(topic)
      if (need === undefined) needed.set(topic, { partitions: partition + 1, source, line })
      else need.partitions = Math.max(need.partitions, partition + 1)
    }
    for (const [name, { partitions, source, line }] of needed) {
      const topic = this.#topics.get(name) ?? (await this.#open(name, partitions, source, line))
      this.#topics.set(name, topic)
      if (topic.partitionCount < partitions) await topic.addPartitions(partitions - topic.partitionCount)
    }
  }

  async #open(name: string, partitions: number, source: TopicSource | undefined, line: number): Promise<PlainTopic> {
    const known = this.#known.get(name)
    if (known !== undefined) {
      checkCodecs(known, source, line)
      return openPlain(this.#log, known)
    }
    const settings = this.#options.settings ? (source?.settings ?? {}) : {}
    this.#tellDeletion(name, settings)
    // Codecs that nobody names are left open, as those of topics that Kafka clients make: who opens the topic next names them.
    return this.#log.plainTopic(name, {
      key: source?.key, value: source?.value, settings, partitions: this.#options.partitions ?? Math.max(source?.partitions ?? 1, partitions),
    })
  }

  /** A topic that deletes does so with what is imported, too. */
  #tellDeletion(name: string, settings: TopicSettings): void {
    const limits = (['retentionMs', 'retentionBytes'] as const).filter((limit) => (settings[limit] ?? Infinity) !== Infinity)
    if (limits.length === 0 || settings.cleanupPolicy === 'compact') return
    const said = limits.map((limit) => `${kafkaSettingName(limit)}=${settingText(settings[limit]!)}`).join(' and ')
    this.#call.screen.say(`topic "${name}" has ${said}, as where its records come from: those that are past it are deleted here, too`)
  }

  async #report(): Promise<void> {
    const { screen, json } = this.#call
    const [records, uncommitted] = [this.#stored, this.#uncommitted]
    const counts = [...this.#progress.values()].map((progress) => progress.counts)
    const [there, passedOver] = [counts.reduce((sum, one) => sum + one.there, 0), counts.reduce((sum, one) => sum + one.unknown, 0)]
    const ms = Math.round(performance.now() - this.#started)
    if (json) return void (await screen.print(jsonLine({ records, there, passedOver, uncommitted, topics: [...this.#topics.keys()].sort(), ms })))
    const parts = [`${counted(records, 'record')} stored`]
    if (there > 0) parts.push(`${count(there)} ${there === 1 ? 'was' : 'were'} there already`)
    if (passedOver > 0) parts.push(`${count(passedOver)} passed over`)
    if (uncommitted > 0) parts.push(`${count(uncommitted)} that ${uncommitted === 1 ? 'is' : 'are'} not committed left out`)
    await screen.print(parts.join(', '))
  }
}

/** What is to be committed with some records, by group: for each partition what its last record says. */
function offsetsAfter(list: readonly Waiting[]): Map<string, GroupOffset[]> {
  const last = new Map<string, Waiting>()
  const groups = new Map<string, GroupOffset[]>()
  for (const waiting of list) {
    const { progress, record } = waiting
    progress.begins(record)
    last.set(`${record.topic}-${record.partition} ${progress.group}`, waiting)
  }
  for (const { progress, record, source } of last.values()) {
    const offsets = groups.get(progress.group) ?? []
    groups.set(progress.group, offsets)
    offsets.push(progress.after(record, source))
  }
  return groups
}

/** What one codec wrote another cannot read. Bytes are whatever somebody takes them for. */
function checkCodecs(known: TopicInfo, source: TopicSource | undefined, line: number): void {
  for (const part of ['key', 'value'] as const) {
    const [has, comes] = [known[part], source?.[part]]
    if (has === undefined || comes === undefined || has === comes || [has, comes].includes(bytesCodec.name)) continue
    const message = `line ${line}: the ${part}s of topic "${known.name}" are written by the codec "${has}", those of the lines by "${comes}"`
    throw new LogError('LOG_TOPIC_MISMATCH', message, { topic: known.name, codec: has, given: comes, part })
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
