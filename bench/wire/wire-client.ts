/*
 * A client that costs next to nothing: it sends the same bytes again and again and looks only at the error of an answer, and at the last offset
 * of what it fetched. What is measured with it is the broker.
 *
 * Requests in versions without tagged fields, which all brokers speak: ApiVersions 0, CreateTopics 2, Metadata 1, Produce 8, Fetch 11.
 */
import { connect, type Socket } from 'node:net'

const CLIENT_ID = 'bench'
const TIMEOUT_MS = 30_000
/** Correlation id and length of a client's own: they need not differ, answers come in order. */
const RESPONSE_HEADER_BYTES = 4
const BATCH_LENGTH_AT = 8
const LAST_OFFSET_DELTA_AT = 23

interface Waiting {
  readonly resolve: (body: Buffer) => void
  readonly reject: (error: Error) => void
}

/** One connection. */
export class WireClient {
  readonly #socket: Socket
  readonly #waiting: Waiting[] = []
  #chunks: Buffer[] = []
  #length = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the broker closed the connection')))
  }

  /** Connects to a port of this machine. */
  static connect(port: number): Promise<WireClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new WireClient(socket)))
    })
  }

  /** Sends a request; the body of its answer. */
  send(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.write(request)
    })
  }

  /** Asks which versions the broker speaks. */
  async apiVersions(): Promise<void> {
    const body = await this.send(frame(18, 0, []))
    if (body.readInt16BE(0) !== 0) throw new Error(`ApiVersions: error ${body.readInt16BE(0)}`)
  }

  /** Makes a topic of one partition and waits until it has a leader. */
  async createTopic(name: string): Promise<void> {
    const body = await this.send(frame(19, 2, [int32(1), text(name), int32(1), int16(1), int32(0), int32(0), int32(TIMEOUT_MS), int8(0)]))
    const error = body.readInt16BE(4 + 4 + 2 + Buffer.byteLength(name))
    if (error !== 0) throw new Error(`CreateTopics: error ${error}`)
    for (let attempt = 0; attempt < 500; attempt++) {
      if (await this.#led(name)) return
      await new Promise((resolve) => { setTimeout(resolve, 10) })
    }
    throw new Error(`${name} has no leader`)
  }

  /** Whether a record can be fetched from its partition: metadata may name a leader that does not know yet. */
  async #led(name: string): Promise<boolean> {
    const body = await this.send(fetchRequest(name, 0, 0))
    return fetched(body, name).error === 0
  }

  /** Sends `count` times the same Produce request, `inFlight` at a time. Gives what each took in µs where `latencies` is given. */
  async produce(request: Buffer, topic: string, count: number, inFlight: number, latencies?: Float64Array): Promise<void> {
    let begun = 0
    const one = async (): Promise<void> => {
      while (begun < count) {
        const index = begun++
        const from = performance.now()
        const body = await this.send(request)
        if (latencies !== undefined) latencies[index] = (performance.now() - from) * 1000
        const error = body.readInt16BE(4 + 2 + topic.length + 4 + 4)
        if (error !== 0) throw new Error(`Produce: error ${error}`)
      }
    }
    await Promise.all(Array.from({ length: inFlight }, one))
  }

  /** Fetches a topic from its beginning up to an offset. */
  async fetch(topic: string, end: number): Promise<void> {
    for (let offset = 0; offset < end; ) {
      const { error, nextOffset } = fetched(await this.send(fetchRequest(topic, offset, 500)), topic)
      if (error !== 0) throw new Error(`Fetch: error ${error}`)
      offset = nextOffset ?? offset
    }
  }

  /** Ends the connection. */
  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  #received(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    while (this.#length >= 4) {
      if (this.#chunks[0]!.length < 4) this.#chunks = [Buffer.concat(this.#chunks)]
      const size = 4 + this.#chunks[0]!.readInt32BE(0)
      if (this.#length < size) return
      const whole = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
      this.#chunks = whole.length === size ? [] : [whole.subarray(size)]
      this.#length -= size
      this.#waiting.shift()!.resolve(whole.subarray(4 + RESPONSE_HEADER_BYTES, size))
    }
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/** A Produce request with acks=all of one batch for the one partition of a topic. */
export function produceRequest(topic: string, batch: Uint8Array): Buffer {
  const body = [int16(-1), int16(-1), int32(TIMEOUT_MS), int32(1), text(topic), int32(1), int32(0), int32(batch.length), batch]
  return frame(0, 8, body)
}

/** A Fetch request as consumers send them: what there is at once, up to 1 MiB. */
function fetchRequest(topic: string, offset: number, maxWaitMs: number): Buffer {
  return frame(1, 11, [
    int32(-1), int32(maxWaitMs), int32(1), int32(50 * 1024 * 1024), int8(0), int32(0), int32(-1),
    int32(1), text(topic), int32(1), int32(0), int32(-1), int64(offset), int64(-1), int32(1024 * 1024), int32(0), text(''),
  ])
}

/** Error of the one partition, and the offset behind its last batch that is whole. */
function fetched(body: Buffer, topic: string): { readonly error: number; readonly nextOffset: number | undefined } {
  let at = 4 + 2 + 4 + 4 + 2 + topic.length + 4 + 4
  const error = body.readInt16BE(at)
  at += 2 + 8 + 8 + 8
  at += 4 + 16 * Math.max(0, body.readInt32BE(at)) + 4
  const end = at + 4 + Math.max(0, body.readInt32BE(at))
  at += 4
  let nextOffset: number | undefined
  while (end - at >= 61) {
    const size = 12 + body.readInt32BE(at + BATCH_LENGTH_AT)
    if (at + size > end) break
    nextOffset = Number(body.readBigInt64BE(at)) + body.readInt32BE(at + LAST_OFFSET_DELTA_AT) + 1
    at += size
  }
  return { error, nextOffset }
}

function frame(apiKey: number, version: number, body: readonly Uint8Array[]): Buffer {
  const whole = Buffer.concat([int32(0), int16(apiKey), int16(version), int32(0), text(CLIENT_ID), ...body])
  whole.writeInt32BE(whole.length - 4, 0)
  return whole
}

function int8(value: number): Buffer {
  return Buffer.from([value])
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

function text(value: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)])
}
