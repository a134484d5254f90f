/*
 * Writes down a session. Passwords never get into it: what clients say to authenticate is left empty, and a test may take out more.
 */
import { type Clock } from '../../base/clock.ts'
import { type Decoding } from '../journal/entry.ts'
import { Recording, type RecordedFrame, type RecordingInfo } from './recording.ts'
import { mapMessage, readAnswer, readRequest, writeAnswer, writeRequest, type WireRequest } from './wire-message.ts'

/** A message that is about to be written down. */
export interface RedactedMessage {
  readonly kind: 'request' | 'answer'
  /** Kafka's name of the API. */
  readonly api: string
  readonly body: Decoding
}

/** How to record. */
export interface RecordOptions {
  /** Gives what is written down in the place of a message: without names, without values. What clients see is not changed. */
  readonly redact?: (message: RedactedMessage) => Decoding
}

/** APIs whose messages have passwords or keys in them, and fields that hold these. */
const SECRET = new Set(['SaslAuthenticate', 'AlterUserScramCredentials'])
const secretFields = new Set(['authBytes', 'salt', 'saltedPassword'])
const NOTHING = Buffer.alloc(0)
const CORRELATION_AT = 0

/** Takes the frames of a session. */
export class Recorder {
  readonly #clock: Clock
  readonly #began: number
  readonly #recordedAt: string
  readonly #redact: ((message: RedactedMessage) => Decoding) | undefined
  readonly #frames: RecordedFrame[] = []
  readonly #connections = new Map<unknown, number>()
  readonly #requests = new Map<string, WireRequest>()

  constructor(clock: Clock, { redact }: RecordOptions) {
    this.#clock = clock
    this.#began = clock.monotonic()
    this.#recordedAt = new Date(clock.now()).toISOString()
    this.#redact = redact
  }

  /** A request. `connection` is whatever stands for it; `frame` is without its length. */
  request(connection: unknown, broker: number, frame: Uint8Array): void {
    const said = readRequest(frame)
    if (said !== undefined) this.#requests.set(this.#key(connection, said.correlationId), said)
    const body = said === undefined ? undefined : this.#changed('request', said, said.body)
    this.#add('request', connection, broker, said === undefined || body === said.body ? frame : writeRequest({ ...said, body: body! }))
  }

  /** An answer, without its length. */
  answer(connection: unknown, broker: number, frame: Uint8Array): void {
    const correlationId = frame.length < 4 ? -1 : new DataView(frame.buffer, frame.byteOffset).getInt32(CORRELATION_AT)
    const key = this.#key(connection, correlationId)
    const request = this.#requests.get(key)
    this.#requests.delete(key)
    const said = request === undefined ? undefined : readAnswer(request, frame)
    const body = said === undefined ? undefined : this.#changed('answer', request!, said)
    this.#add('answer', connection, broker, said === undefined || body === said ? frame : writeAnswer(request!, correlationId, body!))
  }

  /** The session so far. */
  recording(info: Omit<RecordingInfo, 'recordedAt'>): Recording {
    return new Recording({ recordedAt: this.#recordedAt, ...info }, [...this.#frames])
  }

  #changed(kind: 'request' | 'answer', { api }: WireRequest, body: Decoding): Decoding {
    const open = SECRET.has(api.name) ? mapMessage(body, (value, field) => (secretFields.has(field) ? NOTHING : value)) as Decoding : body
    return this.#redact === undefined ? open : this.#redact({ kind, api: api.name, body: open })
  }

  #add(kind: 'request' | 'answer', connection: unknown, broker: number, frame: Uint8Array): void {
    const at = this.#clock.monotonic() - this.#began
    this.#frames.push({ kind, at, connection: this.#numberOf(connection), broker, bytes: Buffer.from(frame) })
  }

  #key(connection: unknown, correlationId: number): string {
    return `${this.#numberOf(connection)} ${correlationId}`
  }

  #numberOf(connection: unknown): number {
    let number = this.#connections.get(connection)
    if (number === undefined) this.#connections.set(connection, (number = this.#connections.size + 1))
    return number
  }
}
