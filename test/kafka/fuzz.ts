/*
 * Hostile peers, drawn from a seed: requests of real clients as they were recorded, requests that are drawn from the schemas (the same few
 * topics, groups, members and producers come again and again), both of them as they are or changed bit by bit, cut and stretched, and bytes that
 * mean nothing. Each goes through a connection as a client's would.
 *
 * What counts as a find: a handler that throws what it does not expect, a request that neither is answered nor ends its connection, and a
 * well-behaved client next to it that gets a wrong answer.
 */
import { readFileSync } from 'node:fs'
import { type Duplex, duplexPair } from 'node:stream'
import { ByteWriter, setInt32 } from '../../src/base/bytes.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { type AnyField, type Fields, isField, type Message } from '../../src/format/schema.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { CommitLog } from '../../src/index.ts'
import { type AnyApi } from '../../src/kafka/api.ts'
import { apis } from '../../src/kafka/apis.ts'
import { requestHeader } from '../../src/kafka/headers.ts'
import { type KafkaListener, listen, type ListenerEvent } from '../../src/kafka/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type Drawing, hasField } from '../tools/message-values.ts'

/** What a run found, and how much it did. */
export interface FuzzReport {
  readonly frames: number
  readonly answered: number
  readonly closed: number
  readonly found: readonly string[]
}

/** A log is thrown away after so many frames: hostile peers fill it. */
const FRAMES_A_LOG = 2000
/** Steps of time that a request may wait for, each twice as long as the one before: together longer than the 25 days that it can ask for. */
const MOST_STEPS = 18
const STEP_MS = 60_000

/** Requests of real clients, in the order in which each sent them; without their length. */
const sessions = (JSON.parse(readFileSync(new URL('../fixtures/wire/sessions.json', import.meta.url), 'utf8')) as { readonly frames: string[] }[])
  .map(({ frames }) => frames.map((frame) => Buffer.from(frame, 'base64')))

/** Names that come again and again, so that requests meet what others left. */
const words = [
  'a', 'orders', 'audit', 'group', 'other', 'member-1', 'tx', '', '..', '__consumer_offsets', 'consumer', 'range', 'cleanup.policy', 'compact', '1',
]

/** A request for ApiVersions 0: length, API, version, correlation id, no client id. */
const WHICH_VERSIONS = Buffer.from('0000000a' + '0012' + '0000' + '00000002' + 'ffff', 'hex')

/** Sends `frames` frames from a seed on. */
export async function fuzz(seed: number, frames: number): Promise<FuzzReport> {
  const random = seededRandom(seed)
  const report = { frames: 0, answered: 0, closed: 0, found: [] as string[] }
  while (report.frames < frames && report.found.length === 0) {
    const peers = await HostilePeers.open(random)
    try {
      const until = Math.min(frames, report.frames + FRAMES_A_LOG)
      while (report.frames < until && report.found.length === 0) {
        report.frames++
        const outcome = await peers.send()
        if (outcome === 'answered') report.answered++
        else if (outcome === 'closed') report.closed++
        else report.found.push(`frame ${report.frames} of SEED=${seed}: ${outcome}`)
      }
      report.found.push(...peers.unexpected.map((what) => `by frame ${report.frames} of SEED=${seed}: ${what}`))
    } finally {
      await peers.close()
    }
  }
  return report
}

/** One log, its listener, and whoever attacks it. */
class HostilePeers {
  /** Failures that no handler should have. */
  readonly unexpected: string[] = []
  readonly #random: Random
  readonly #log: CommitLog
  readonly #kafka: KafkaListener
  readonly #clock: ManualClock
  #end: Duplex | undefined
  #answers = 0
  #gone = false
  /** The session that is played, and how far it is. */
  #session: readonly Buffer[] = []
  #played = 0

  private constructor(random: Random, clock: ManualClock, log: CommitLog, kafka: KafkaListener) {
    this.#random = random
    this.#clock = clock
    this.#log = log
    this.#kafka = kafka
  }

  static async open(random: Random): Promise<HostilePeers> {
    const clock = new ManualClock()
    const log = await CommitLog.memory({ clock, random, bufferBytes: 1024 * 1024 })
    let peers: HostilePeers | undefined
    const kafka = await listen(log, { onEvent: (event) => peers?.saw(event), maxRequestBytes: 64 * 1024 })
    peers = new HostilePeers(random, clock, log, kafka)
    return peers
  }

  async close(): Promise<void> {
    this.#end?.destroy()
    const closing = this.#kafka.close()
    await this.#clock.advance(STEP_MS)
    await closing
    await this.#log.close()
  }

  saw(event: ListenerEvent): void {
    if (event.type !== 'request-failed') return
    const { cause, api } = event
    this.unexpected.push(`${api} threw ${cause instanceof Error ? cause.stack : String(cause)}`)
  }

  /** Sends a frame, and gives what came of it: `answered`, `closed`, or what is wrong. */
  async send(): Promise<string> {
    const connection = this.#connection()
    const { bytes, what } = this.#frame()
    const answers = this.#answers
    connection.write(bytes)
    // What is not to be answered is followed by what is.
    connection.write(WHICH_VERSIONS)
    for (let step = 0; step < MOST_STEPS; step++) {
      for (let turn = 0; turn < 8; turn++) {
        if (this.#gone) return 'closed'
        if (this.#answers > answers) return 'answered'
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
      // It waits for something: for its own time-out, if for nothing else. One that waits for more bytes is closed by its time-out.
      await this.#clock.advance(STEP_MS * 2 ** step)
    }
    return `${what} was neither answered nor refused:\n${bytes.toString('hex').slice(0, 4000)}`
  }

  #connection(): Duplex {
    if (this.#end !== undefined && !this.#gone) return this.#end
    const [theirs, ours] = duplexPair()
    this.#gone = false
    theirs.on('data', () => { this.#answers++ })
    theirs.on('error', () => {})
    const gone = (): void => { if (this.#end === theirs) this.#gone = true }
    theirs.on('close', gone).on('end', gone)
    ours.on('close', gone)
    this.#kafka.serve(ours)
    this.#end = theirs
    return theirs
  }

  #frame(): { readonly bytes: Buffer; readonly what: string } {
    const random = this.#random
    if (random.int(50) === 0) return { bytes: Buffer.from(random.bytes(1 + random.int(64))), what: 'noise' }
    const bytes = random.int(2) === 0 ? this.#recorded() : this.#drawn()
    // Half of them are as a client would send them, so that there is something for the others to meet.
    const changes = random.int(2) === 0 ? 0 : 1 + random.int(4)
    return { bytes: damaged(bytes, changes, random), what: `API ${bytes.readInt16BE(4)} ${bytes.readInt16BE(6)} with ${changes} changes` }
  }

  /** The next request of a session, or one of any. */
  #recorded(): Buffer {
    const random = this.#random
    if (this.#played === this.#session.length || random.int(30) === 0) {
      this.#session = sessions[random.int(sessions.length)]!
      this.#played = 0
    }
    const frame = random.int(4) === 0 ? this.#session[random.int(this.#session.length)]! : this.#session[this.#played++]!
    const length = Buffer.alloc(4)
    setInt32(length, 0, frame.length)
    return Buffer.concat([length, frame])
  }

  #drawn(): Buffer {
    const random = this.#random
    const api = apis[random.int(apis.length)]!
    const { first, last } = api.request
    return this.#request(api, first + random.int(last - first + 1))
  }

  #request(api: AnyApi, version: number): Buffer {
    const writer = new ByteWriter(Buffer.alloc(512), 4)
    const flexible = api.request.isFlexible(version)
    const header = { requestApiKey: api.key, requestApiVersion: version, correlationId: 1, clientId: 'fuzz' }
    requestHeader.at(flexible ? 2 : 1).encode(header, writer)
    const message = api.request as Message<Fields>
    message.at(version).encode(drawnStruct(message.fields, { version, flexible }, this.#random), writer)
    setInt32(writer.buffer, 0, writer.at - 4)
    return writer.written()
  }
}

/** Changes a frame behind its length, and sets the length right, most of the time. */
function damaged(frame: Buffer, changes: number, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(frame)
  for (let change = 0; change < changes; change++) {
    const at = 4 + random.int(Math.max(1, bytes.length - 4))
    const kind = random.int(5)
    if (kind === 0) bytes[at % bytes.length]! ^= 1 << random.int(8)
    else if (kind === 1) bytes[at % bytes.length] = [0, 1, 0x7f, 0x80, 0xff][random.int(5)]!
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.int(8))])
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.int(8)), bytes.subarray(at)])
    else if (at + 4 <= bytes.length) setInt32(bytes, at, [0x7fff_ffff, -1, -0x8000_0000, 0x1000_0000][random.int(4)]!)
  }
  if (changes > 0 && random.int(20) !== 0) setInt32(bytes, 0, bytes.length - 4)
  return bytes
}

function drawnStruct(fields: Fields, drawing: Drawing, random: Random): Record<string, unknown> {
  const present = Object.entries(fields).filter(([, field]) => hasField(field, drawing))
  return Object.fromEntries(present.map(([name, field]) => [name, drawnValue(name, field, drawing, random)]))
}

function drawnValue(name: string, field: AnyField, drawing: Drawing, random: Random): unknown {
  const { nullable } = field.options as { readonly nullable?: number }
  if (drawing.version >= (nullable ?? Infinity) && random.int(4) === 0) return null
  const { shape } = field
  switch (shape.kind) {
    case 'boolean': return random.int(2) === 0
    case 'int8': return [0, 1, 2, -1, 127, -128][random.int(6)]
    case 'int16': return [0, 1, 2, 3, -1, 0x7fff, -0x8000][random.int(7)]
    case 'uint16': return random.int(0x1_0000)
    case 'int32': return [0, 1, 2, 3, -1, 100, 30_000, 0x7fff_ffff, -0x8000_0000][random.int(name.includes('artition') ? 5 : 9)]
    case 'uint32': return random.int(0x1_0000_0000)
    case 'int64': return [0, 1, 2, -1, -2, 1000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER][random.int(8)]
    case 'bigint64': return [0n, 1n, -1n, 2n ** 40n, 2n ** 40n + 1n, 2n ** 63n - 1n][random.int(6)]
    case 'float64': return [0, 1, -1, 1e9, Number.MAX_VALUE][random.int(5)]
    case 'uuid': return Buffer.alloc(16, random.int(3)).toString('base64url')
    case 'string': return words[random.int(words.length)]
    case 'bytes': return Buffer.from(random.bytes(random.int(24)))
    case 'records': return drawnRecords(random)
    case 'struct': return drawnStruct(shape.fields, drawing, random)
    case 'array': {
      const { element } = shape
      const count = random.int(3)
      return Array.from({ length: count }, () => {
        return isField(element) ? drawnValue(name, element, drawing, random) : drawnStruct(element, drawing, random)
      })
    }
  }
}

/** A batch that is right; sometimes noise. */
function drawnRecords(random: Random): Buffer {
  if (random.int(5) === 0) return Buffer.from(random.bytes(random.int(100)))
  const records = Array.from({ length: 1 + random.int(3) }, (_, index) => ({
    timestamp: Date.UTC(2026, 0, 1) + index, key: Buffer.from(words[random.int(words.length)]!), value: random.bytes(20),
  }))
  if (random.int(3) > 0) return encodeBatch(records)
  const transactional = random.int(2) === 0
  return encodeBatch(records, { producerId: 2n ** 40n, producerEpoch: 0, baseSequence: random.int(3), transactional })
}
