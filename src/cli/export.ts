/*
 * `commitlog export`: the records of a log as lines of JSON, topic by topic and partition by partition in the order of offsets. Reads as a
 * consumer does, a batch at a time. An export to a file that was interrupted goes on behind the last whole line that it wrote.
 */
import { isLogError } from '../base/errors.ts'
import { InputError } from '../base/input-error.ts'
import { type LogRecord } from '../log/record.ts'
import { type CommitLog, type TopicInfo } from '../topics/commit-log.ts'
import { type Partition } from '../topics/partition.ts'
import { type Call, type Command, UsageError } from './command.ts'
import { rangeOf } from './dump-batches.ts'
import { LineFile } from './export-file.ts'
import { type LineRecord, parseFormLine, type RecordForm, recordForms } from '../topics/lines/parse-line.ts'
import { formLine } from './record-forms.ts'
import { chosenPartitions, chosenTopics, openPlain, plainRecord, type PlainTopic, unknownPartition, withLog } from './records.ts'
import { count, counted, jsonLine, size } from './text.ts'
import { sourceField } from './topic-source.ts'

/** The subcommand. */
export const exportRecords: Command = {
  name: 'export',
  summary: 'the records of a log as lines of JSON, for import and for other tools',
  positionals: ['folder'],
  options: {
    topic: { value: 'NAME', help: 'only this topic; those of the log\'s own, like __consumer_offsets, when they are named' },
    partition: { value: 'N', help: 'only the partition of this number' },
    from: { value: 'OFFSET', help: 'from this offset on' },
    to: { value: 'OFFSET', help: 'up to this offset, exclusive' },
    format: { value: 'FORM', help: 'dump (default), as dump --json prints records, or kcat, as kcat -J does' },
    output: { short: 'o', value: 'FILE', help: 'write to a new file instead of stdout' },
    resume: { help: 'go on with the file of --output where an export of the same records was interrupted' },
    uncommitted: { help: 'also records of transactions that were aborted or are open' },
  },
  notes: [
    'The first line of a topic says for import, in a field "source", which log and topic it is of, with partitions, codecs and settings.',
    'kcat\'s form has keys, values and header values as text: a record with other bytes ends the export. Only the form of dump says which',
    'records are uncommitted. With --output a line on stdout says how many records were written.',
  ],
  async run(call) {
    const { path, resume } = outputOf(call)
    rangeOf(call)
    call.oneOf('format', recordForms)
    return withLog(call.argument('folder'), async (log) => {
      const partitions = await exported(call, log)
      const file = path === undefined ? undefined : openFile(path, resume)
      try {
        return await new Export(call, partitions, file).run()
      } finally {
        file?.close()
      }
    })
  },
}

/** How a line of either form begins. */
const BEGINNING = Buffer.from('{"topic":')

type PlainPartition = Partition<Uint8Array, Uint8Array>

/** A partition to export, and the offsets of it. */
interface Part {
  readonly topic: PlainTopic
  /** What the first line of the topic says of it. */
  readonly source: object
  readonly partition: PlainPartition
  from: number
  readonly to: number
}

function outputOf(call: Call): { readonly path: string | undefined; readonly resume: boolean } {
  const [path, resume] = [call.text('output'), call.flag('resume')]
  if (path === '') throw new UsageError('--output is empty')
  if (resume && path === undefined) throw new UsageError('--resume goes on with the file of --output: name it')
  return { path, resume }
}

function openFile(path: string, resume: boolean): LineFile {
  try {
    return resume ? LineFile.resume(path) : LineFile.create(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new UsageError(`${path} is there already: --resume goes on with it, and nothing is written over`)
  }
}

/** The partitions that are asked for, in the order of the export, each with its end as it is now. */
async function exported(call: Call, log: CommitLog): Promise<Part[]> {
  const [name, number] = [call.text('topic'), call.number('partition')]
  const parts: Part[] = []
  for (const info of await chosenTopics(log, name, true)) {
    const topic = await openPlain(log, info)
    const source = sourceField(log, info)
    for (const partition of chosenPartitions(topic, number)) parts.push({ topic, source, partition, ...within(call, partition) })
    if (name !== undefined && parts.length === 0 && number !== undefined) throw missing(log.folder, number, info)
  }
  if (parts.length === 0 && number !== undefined) throw unknownPartition(log.folder, number)
  return parts
}

function missing(folder: string, number: number, { name, partitions }: TopicInfo): UsageError {
  return unknownPartition(folder, number, { name, count: partitions })
}

function within(call: Call, { startOffset, highWatermark, lastStableOffset }: PlainPartition): { from: number; to: number } {
  const range = rangeOf(call)
  const end = call.flag('uncommitted') ? highWatermark : lastStableOffset
  return { from: Math.min(Math.max(range.from, startOffset), end), to: Math.min(range.to, end) }
}

/** One run. */
class Export {
  readonly #call: Call
  readonly #parts: readonly Part[]
  readonly #file: LineFile | undefined
  readonly #form: RecordForm
  readonly #started = performance.now()
  /** The topic that the last line is of. */
  #topic: string | undefined
  #records = 0
  #done = 0
  #total = 0

  constructor(call: Call, parts: readonly Part[], file: LineFile | undefined) {
    this.#call = call
    this.#form = call.oneOf('format', recordForms) ?? 'dump'
    this.#file = file
    if (file !== undefined) checkPart(file)
    this.#parts = file?.last === undefined ? parts : behind(parts, file.last, file.path, this.#form)
    if (file?.last !== undefined) this.#topic = this.#parts[0]?.topic.name
  }

  async run(): Promise<number> {
    for (const { from, to } of this.#parts) this.#total += Math.max(0, to - from)
    try {
      for (const part of this.#parts) if (part.from < part.to) await this.#export(part)
      await this.#file?.finish()
    } finally {
      this.#call.screen.clearBar()
    }
    if (this.#file !== undefined) await this.#call.screen.print(this.#summary(this.#file))
    return 0
  }

  async #export(part: Part): Promise<void> {
    const { signal } = this.#call.terminal
    const { from } = part
    const all = this.#call.flag('uncommitted')
    const committed = all ? new CommittedOffsets(part, signal) : undefined
    const before = this.#done
    try {
      for await (const records of batchesOf(part, from, all ? 'read_uncommitted' : 'read_committed', signal)) {
        for (const record of records) {
          if (record.offset >= part.to) return
          await this.#print(part, record, committed === undefined || (await committed.has(record.offset)))
        }
        this.#done = before + records.at(-1)!.offset + 1 - from
        const [done, total] = [this.#done, this.#total]
        this.#call.screen.bar(done, total, `${count(done)} of ${counted(total, 'offset')}, ${counted(this.#records, 'record')}`)
        // Whoever is to end it is asked between batches, also when all of them are in memory.
        signal.throwIfAborted()
      }
    } finally {
      this.#done = before + part.to - from
      await committed?.close()
    }
  }

  async #print({ topic, source }: Part, record: LogRecord<Uint8Array, Uint8Array>, committed: boolean): Promise<void> {
    const line = formLine(this.#form, plainRecord(record), committed, this.#topic === topic.name ? undefined : source)
    this.#topic = topic.name
    this.#records++
    const wait = this.#file === undefined ? this.#call.screen.print(line) : this.#file.print(line)
    if (wait !== undefined) await wait
  }

  #summary(file: LineFile): string {
    const { path, size: bytes } = file
    const ms = Math.round(performance.now() - this.#started)
    if (this.#call.json) return jsonLine({ file: path, records: this.#records, bytes, ms })
    const further = file.last === undefined ? '' : 'further '
    return `${count(this.#records)} ${further}record${this.#records === 1 ? '' : 's'}, ${size(bytes)}: ${path}`
  }
}

/** Which offsets a reader of committed records gets: asked for in their order. */
class CommittedOffsets {
  readonly #batches: AsyncIterator<LogRecord<Uint8Array, Uint8Array>[], unknown>
  #records: readonly LogRecord<Uint8Array, Uint8Array>[] = []
  #next = 0
  #ended = false

  constructor(part: Part, signal: AbortSignal) {
    const from = Math.min(part.from, part.partition.lastStableOffset)
    this.#batches = batchesOf(part, from, 'read_committed', signal)[Symbol.asyncIterator]()
  }

  async has(offset: number): Promise<boolean> {
    while (!this.#ended && (this.#next >= this.#records.length || this.#records[this.#next]!.offset < offset)) {
      if (this.#next < this.#records.length) this.#next++
      else await this.#more()
    }
    return !this.#ended && this.#records[this.#next]!.offset === offset
  }

  async close(): Promise<void> {
    await this.#batches.return?.()
  }

  async #more(): Promise<void> {
    const step = await this.#batches.next()
    this.#ended = step.done === true
    this.#records = step.done === true ? [] : step.value
    this.#next = 0
  }
}

async function* batchesOf(
  { topic, partition: { partition } }: Part, from: number, isolation: 'read_committed' | 'read_uncommitted', signal: AbortSignal,
): AsyncGenerator<LogRecord<Uint8Array, Uint8Array>[], void> {
  const consumer = topic.consumer({ partitions: [partition], from: new Map([[partition, from]]), isolation, until: 'end', signal })
  try {
    yield* consumer.batches()
  } finally {
    await consumer.close()
  }
}

/**
 * What stands behind the last whole line is written over: it has to be a part of a line that an export was writing. A power cut may have left
 * zeros of it.
 */
function checkPart({ part, path }: LineFile): void {
  const end = part.findLastIndex((byte) => byte !== 0) + 1
  const length = Math.min(end, BEGINNING.length)
  if (part.subarray(0, length).equals(BEGINNING.subarray(0, length))) return
  throw new UsageError(`what stands at the end of ${path} is no part of a line of an export, and would be written over`)
}

/** What is left of the parts behind the record that a line says. */
function behind(parts: readonly Part[], line: Buffer, path: string, form: RecordForm): readonly Part[] {
  const last = lastRecord(line, path, form)
  const at = parts.findIndex(({ topic, partition }) => topic.name === last.topic && partition.partition === last.partition)
  if (at < 0) throw new UsageError(`the last line of ${path} is of ${last.topic}-${last.partition}, which is not exported here`)
  const rest = parts.slice(at)
  rest[0]!.from = Math.max(rest[0]!.from, last.offset + 1)
  return rest
}

function lastRecord(line: Buffer, path: string, form: RecordForm): LineRecord {
  let last: LineRecord
  try {
    last = parseFormLine(line)
  } catch (error) {
    if (!(error instanceof InputError) && !isLogError(error)) throw error
    throw new UsageError(`the last line of ${path} is no record of an export: ${error.message}`)
  }
  if (last.form !== form) throw new UsageError(`${path} was written with --format ${last.form}`)
  return last
}
