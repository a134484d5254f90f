/*
 * What the listener's tests begin with: a listener over a log in memory, and a client that speaks the protocol by our own schemas, one request
 * at a time or many at once. All of it is closed after the test that made it.
 */
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { ByteReader, ByteWriter, getInt32, setInt32 } from '../../src/base/bytes.ts'
import { type Fields } from '../../src/format/field.ts'
import { type Decoded, type Encodable, type Message } from '../../src/format/schema.ts'
import { CommitLog, type MemoryLogOptions } from '../../src/index.ts'
import { type Api } from '../../src/kafka/api.ts'
import { responseHeader, requestHeader } from '../../src/kafka/headers.ts'
import { type KafkaListener, listen, type ListenerEvent, type ListenOptions } from '../../src/kafka/index.ts'

/** A listener, its log, and what it told. */
export interface TestListener {
  readonly log: CommitLog
  readonly kafka: KafkaListener
  readonly events: ListenerEvent[]
  /** Another client, connected to a broker, at the listener with this name or the first one. */
  client(broker?: number, listener?: string): Promise<RawClient>
}

/** Opens a log in memory to clients. */
export async function startListener(given: ListenOptions & { readonly log?: MemoryLogOptions } = {}): Promise<TestListener> {
  const { log: logOptions, ...options } = given
  const log = await CommitLog.memory(logOptions)
  const events: ListenerEvent[] = []
  const kafka = await listen(log, { onEvent: (event) => void events.push(event), ...options })
  onTestFinished(async () => {
    await kafka.close()
    await log.close()
  })
  const port = (broker: number, listener?: string): number => {
    const { port: first, listeners } = kafka.brokers[broker]!
    return listener === undefined ? first : Number(listeners[listener]!.replace(/.*:/, ''))
  }
  return { log, kafka, events, client: (broker = 0, listener) => RawClient.connect(port(broker, listener)) }
}

/** A client of one connection. */
export class RawClient {
  readonly #socket: Socket
  readonly #waiting = new Map<number, (frame: Buffer) => void>()
  #received: Buffer = Buffer.alloc(0)
  #pieces: Buffer[] = []
  /** Bytes until the answer that comes is whole. */
  #missing = 0
  #correlationId = 0
  #next: ((frame: Buffer) => void) | undefined
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
  /** The client id that it sends. */
  clientId = 'raw'

  private constructor(socket: Socket) {
    this.#socket = socket
    this.closed = new Promise((resolve) => void socket.once('close', () => resolve()))
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    onTestFinished(() => this.close())
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise<void>((resolve, reject) => void socket.once('connect', resolve).once('error', reject))
    return new RawClient(socket)
  }

  /** A client on a socket that is connected: one that speaks TLS. */
  static on(socket: Socket): RawClient {
    return new RawClient(socket)
  }

  /** Asks in one version and gives the decoded answer; rejects when the connection is closed instead. */
  async request<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>, version: number, value: Encodable<Message<Req>>,
  ): Promise<Decoded<Message<Res>>> {
    const frame = await this.exchange(api, version, value)
    const reader = new ByteReader(frame, 4, frame.length, 'LOG_PROTOCOL_ERROR', `the answer to ${api.name} ${version}`)
    responseHeader.at(api.response.isFlexible(version) && api.key !== 18 ? 1 : 0).decode(reader)
    const response = api.response.at(version).decode(reader)
    if (reader.left > 0) throw new Error(`the answer to ${api.name} ${version} has ${reader.left} bytes more than its schema`)
    return response as Decoded<Message<Res>>
  }

  /** Asks, and gives the frame of the answer, its length in front. */
  exchange<Req extends Fields>(api: Api<Req, any>, version: number, value: Encodable<Message<Req>>): Promise<Buffer> {
    const correlationId = ++this.#correlationId
    const answer = this.answerTo(correlationId, `${api.name} ${version}`)
    this.send(this.encode(api, version, value, correlationId))
    return answer
  }

  /** The frame that answers a request, its length in front. */
  answerTo(correlationId: number, what = `request ${correlationId}`): Promise<Buffer> {
    return new Promise<Buffer>((resolve, reject) => {
      this.#waiting.set(correlationId, resolve)
      void this.closed.then(() => reject(new Error(`the connection was closed in place of an answer to ${what}`)))
    })
  }

  /** The bytes of a request, with their length. */
  encode<Req extends Fields>(api: Api<Req, any>, version: number, value: Encodable<Message<Req>>, correlationId = ++this.#correlationId): Buffer {
    const writer = new ByteWriter(Buffer.alloc(1024), 4)
    const header = { requestApiKey: api.key, requestApiVersion: version, correlationId, clientId: this.clientId }
    requestHeader.at(api.request.isFlexible(version) ? 2 : 1).encode(header, writer)
    api.request.at(version).encode(value, writer)
    setInt32(writer.buffer, 0, writer.at - 4)
    return writer.written()
  }

  /** The next frame, whatever it is, its length in front: for answers without a header. */
  next(): Promise<Buffer> {
    return new Promise((resolve) => { this.#next = resolve })
  }

  /** Sends bytes as they are. */
  send(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Stops and goes on reading. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Sends no more, and still takes answers. */
  finish(): void {
    this.#socket.end()
  }

  async close(): Promise<void> {
    this.#socket.destroy()
    await this.closed
  }

  #take(chunk: Buffer): void {
    this.#pieces.push(chunk)
    this.#missing -= chunk.length
    // Large answers come in many pieces.
    if (this.#missing > 0) return
    this.#received = Buffer.concat([this.#received, ...this.#pieces.splice(0)])
    while (this.#received.length >= 4) {
      const end = 4 + getInt32(this.#received, 0)
      this.#missing = end - this.#received.length
      if (this.#missing > 0) return
      const frame = this.#received.subarray(0, end)
      this.#received = this.#received.subarray(end)
      if (this.#next !== undefined) {
        this.#next(frame)
        this.#next = undefined
        continue
      }
      const correlationId = getInt32(frame, 4)
      this.#waiting.get(correlationId)?.(frame)
      this.#waiting.delete(correlationId)
    }
  }
}
