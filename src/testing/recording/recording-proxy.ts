/*
 * Records in front of a real cluster: clients connect to the proxy, which passes on what they say and writes it down. Addresses in answers are those
 * of the proxy, with a port for each broker, so that clients stay with it. Plain connections only: what is encrypted cannot be read.
 */
import { type Duplex } from 'node:stream'
import { systemClock } from '../../base/clock.ts'
import { checkFunction, checkOptions, describe } from '../../base/options.ts'
import { addressText } from '../../kafka/addresses.ts'
import { Endpoint } from '../../kafka/endpoint.ts'
import { connectTo, parseAddress } from '../../kafka/outgoing.ts'
import { type Decoding } from '../journal/entry.ts'
import { type RecordOptions, Recorder } from './recorder.ts'
import { type Recording } from './recording.ts'
import { addressesIn, type LiveAddress, withAddresses } from './wire-addresses.ts'
import { onFrames } from './wire-frames.ts'
import { framed, readAnswer, readRequest, type WireRequest, writeAnswer } from './wire-message.ts'

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
    onFrames(client, (frame) => {
      const request = readRequest(frame)
      if (request !== undefined) this.#recorder.request(client, index, frame)
      if (request?.api.key !== PRODUCE || request.body['acks'] !== 0) asked.push(request)
      broker.write(framed(frame))
    }, (how) => void (how === 'end' ? broker.end() : broker.destroy()))
    onFrames(broker, async (frame) => {
      const request = asked.shift()
      const body = request === undefined ? undefined : readAnswer(request, frame)
      if (request !== undefined) this.#recorder.answer(client, index, frame)
      const changed = body === undefined ? undefined : await this.#here(body)
      client.write(framed(changed === undefined || changed === body ? frame : writeAnswer(request!, request!.correlationId, changed)))
    }, (how) => void (how === 'end' ? client.end() : client.destroy()))
    client.resume()
  }

  /** An answer with the addresses of this proxy in the place of those of brokers. */
  async #here(body: Decoding): Promise<Decoding> {
    const found = new Map<string, LiveAddress>()
    for (const row of addressesIn(body)) {
      const { endpoint } = await this.open(row.host, row.port)
      found.set(addressText(row.host, row.port), { host: this.#host, port: endpoint.port })
      if (row.nodeId !== undefined) this.#nodeIds.set(addressText(row.host, row.port), row.nodeId)
    }
    return withAddresses(body, ({ host, port }) => found.get(addressText(host, port)))
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
