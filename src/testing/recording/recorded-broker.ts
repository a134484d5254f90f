/*
 * Plays the brokers of a recorded session to live clients: no log, no groups, only answers that were given once. A request gets the answer to the
 * recorded one that is most like it and was not used yet; what is asked beyond the recording is told.
 */
import { type Duplex } from 'node:stream'
import { isDeepStrictEqual } from '../../base/node-util.ts'
import { realClock } from '../../base/clock.ts'
import { checkOptions } from '../../base/options.ts'
import { addressText } from '../../kafka/addresses.ts'
import { Endpoint } from '../../kafka/endpoint.ts'
import { type Decoding } from '../journal/entry.ts'
import { Recording } from './recording.ts'
import { withAddresses } from './wire-addresses.ts'
import { onFrames } from './wire-frames.ts'
import { framed, mapMessage, readAnswer, readRequest, type WireRequest, writeAnswer } from './wire-message.ts'

/** How a recorded broker listens. */
export interface RecordedBrokerOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string
}

/** A request of the recording, with its answer. */
interface RecordedExchange {
  readonly request: WireRequest
  readonly body: Decoding
  used: boolean
}

/** What clients ask again and again: what was answered last holds on. */
const REPEATED = new Set(['ApiVersions', 'Metadata', 'FindCoordinator', 'Heartbeat', 'ConsumerGroupHeartbeat', 'ListOffsets', 'OffsetFetch', 'Fetch'])
const MOST_WAIT_MS = 1000

/**
 * Starts brokers that answer as those of a recording, or of the file of one, did: a port for each.
 *
 * @throws LogError `LOG_NOT_FOUND`, `LOG_FILE_CORRUPT`, `LOG_VERSION_UNSUPPORTED` for the file
 * @example
 * const brokers = await startRecordedBroker('fixtures/billing.kwire')
 * // … the service runs with brokers.bootstrap …
 * await brokers.close()
 */
export async function startRecordedBroker(session: Recording | string, options: RecordedBrokerOptions = {}): Promise<RecordedBroker> {
  checkOptions(options, ['host'], 'startRecordedBroker')
  const brokers = new RecordedBroker(typeof session === 'string' ? Recording.load(session) : session, options.host ?? '127.0.0.1')
  await brokers.open()
  return brokers
}

/** Brokers that answer as others did. */
export class RecordedBroker implements AsyncDisposable {
  /** Requests for which the recording has no answer, in words. Their connections were closed. */
  readonly unmatched: string[] = []
  readonly #recording: Recording
  readonly #host: string
  readonly #exchanges: readonly RecordedExchange[]
  readonly #endpoints: Endpoint[] = []
  readonly #streams = new Set<Duplex>()

  /** @internal Use {@link startRecordedBroker}. */
  constructor(recording: Recording, host: string) {
    this.#recording = recording
    this.#host = host
    this.#exchanges = exchangesOf(recording)
  }

  /** @internal */
  async open(): Promise<void> {
    for (const _ of this.#recording.info.brokers) this.#endpoints.push(await Endpoint.open(this.#host, 0, (socket) => this.#serve(socket)))
  }

  /** What clients call `bootstrap.servers`. */
  get bootstrap(): string {
    return this.#endpoints.map(({ port }) => addressText(this.#host, port)).join(',')
  }

  /** Requests of the recording that nobody has asked, in words. */
  get unasked(): string[] {
    return this.#exchanges.filter(({ used }) => !used).map(({ request }) => requestText(request))
  }

  /** Ends connections and ports. */
  async close(): Promise<void> {
    const closing = this.#endpoints.map((endpoint) => endpoint.close())
    for (const stream of this.#streams) stream.destroy()
    await Promise.all(closing)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #serve(stream: Duplex): void {
    this.#streams.add(stream)
    stream.on('error', () => {})
    stream.once('close', () => this.#streams.delete(stream))
    onFrames(stream, (frame) => this.#answer(stream, frame), () => void stream.destroy())
  }

  async #answer(stream: Duplex, frame: Buffer): Promise<void> {
    const request = readRequest(frame)
    if (request === undefined) return this.#refuse(stream, 'bytes that are no request')
    if (request.api.name === 'Produce' && request.body['acks'] === 0) return
    const found = this.#match(request)
    if (found === undefined) return this.#refuse(stream, requestText(request))
    const again = found.used
    found.used = true
    if (again && request.api.name === 'Fetch') await this.#waitFor(request)
    const body = again ? withoutRecords(found.body) : found.body
    const live = withAddresses(body, ({ nodeId }) => this.#addressOf(nodeId))
    if (!stream.destroyed) stream.write(framed(writeAnswer(request, request.correlationId, live)))
  }

  /** The one that asks the same; the next of the same kind; the last one, where asking again is usual. */
  #match({ api, clientId, body }: WireRequest): RecordedExchange | undefined {
    const alike = this.#exchanges.filter(({ request }) => request.api.key === api.key)
    const own = alike.some(({ request }) => request.clientId === clientId) ? alike.filter(({ request }) => request.clientId === clientId) : alike
    const left = own.filter(({ used }) => !used)
    return left.find(({ request }) => isDeepStrictEqual(request.body, body)) ?? left[0] ?? (REPEATED.has(api.name) ? own.at(-1) : undefined)
  }

  #refuse(stream: Duplex, what: string): void {
    this.unmatched.push(what)
    stream.destroy()
  }

  #addressOf(nodeId: number | undefined): { readonly host: string; readonly port: number } {
    const place = Math.max(0, this.#recording.info.brokers.indexOf(nodeId ?? NaN))
    return { host: this.#host, port: this.#endpoints[place]!.port }
  }

  /** Nothing more comes: the client waits, as it asked to. */
  async #waitFor({ body }: WireRequest): Promise<void> {
    const ms = Math.min(MOST_WAIT_MS, Math.max(0, Number(body['maxWaitMs'])))
    await new Promise<void>((resolve) => void realClock.setTimer(resolve, ms, { ref: false }))
  }
}

/** Requests of a recording that were answered, in their order. */
function exchangesOf({ frames }: Recording): RecordedExchange[] {
  const exchanges: (RecordedExchange | undefined)[] = []
  const asked = new Map<string, { readonly request: WireRequest; readonly at: number }>()
  for (const { kind, connection, bytes } of frames) {
    const key = (correlationId: number): string => `${connection} ${correlationId}`
    if (kind === 'request') {
      const request = readRequest(bytes)
      if (request !== undefined) asked.set(key(request.correlationId), { request, at: exchanges.push(undefined) - 1 })
      continue
    }
    const found = bytes.length < 4 ? undefined : asked.get(key(bytes.readInt32BE(0)))
    const body = found === undefined ? undefined : readAnswer(found.request, bytes)
    if (found !== undefined && body !== undefined) exchanges[found.at] = { request: found.request, body, used: false }
  }
  return exchanges.filter((exchange) => exchange !== undefined)
}

function withoutRecords(body: Decoding): Decoding {
  const none = Buffer.alloc(0)
  return mapMessage(body, (value, field) => (field === 'records' && value instanceof Uint8Array ? none : value)) as Decoding
}

function requestText({ api, version, clientId }: WireRequest): string {
  return `${api.name} v${version} of ${clientId ?? 'a client'}`
}
