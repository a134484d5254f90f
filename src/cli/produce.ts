/*
 * `commitlog produce`: a record for each line of stdin. Reads no faster than the disk takes the records, and ends when all of them are
 * stored as the topic's durability asks.
 */
import { isUtf8 } from 'node:buffer'
import { isLogError, LogError } from '../base/errors.ts'
import { InputError } from '../base/input-error.ts'
import { checkTopicName } from '../format/names.ts'
import { durabilities } from '../log/config.ts'
import { builtInCodec } from '../topics/codecs.ts'
import { CommitLog, type LogOptions } from '../topics/commit-log.ts'
import { type Producer, type SendRecord } from '../topics/producer.ts'
import { type Topic } from '../topics/topic.ts'
import { type Call, type Command, UsageError } from './command.ts'
import { lineChunks } from '../topics/lines/line-chunks.ts'
import { type CodecNames } from './record-line.ts'
import { count, counted, jsonLine } from './text.ts'

/** Sends under way, each of a chunk of stdin: a slow disk then holds stdin back. */
const SENDS = 8

/** The subcommand. */
export const produce: Command = {
  name: 'produce',
  summary: 'stores a record for each line of stdin',
  positionals: ['folder', 'topic'],
  options: {
    'key-separator': { value: 'TEXT', help: 'what stands between key and value in a line; without it records have no key' },
    null: { value: 'TEXT', help: 'a key or value that reads so is null; a null value is a tombstone' },
    partition: { value: 'N', help: 'send all to the partition of this number; by default the key decides' },
    partitions: { value: 'N', help: 'partitions of a topic that is new' },
    codec: { value: 'NAME', help: 'codec of the values of a topic that is new: string (default), json, msgpack, bytes' },
    durability: { value: 'HOW', help: 'sync (default), interval or os: when a record counts as stored' },
    wait: { value: 'SECONDS', help: 'how long to wait while another process holds the folder' },
  },
  notes: [
    'Makes folder and topic when they are missing. Values of topics with json or msgpack are JSON in the lines; those of others are taken',
    'as they are. After Ctrl-C what was read is stored first.',
  ],
  async run(call) {
    const name = call.argument('topic')
    checkName(name)
    const log = await CommitLog.open(call.argument('folder'), openOptions(call))
    try {
      const { topic, codecs } = await openTopic(call, log, name)
      return await new Sending(call, topic, codecs).run()
    } finally {
      await log.close()
    }
  },
}

type AnyTopic = Topic<unknown, unknown>

const codecNames = ['string', 'json', 'msgpack', 'bytes'] as const

function checkName(name: string): void {
  try {
    checkTopicName(name)
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function openOptions(call: Call): LogOptions {
  const durability = call.oneOf('durability', durabilities)
  return { waitMs: (call.number('wait') ?? 0) * 1000, signal: call.terminal.signal, ...(durability !== undefined && { durability }) }
}

/** The topic with the codecs that it has, or a new one. */
async function openTopic(call: Call, log: CommitLog, name: string): Promise<{ topic: AnyTopic; codecs: CodecNames }> {
  const codec = call.oneOf('codec', codecNames)
  const partitions = call.number('partitions', 1)
  const known = (await log.topics()).find((topic) => topic.name === name)
  if (known === undefined) {
    const codecs = { key: 'string', value: codec ?? 'string' }
    const options = { key: builtInCodec(codecs.key)!, value: builtInCodec(codecs.value)!, ...(partitions !== undefined && { partitions }) }
    return { topic: await log.topic<unknown, unknown>(name, options), codecs }
  }
  if (codec !== undefined && known.value !== undefined && codec !== known.value) {
    throw new UsageError(`topic "${name}" is there, and its values are ${known.value}, not ${codec}`)
  }
  if (partitions !== undefined && partitions !== known.partitions) {
    throw new UsageError(`topic "${name}" is there with ${counted(known.partitions, 'partition')}`)
  }
  const { key = 'bytes', value = 'bytes' } = known
  return { topic: await log.topic<unknown, unknown>(name, { create: false }), codecs: { key, value } }
}

/** One run over stdin. */
class Sending {
  readonly #call: Call
  readonly #producer: Producer<unknown, unknown>
  readonly #codecs: CodecNames
  readonly #separator: Buffer | undefined
  readonly #null: Buffer | undefined
  readonly #partition: number | undefined
  readonly #underWay = new Set<Promise<void>>()
  readonly #started = performance.now()
  #read = 0
  #stored = 0
  #failure: unknown

  constructor(call: Call, topic: AnyTopic, codecs: CodecNames) {
    const [separator, nothing] = [call.text('key-separator'), call.text('null')]
    this.#call = call
    this.#codecs = codecs
    this.#separator = separator === undefined ? undefined : Buffer.from(separator)
    this.#null = nothing === undefined ? undefined : Buffer.from(nothing)
    this.#partition = call.number('partition')
    if (separator === '') throw new UsageError('--key-separator is empty')
    if (this.#partition !== undefined && this.#partition >= topic.partitionCount) {
      throw new UsageError(`topic "${topic.name}" has partitions 0 to ${topic.partitionCount - 1}, not ${this.#partition}`)
    }
    this.#producer = topic.producer()
  }

  async run(): Promise<number> {
    const { terminal, screen } = this.#call
    try {
      for await (const lines of lineChunks(terminal.stdin, terminal.signal)) {
        this.#send(lines)
        while (this.#underWay.size >= SENDS) await Promise.race(this.#underWay)
        if (this.#failure !== undefined) break
      }
    } finally {
      // Whatever was read before is stored, or the reason is known.
      await Promise.all(this.#underWay)
      screen.clearBar()
      // A failure says it itself, in its one sentence.
      if (this.#failure === undefined || this.#call.json) await this.#report()
    }
    if (this.#failure !== undefined) throw stoppedBy(this.#failure, this.#stored)
    terminal.signal.throwIfAborted()
    return 0
  }

  /** Sends the lines up to one that is wrong; those before it are stored. */
  #send(lines: readonly Buffer[]): void {
    const records: SendRecord<unknown, unknown>[] = []
    try {
      for (const line of lines) {
        this.#read++
        records.push(this.#record(line))
      }
    } catch (error) {
      this.#failure ??= error
    }
    if (records.length === 0) return
    const sending = this.#producer.send(records).then(() => this.#done(records.length), (error: unknown) => this.#refused(error))
    this.#underWay.add(sending)
    void sending.finally(() => this.#underWay.delete(sending))
  }

  #done(records: number): void {
    this.#stored += records
    const rate = (this.#stored / Math.max(1, performance.now() - this.#started)) * 1000
    this.#call.screen.bar(0, 0, `${counted(this.#stored, 'record')} stored, ${count(rate)} a second`)
  }

  /** A part of a chunk may be stored. */
  #refused(error: unknown): void {
    const partly = isLogError(error, 'LOG_SEND_FAILED')
    if (partly) this.#stored += (error.detail['results'] as readonly unknown[]).filter((result) => !(result instanceof Error)).length
    this.#failure ??= partly ? error.cause : error
  }

  #record(line: Buffer): SendRecord<unknown, unknown> {
    const at = this.#separator === undefined ? -1 : line.indexOf(this.#separator)
    if (this.#separator !== undefined && at < 0) throw new InputError(`line ${this.#read} has no "${this.#separator.toString()}" in it`)
    const key = at < 0 ? null : this.#part(line.subarray(0, at), this.#codecs.key)
    const value = this.#part(at < 0 ? line : line.subarray(at + this.#separator!.length), this.#codecs.value)
    return { key, value, ...(this.#partition !== undefined && { partition: this.#partition }) }
  }

  /** A key or value as its codec takes it. */
  #part(bytes: Buffer, codec: string | undefined): unknown {
    if (this.#null?.equals(bytes) === true) return null
    if (codec === 'bytes') return bytes
    if (!isUtf8(bytes)) throw new InputError(`line ${this.#read} is not text in UTF-8`)
    if (codec === 'string') return bytes.toString()
    try {
      return JSON.parse(bytes.toString()) as unknown
    } catch (error) {
      throw new InputError(`line ${this.#read} is not JSON: ${(error as Error).message}`, { cause: error })
    }
  }

  async #report(): Promise<void> {
    const { screen, json } = this.#call
    const ms = Math.round(performance.now() - this.#started)
    await screen.print(json ? jsonLine({ topic: this.#producer.topic, records: this.#stored, ms }) : `${counted(this.#stored, 'record')} stored`)
  }
}

/** Why it stopped half-way, with how many records were stored all the same. */
function stoppedBy(error: unknown, stored: number): unknown {
  if (!(error instanceof Error)) return error
  const message = `${error.message}; ${counted(stored, 'record')} ${stored === 1 ? 'was' : 'were'} stored`
  return isLogError(error) ? new LogError(error.code, message, error.detail, error) : new InputError(message, { cause: error })
}
