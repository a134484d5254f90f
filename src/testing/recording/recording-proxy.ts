/*
 * Records in front of a real cluster: clients connect to the proxy, which passes on what they say and writes it down. Addresses in answers are those
 * of the proxy, with a port for each broker, so that clients stay with it. Plain connections only: what is encrypted cannot be read.
 */
import { type Duplex } from 'node:stream'
import { systemClock } from '../../base/clock.ts'
import { checkFunction, checkOptions, describe } from '../../base/options.ts'
import { addressText } from '../../kafka/addresses.ts'
import { Endpoint } from '../../kafka/endpoint.ts'
import { FrameReader } from '../../kafka/frames.ts'
import { connectTo, parseAddress } from '../../kafka/outgoing.ts'
import { type Decoding } from '../journal/entry.ts'
import { type RecordOptions, Recorder } from './recorder.ts'
import { type Recording } from './recording.ts'
import { framed, mapMessage, readAnswer, readRequest, type WireRequest, writeAnswer } from './wire-message.ts'

/** How to record in front of a cluster. */
export interface RecordingProxyOptions extends RecordOptions {
  /** The `bootstrap.servers` of the cluster. */
  readonly to: string
  /** What is listened on. Default `127.0.0.1`. */
  readonly host?: string
}

/** A broker of the cluster, and the port that stands for it. */
interface Upstream {
  readonly host: string
  readonly port: number
  readonly endpoint: Endpoint
  /** Place in the list of the recording. */
  readonly index: number
}

const MOST_FRAME_BYTES = 256 * 1024 * 1024
const PRODUCE = 0

/**
 * Starts a proxy that records.
 *
 * @throws TypeError for options that cannot be
 * @example
 * const proxy = await startRecordingProxy({ to: 'kafka-1:9092,kafka-2:9092' })
 * // … a service runs with bootstrap.servers = proxy.bootstrap …
 * await (await proxy.close()).save('fixtures/billing.kwire')
 */
export async function startRecordingProxy(options: RecordingProxyOptions): Promise<RecordingProxy> {
  checkOptions(options, ['to', 'host', 'redact'], 'startRecordingProxy')
  if (typeof options.to !== 'string') throw new TypeError(`to is the bootstrap servers of a cluster, not ${describe(options.to)}`)
  checkFunction(options.redact, 'redact')
  const proxy = new RecordingProxy(options)
  for (const { host, port } of options.to.split(',').map(parseAddress)) await proxy.open(host, port)
  return proxy
}

/** A proxy that records what goes through it. */
export class RecordingProxy {
  readonly #options: RecordingProxyOptions
  readonly #recorder: Recorder
  readonly #upstreams = new Map<string, Promise<Upstream>>()
  readonly #opened: Upstream[] = []
  readonly #sockets = new Set<Duplex>()
  readonly #nodeIds = new Map<string, number>()

  /** @internal Use {@link startRecordingProxy}. */
  constructor(options: RecordingProxyOptions) {
    this.#options = options
    this.#recorder = new Recorder(systemClock, options)
  }

  /** What clients call `bootstrap.servers`. */
  get bootstrap(): string {
    const count = this.#options.to.split(',').length
    return this.#opened.slice(0, count).map(({ endpoint }) => addressText(this.#host, endpoint.port)).join(',')
  }

  /** The session so far. */
  recording(): Recording {
    const brokers = this.#opened.map(({ host, port, index }) => this.#nodeIds.get(addressText(host, port)) ?? -1 - index)
    return this.#recorder.recording({ brokers, seed: null, at: this.#options.to })
  }

  /** Ends connections and ports, and gives the session. */
  async close(): Promise<Recording> {
    const closing = this.#opened.map(({ endpoint }) => endpoint.close())
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(closing)
    return this.recording()
  }

  /** @internal The port that stands for a broker; a new one for one that was not known. */
  open(host: string, port: number): Promise<Upstream> {
    const key = addressText(host, port)
    let upstream = this.#upstreams.get(key)
    if (upstream === undefined) this.#upstreams.set(key, (upstream = this.#listen(host, port)))
    return upstream
  }

  get #host(): string {
    return this.#options.host ?? '127.0.0.1'
  }

  async #listen(host: string, port: number): Promise<Upstream> {
    const index = this.#upstreams.size
    const endpoint: Endpoint = await Endpoint.open(this.#host, 0, (socket) => void this.#pass(socket, upstream).catch(() => socket.destroy()))
    const upstream: Upstream = { host, port, endpoint, index }
    this.#opened[index] = upstream
    return upstream
  }

  /** Passes on what one client and its broker say. */
  async #pass(client: Duplex, { host, port, index }: Upstream): Promise<void> {
    this.#keep(client)
    client.pause()
    const broker = await connectTo(host, port)
    this.#keep(broker)
    const asked: (WireRequest | undefined)[] = []
    onFrames(client, broker, (frame) => {
      const request = readRequest(frame)
      if (request !== undefined) this.#recorder.request(client, index, frame)
      if (request?.api.key !== PRODUCE || request.body['acks'] !== 0) asked.push(request)
      broker.write(framed(frame))
    })
    onFrames(broker, client, async (frame) => {
      const request = asked.shift()
      const body = request === undefined ? undefined : readAnswer(request, frame)
      if (request !== undefined) this.#recorder.answer(client, index, frame)
      const changed = body === undefined ? undefined : await this.#here(body)
      client.write(framed(changed === undefined || changed === body ? frame : writeAnswer(request!, request!.correlationId, changed)))
    })
    client.resume()
  }

  /** An answer with the addresses of this proxy in the place of those of brokers. */
  async #here(body: Decoding): Promise<Decoding> {
    const found = new Map<unknown, Upstream>()
    for (const row of addressesIn(body)) found.set(row, await this.open(row.host, row.port))
    for (const row of found.keys()) {
      const { host, port, nodeId, brokerId } = row as Address
      if (typeof (nodeId ?? brokerId) === 'number') this.#nodeIds.set(addressText(host, port), (nodeId ?? brokerId)!)
    }
    return mapMessage(body, (value) => {
      const upstream = found.get(value)
      return upstream === undefined ? value : { ...value as object, host: this.#host, port: upstream.endpoint.port }
    }) as Decoding
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

/** A row of an answer that says where a broker is. */
interface Address {
  readonly host: string
  readonly port: number
  readonly nodeId?: number
  readonly brokerId?: number
}

/** Calls `take` with each frame, one after the other. What ends on one side ends on the other. */
function onFrames(from: Duplex, to: Duplex, take: (frame: Buffer) => void | Promise<void>): void {
  const frames = new FrameReader(MOST_FRAME_BYTES)
  let turn: Promise<void> = Promise.resolve()
  from.on('data', (chunk: Buffer) => {
    try {
      frames.push(chunk)
      while (frames.hasFrame()) {
        const frame = Buffer.from(frames.take())
        turn = turn.then(() => take(frame)).catch(() => void from.destroy())
      }
    } catch {
      from.destroy()
    }
  })
  from.on('end', () => void turn.then(() => to.end()))
  from.on('close', () => void turn.then(() => to.destroy()))
}

/** Everything in an answer that is an address of a broker. */
function addressesIn(value: unknown): Address[] {
  if (Array.isArray(value)) return value.flatMap(addressesIn)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return []
  const { host, port } = value as Partial<Address>
  const own = typeof host === 'string' && host !== '' && typeof port === 'number' && port > 0 ? [value as Address] : []
  return [...own, ...Object.values(value).flatMap(addressesIn)]
}
