/*
 * Plays the clients of a recorded session to a broker, and compares what it answers. What was sent before an answer came is sent before it comes, and
 * what was sent behind it waits for it: the order is that of the recording, whatever time anybody takes.
 */
import { type Duplex } from 'node:stream'
import { realClock } from '../../base/clock.ts'
import { LogError } from '../../base/errors.ts'
import { checkOneOf, checkOptions, describe } from '../../base/options.ts'
import { FrameReader } from '../../kafka/frames.ts'
import { connectTo, parseAddress } from '../../kafka/outgoing.ts'
import { TestBroker } from '../broker/test-broker.ts'
import { type Duration, durationMs } from '../clock/durations.ts'
import { type AnswerDifference, answerDifference } from './differences.ts'
import { Identities } from './identities.ts'
import { type RecordedFrame, Recording } from './recording.ts'
import { framed, readAnswer, readRequest, type WireRequest, writeRequest } from './wire-message.ts'

/** How to replay. */
export interface ReplayOptions {
  /** `fast`: each request as soon as it may be. `recorded`: not before its time in the recording. Default `fast`; a virtual clock is moved along. */
  readonly pace?: 'fast' | 'recorded'
  /** Fields of answers that may differ, beside those that are of a broker alone: `['highWatermark']`. */
  readonly ignore?: readonly string[]
  /** `throw` for the first difference behind the last request, or only `report` them. Default `throw`. */
  readonly differences?: 'throw' | 'report'
  /** How long an answer is waited for: of real time, or of the broker's where that is virtual. Default `30s`. */
  readonly patience?: Duration
}

/** An answer that is not the recorded one. */
export interface ReplayDifference extends AnswerDifference {
  /** Which request of the recording, from 1 on. */
  readonly request: number
  readonly api: string
  readonly version: number
  readonly clientId: string
  /** Ms since the session began. */
  readonly at: number
}

/** What came of a replay. */
export interface ReplayReport {
  /** Requests that were sent. */
  readonly requests: number
  /** Answers that were compared. */
  readonly compared: number
  /** Requests that cannot be sent again: authentication, and bytes that are no request. */
  readonly skipped: number
  readonly differences: readonly ReplayDifference[]
}

const MOST_FRAME_BYTES = 256 * 1024 * 1024
/** What they say was only for the one session. */
const UNREPEATABLE = new Set(['SaslHandshake', 'SaslAuthenticate'])

/**
 * Replays a recording, or the file of one, at a test broker or at the brokers of `bootstrap`.
 *
 * @throws LogError `LOG_REPLAY_DIFFERS`; `LOG_NOT_FOUND`, `LOG_FILE_CORRUPT`, `LOG_VERSION_UNSUPPORTED` for the file; `LOG_IO` when nobody listens
 * @example await replay('fixtures/billing.kwire', kafka)
 */
export async function replay(session: Recording | string, at: TestBroker | string, options: ReplayOptions = {}): Promise<ReplayReport> {
  checkOptions(options, ['pace', 'ignore', 'differences', 'patience'], 'replay')
  checkOneOf(options.pace, 'pace', ['fast', 'recorded'])
  checkOneOf(options.differences, 'differences', ['throw', 'report'])
  const { ignore } = options
  if (ignore !== undefined && !Array.isArray(ignore)) throw new TypeError(`ignore is a list of fields, not ${describe(ignore)}`)
  const recording = typeof session === 'string' ? Recording.load(session) : session
  const replaying = new Replaying(recording, at, options)
  const report = await replaying.run()
  const [first] = report.differences
  if (first !== undefined && options.differences !== 'report') throw differs(report, first)
  return report
}

class Replaying {
  readonly #recording: Recording
  readonly #at: TestBroker | string
  readonly #options: ReplayOptions
  readonly #patienceMs: number
  readonly #ignore: ReadonlySet<string>
  readonly #identities = new Identities()
  readonly #lines = new Map<number, Promise<Line>>()
  /** Requests that are not answered yet, by connection and correlation id. */
  readonly #asked = new Map<string, { readonly number: number; readonly request: WireRequest; readonly at: number }>()
  readonly #differences: ReplayDifference[] = []
  #requests = 0
  #compared = 0
  #skipped = 0

  constructor(recording: Recording, at: TestBroker | string, options: ReplayOptions) {
    this.#recording = recording
    this.#at = at
    this.#options = options
    this.#patienceMs = durationMs(options.patience ?? '30s', 'patience')
    this.#ignore = new Set(options.ignore)
  }

  async run(): Promise<ReplayReport> {
    const began = realClock.monotonic()
    let moved = 0
    let number = 0
    try {
      for (const frame of this.#recording.frames) {
        if (this.#isVirtual) {
          await (this.#at as TestBroker).clock.advance(Math.max(0, frame.at - moved))
          moved = Math.max(moved, frame.at)
        } else if (this.#options.pace === 'recorded') await pause(frame.at - (realClock.monotonic() - began))
        if (frame.kind === 'request') await this.#send(frame, ++number)
        else await this.#compare(frame)
      }
    } finally {
      for (const line of this.#lines.values()) line.then((open) => open.close(), () => {})
    }
    return { requests: this.#requests, compared: this.#compared, skipped: this.#skipped, differences: this.#differences }
  }

  get #isVirtual(): boolean {
    return this.#at instanceof TestBroker && this.#at.clock.mode !== 'real'
  }

  async #send({ connection, broker, bytes, at }: RecordedFrame, number: number): Promise<void> {
    const request = readRequest(bytes)
    if (request === undefined || UNREPEATABLE.has(request.api.name)) {
      this.#skipped++
      return
    }
    const line = await this.#line(connection, broker)
    this.#asked.set(`${connection} ${request.correlationId}`, { number, request, at })
    this.#requests++
    line.send(writeRequest({ ...request, body: this.#identities.request(request.body, connection) }))
  }

  async #compare({ connection, broker, bytes }: RecordedFrame): Promise<void> {
    const correlationId = bytes.length < 4 ? -1 : bytes.readInt32BE(0)
    const asked = this.#asked.get(`${connection} ${correlationId}`)
    if (asked === undefined) return
    this.#asked.delete(`${connection} ${correlationId}`)
    const { request, number, at } = asked
    const recorded = readAnswer(request, bytes)
    const line = await this.#line(connection, broker)
    const frame = await this.#waited(line.answer(correlationId))
    const differ = (difference: AnswerDifference): void => {
      const { api, version, clientId } = request
      this.#differences.push({ ...difference, request: number, api: api.name, version, clientId: clientId ?? '', at })
    }
    if (frame === undefined) return differ({ path: '', recorded: 'an answer', now: line.ended ? 'a closed connection' : 'no answer' })
    if (recorded === undefined) return
    const now = readAnswer(request, frame)
    this.#compared++
    if (now === undefined) return differ({ path: '', recorded: 'an answer', now: 'bytes that are no answer' })
    this.#identities.learn(recorded, now, connection)
    const difference = answerDifference(recorded, now, this.#ignore)
    if (difference !== undefined) differ(difference)
  }

  async #waited(answer: Promise<Buffer | undefined>): Promise<Buffer | undefined> {
    if (!this.#isVirtual) return within(answer, this.#patienceMs)
    try {
      return await (this.#at as TestBroker).clock.runUntil(answer, this.#patienceMs)
    } catch (error) {
      if (error instanceof LogError && error.code === 'LOG_WAIT_TIMED_OUT') return undefined
      throw error
    }
  }

  #line(connection: number, broker: number): Promise<Line> {
    let line = this.#lines.get(connection)
    if (line === undefined) this.#lines.set(connection, (line = this.#connect(broker)))
    return line
  }

  /** The broker at the same place; the first where there are fewer. */
  async #connect(broker: number): Promise<Line> {
    if (typeof this.#at === 'string') {
      const addresses = this.#at.split(',')
      const { host, port } = parseAddress(addresses[broker] ?? addresses[0]!)
      return new Line(await connectTo(host, port))
    }
    const { host, port } = this.#at.brokers[broker] ?? this.#at.brokers[0]!
    const connect = this.#at.socketFactory()
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, onConnect: () => resolve(new Line(socket)) })
      socket.once('error', reject)
    })
  }
}

/** One connection of a client that is played. */
class Line {
  ended = false
  readonly #stream: Duplex
  readonly #frames = new FrameReader(MOST_FRAME_BYTES)
  readonly #answers = new Map<number, Buffer>()
  readonly #waiting = new Map<number, (frame: Buffer | undefined) => void>()

  constructor(stream: Duplex) {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.on('error', () => {})
    stream.on('end', () => this.#end())
    stream.on('close', () => this.#end())
  }

  send(frame: Buffer): void {
    if (!this.ended) this.#stream.write(framed(frame))
  }

  /** The answer with a correlation id; undefined when the connection ends before. */
  answer(correlationId: number): Promise<Buffer | undefined> {
    const there = this.#answers.get(correlationId)
    this.#answers.delete(correlationId)
    if (there !== undefined || this.ended) return Promise.resolve(there)
    return new Promise((resolve) => void this.#waiting.set(correlationId, resolve))
  }

  close(): void {
    this.#stream.destroy()
  }

  #take(chunk: Buffer): void {
    this.#frames.push(chunk)
    try {
      while (this.#frames.hasFrame()) this.#answered(Buffer.from(this.#frames.take()))
    } catch {
      this.#stream.destroy()
    }
  }

  #answered(frame: Buffer): void {
    const correlationId = frame.length < 4 ? -1 : frame.readInt32BE(0)
    const waiting = this.#waiting.get(correlationId)
    this.#waiting.delete(correlationId)
    if (waiting === undefined) this.#answers.set(correlationId, frame)
    else waiting(frame)
  }

  #end(): void {
    this.ended = true
    for (const resolve of this.#waiting.values()) resolve(undefined)
    this.#waiting.clear()
  }
}

function differs({ differences, compared }: ReplayReport, { request, api, version, clientId, at, path, recorded, now }: ReplayDifference): LogError {
  const where = path === '' ? 'there was' : `${path} was`
  const others = differences.length === 1 ? '' : `; ${differences.length - 1} of ${compared} other answers differ too`
  const which = `request ${request}, ${api} v${version} of ${clientId || 'a client'} at ${(at / 1000).toFixed(3)} s`
  const message = `the answer to ${which}: ${where} ${recorded}, and is now ${now}${others}`
  return new LogError('LOG_REPLAY_DIFFERS', message, { differences })
}

/** What comes in time. */
function within<T>(coming: Promise<T>, ms: number): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = realClock.setTimer(() => resolve(undefined), ms)
    coming.then(resolve, reject).finally(() => timer.cancel())
  })
}

function pause(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => void realClock.setTimer(resolve, ms, { ref: false }))
}
