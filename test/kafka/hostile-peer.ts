/*
 * A connection of a hostile peer, in memory: how it writes its frames, and whether what it sent was answered. Frames go out one by one, many in
 * one write or cut into pieces; a peer does not read for a while, ends its side, or is gone in the middle.
 */
import { type Duplex, duplexPair } from 'node:stream'
import { getInt32 } from '../../src/base/bytes.ts'
import { type Random } from '../../src/base/random.ts'
import { type KafkaListener } from '../../src/kafka/index.ts'
import { type HostileFrame } from './hostile-frames.ts'

/** The most bytes of an answer that are believed. */
const MOST_BYTES = 64 * 1024 * 1024

/** A request for ApiVersions 0 with a correlation id: length, API, version, correlation id, no client id. */
function probe(correlationId: number): Buffer {
  const bytes = Buffer.from('0000000a' + '0012' + '0000' + '00000000' + 'ffff', 'hex')
  bytes.writeInt32BE(correlationId, 8)
  return bytes
}

/** One connection. */
export class HostilePeer {
  /** Its connection is closed. */
  gone = false
  /** An answer that is none. */
  wrong: string | undefined
  readonly #stream: Duplex
  /** The listener's end. */
  readonly #other: Duplex
  readonly #random: Random
  #received: Buffer = Buffer.alloc(0)
  #lastAnswered = 0
  #probes = 0x7e00_0000

  constructor(kafka: KafkaListener, random: Random) {
    const [theirs, ours] = duplexPair()
    this.#stream = theirs
    this.#other = ours
    this.#random = random
    theirs.on('data', (chunk: Buffer) => this.#take(chunk))
    theirs.on('error', () => {})
    const gone = (): void => { this.gone = true }
    theirs.on('close', gone).on('end', gone)
    ours.on('close', gone)
    kafka.serve(ours, random.int(kafka.brokers.length))
  }

  /** What was sent last is answered, or the connection is closed. */
  get settled(): boolean {
    return this.gone || this.#lastAnswered === this.#probes
  }

  /** Sends frames, and behind them a request that is always answered. */
  async send(frames: readonly HostileFrame[]): Promise<void> {
    const all = frames.map(({ bytes }) => bytes)
    const manner = this.#random.int(20)
    // What ends its side, or goes, is owed nothing; it is closed.
    if (manner < 2) return this.#leave(all, manner === 0)
    all.push(probe(++this.#probes))
    if (manner < 7) this.#write([Buffer.concat(all)])
    else if (manner < 11) await this.#drip(Buffer.concat(all))
    else if (manner === 11) await this.#deaf(all)
    else this.#write(all)
  }

  /** Goes at once, as a socket that is reset. */
  destroy(): void {
    this.#stream.destroy()
    // Not every Node tells the other end of a pair.
    this.#other.destroy(this.#random.int(2) === 0 ? new Error('reset') : undefined)
    this.gone = true
  }

  #write(pieces: readonly Buffer[]): void {
    for (const bytes of pieces) if (!this.gone) this.#stream.write(bytes)
  }

  async #drip(bytes: Buffer): Promise<void> {
    const places = Array.from({ length: 1 + this.#random.int(6) }, () => this.#random.int(bytes.length + 1)).sort((a, b) => a - b)
    let from = 0
    for (const to of [...places, bytes.length]) {
      this.#write([bytes.subarray(from, to)])
      from = to
      for (let turns = this.#random.int(3); turns > 0; turns--) await turn()
    }
  }

  async #deaf(pieces: readonly Buffer[]): Promise<void> {
    this.#stream.pause()
    this.#write(pieces)
    for (let turns = this.#random.int(10); turns > 0; turns--) await turn()
    this.#stream.resume()
  }

  #leave(pieces: readonly Buffer[], politely: boolean): void {
    this.#probes++
    const whole = Buffer.concat(pieces)
    // The last request is not whole, half of the time.
    const end = this.#random.int(2) === 0 ? whole.length : this.#random.int(whole.length + 1)
    this.#write([whole.subarray(0, end)])
    if (politely) this.#stream.end()
    else this.destroy()
  }

  #take(chunk: Buffer): void {
    let bytes = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    while (bytes.length >= 4) {
      const size = getInt32(bytes, 0)
      if (size < 0 || size > MOST_BYTES) {
        this.wrong = `an answer of ${size} bytes`
        return this.destroy()
      }
      if (bytes.length < 4 + size) break
      if (size >= 4 && getInt32(bytes, 4) === this.#probes) this.#lastAnswered = this.#probes
      bytes = bytes.subarray(4 + size)
    }
    this.#received = bytes
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
