/*
 * One peer: bytes in, requests in order, answers in order. A request begins when the one before is answered, as on a real broker, unless both
 * are of an API that says it may be pipelined: those that came together begin before the first is answered, and what they store is one write. A
 * peer that does not read its answers is not read from either: nothing grows.
 *
 * Works on any duplex stream: a socket, a TLS socket, or a pair in memory.
 */
import { Socket } from 'node:net'
import { type Duplex } from 'node:stream'
import { keptCopy } from '../base/bytes.ts'
import { isLogError } from '../base/errors.ts'
import { type Broker } from './broker.ts'
import { type Cluster } from './cluster.ts'
import { Later } from './api.ts'
import { apiOf, dispatch } from './dispatch.ts'
import { type AnswerBytes } from './exchange.ts'
import { FrameReader } from './frames.ts'
import { Patience } from './patience.ts'
import { ANONYMOUS, type Peer, type Principal } from './peer.ts'
import { type Reader, type RequestBudget } from './request-budget.ts'
import { lendsReads } from './reused-reads.ts'
import { Turn } from './turn.ts'

/** Bytes of answers that may wait for a peer before it is not read from any more. */
const MAX_WAITING_ANSWERS = 1024 * 1024
/** Answers of one turn that are together not larger are put together: one piece of memory is sent with less ado. */
const MAX_JOINED_BYTES = 16 * 1024
/** Requests of one connection that may be under way. */
const MAX_IN_FLIGHT = 64
/** A peer that has not said who it is sends small requests: Kafka's `sasl.server.max.receive.size`. */
const MAX_UNAUTHENTICATED_BYTES = 512 * 1024
/** The first byte of a TLS handshake, which is no length that anybody sends. */
const TLS_HANDSHAKE = 0x16
/** What a request begins with: the number of its API. */
const KEY_BYTES = 2

/** What a connection is made of. */
export interface ConnectionParts {
  readonly id: number
  readonly cluster: Cluster
  readonly broker: Broker
  readonly budget: RequestBudget
  /** Name of the listener. */
  readonly listener: string
  /** Address of the peer; empty when it has none. */
  readonly address: string
  /** Whether it may ask for everything without saying who it is. */
  readonly authenticated: boolean
  /** Who it is by other means: its certificate. */
  readonly principal?: Principal
  /** Called once, when it is gone. */
  readonly closed: () => void
}

/** A request under way: its bytes, and its answer once there is one. */
interface InFlight {
  readonly bytes: number
  readonly pipelined: boolean
  done: boolean
  answer: AnswerBytes
  /** To be called when the answer was handed to the system. */
  readonly sent: (() => void)[]
}

/** One connection. */
export class Connection implements Peer, Reader {
  readonly id: number
  readonly host: string
  readonly listener: string
  principal: Principal
  authenticated: boolean
  sessionEndsAt = Infinity
  software: { readonly name: string; readonly version: string } | undefined
  readonly notes = new Map<symbol, unknown>()
  #parts: ConnectionParts
  readonly #stream: Duplex
  readonly #frames: FrameReader
  /** See `lendsReads`. */
  readonly #lent: boolean
  #abort = new AbortController()
  readonly #inFlight: InFlight[] = []
  /** Those that have begun in this turn and are answered when no other one can begin. */
  #later: { readonly request: InFlight; readonly answer: Later<AnswerBytes> }[] = []
  readonly #answers: Answers
  readonly #patience: Patience
  readonly #turn: Turn
  /** Requests are being begun: what one that is answered at once frees is looked at by the loop that began it. */
  #advancing = false
  #paused = false
  /** The budget has no memory for more of it. */
  #held = false
  /** The rest of a request is awaited. */
  #owesRest = false
  #reason: string | undefined
  #ended = false
  /** Closes once what is under way is answered. */
  #leaving = false

  constructor(stream: Duplex, parts: ConnectionParts) {
    this.id = parts.id
    this.host = `/${parts.address}`
    this.listener = parts.listener
    this.principal = parts.principal ?? ANONYMOUS
    this.authenticated = parts.authenticated
    this.#parts = parts
    this.#stream = stream
    this.#frames = new FrameReader(parts.cluster.options.maxRequestBytes)
    this.#lent = lendsReads(stream)
    this.#answers = new Answers(stream)
    stream.on('data', (chunk: Buffer) => this.#received(chunk))
    stream.on('drain', () => this.#advance())
    stream.on('end', () => this.#end())
    stream.on('error', (error) => { this.#reason ??= error.message })
    stream.on('close', () => this.#gone())
    this.#turn = new Turn(parts.cluster.clock, () => this.#advance())
    this.#patience = new Patience(parts.cluster.clock, (owed) => this.close(owed))
    this.#patience.wait(parts.cluster.options.requestTimeoutMs, 'it sent no request in time')
  }

  /** Closes at once. */
  close(reason: string): void {
    this.#reason ??= reason
    this.#answers.send()
    this.#stream.destroy()
  }

  /** The stream that it speaks on. */
  get stream(): Duplex {
    return this.#stream
  }

  /** The number of the broker that it came to. */
  get nodeId(): number {
    return this.#parts.broker.nodeId
  }

  /** Goes on with the brokers of another cluster. What waits in the one before is answered. */
  moveTo(cluster: Cluster, broker: Broker): void {
    this.#parts = { ...this.#parts, cluster, broker }
    this.#abort.abort()
    this.#abort = new AbortController()
  }

  /** Takes no more requests, and closes once what is under way is answered. */
  leave(): void {
    this.#leaving = true
    this.#abort.abort()
    if (this.#inFlight.length === 0) this.#endStream()
  }

  /** Reads again, after others have freed memory. */
  resume(): void {
    this.#held = false
    if (!this.#over) this.#settle()
  }

  /** Whether nobody is there any more. A stream that is destroyed tells so later. */
  get gone(): boolean {
    return this.#ended || this.#stream.destroyed
  }

  /** Nothing more of it is begun. */
  get #over(): boolean {
    return this.#leaving || this.gone
  }

  #received(chunk: Buffer): void {
    if (this.#ended || this.#leaving) return
    const first = this.#frames.waiting === 0 && this.#inFlight.length === 0
    if (first && this.software === undefined && chunk[0] === TLS_HANDSHAKE) return this.#malformed('it began a TLS handshake on a plain port')
    this.#frames.push(chunk, this.#lent)
    const goOn = this.#parts.budget.take(this, chunk.length)
    this.#held = !goOn
    this.#advance()
    this.#frames.keep()
  }

  /** Begins what may begin. */
  #advance(): void {
    if (this.#advancing || this.#ended) return
    this.#advancing = true
    try {
      do {
        while (!this.#turn.over && this.#mayBegin()) {
          this.#begin()
          this.#turn.worked()
        }
      } while (this.#answerLater())
      // Of one that leaves nothing more is taken, and what came behind its last request is not looked at.
      if (!this.#over) this.#settle()
    } catch (error) {
      this.#malformed(isLogError(error) ? error.message : 'it could not be answered', error)
    } finally {
      this.#advancing = false
    }
  }

  #mayBegin(): boolean {
    if (this.#over) return false
    const ready = this.#frames.hasFrame()
    // Before its bytes are taken: they would be the memory of others.
    if (!this.authenticated && this.#frames.frameSize > MAX_UNAUTHENTICATED_BYTES) {
      this.#malformed(`a request of ${this.#frames.frameSize} bytes before the authentication`)
      return false
    }
    if (!ready) return false
    if (this.#answers.waiting > MAX_WAITING_ANSWERS) return false
    const last = this.#inFlight.at(-1)
    if (last === undefined) return true
    if (!last.pipelined || this.#inFlight.length >= MAX_IN_FLIGHT) return false
    return apiOf(this.#parts.cluster, this.#frames.peek(Math.min(KEY_BYTES, this.#frames.frameSize)))?.pipelined === true
  }

  #begin(): void {
    const { cluster, broker } = this.#parts
    const { frameLent } = this.#frames
    const taken = this.#frames.take()
    const api = apiOf(cluster, taken)
    // Who stands in between may keep what it sees.
    const frame = frameLent && (api?.borrows !== true || cluster.interceptor !== undefined) ? keptCopy(taken) : taken
    const request: InFlight = { bytes: frame.length, pipelined: api?.pipelined === true, done: false, answer: undefined, sent: [] }
    this.#inFlight.push(request)
    this.#owesRest = false
    const whenSent = (done: () => void): void => void request.sent.push(done)
    const answer = dispatch(frame, api, { cluster, broker, connection: this, signal: this.#abort.signal, whenSent })
    if (answer instanceof Later) this.#later.push({ request, answer })
    else this.#answerWith(request, answer)
  }

  /** Answers what waited for the requests that came with it. False when there was nothing. */
  #answerLater(): boolean {
    const later = this.#later
    if (later.length === 0) return false
    this.#later = []
    for (const { request, answer } of later) if (!this.#ended) this.#answerWith(request, answer.settle())
    return true
  }

  #answerWith(request: InFlight, answer: AnswerBytes | Promise<AnswerBytes>): void {
    if (answer instanceof Promise) answer.then((bytes) => this.#answered(request, bytes), (error: unknown) => this.#failed(error))
    else this.#answered(request, answer)
  }

  #answered(request: InFlight, answer: AnswerBytes): void {
    request.done = true
    request.answer = answer
    if (this.#ended) return
    const interceptor = this.#parts.cluster.interceptor
    while (this.#inFlight[0]?.done === true) {
      const { answer: parts = [], bytes, sent } = this.#inFlight.shift()!
      // Who stands in between may have kept what it saw.
      this.#answers.add(parts, interceptor === undefined ? sent : [])
      // Four bytes of length came with it.
      this.#parts.budget.give(this, bytes + 4)
    }
    if (this.#leaving && this.#inFlight.length === 0) this.#endStream()
    else this.#advance()
  }

  #failed(error: unknown): void {
    if (!this.#ended) this.#malformed(isLogError(error) ? error.message : 'it could not be answered', error)
  }

  /** Reads on or not, and waits for what the peer owes. */
  #settle(): void {
    const { requestTimeoutMs, maxIdleMs } = this.#parts.cluster.options
    const ready = this.#frames.hasFrame()
    if (ready || this.#held) this.#pause()
    else this.#resume()
    const { unfinished } = this.#frames
    const awaited = this.#owesRest
    this.#owesRest = unfinished && !this.#held && this.#inFlight.length === 0
    // One that is not read from may be gone, or does not take its answers.
    if (ready) this.#patience.wait(maxIdleMs, 'its requests did not get on')
    // What it cannot send it does not owe.
    else if (this.#held || this.#inFlight.length > 0) this.#patience.rest()
    else if (!unfinished) this.#patience.wait(maxIdleMs, 'it was idle')
    // Each piece would begin the time anew.
    else if (!awaited) this.#patience.wait(requestTimeoutMs, 'it did not finish a request in time')
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#stream.pause()
  }

  #resume(): void {
    if (!this.#paused || this.#ended) return
    this.#paused = false
    this.#stream.resume()
  }

  #malformed(reason: string, cause?: unknown): void {
    this.#parts.cluster.tell({ type: 'malformed', connection: this.id, reason, ...(cause !== undefined && { cause }) })
    this.close(reason)
    this.#gone()
  }

  /** The peer sends no more; what it asked for is done and answered. Whether it still listens cannot be told. */
  #end(): void {
    this.#patience.wait(this.#parts.cluster.options.requestTimeoutMs, 'it left')
    this.leave()
  }

  /** Closes once what was answered is sent. */
  #endStream(): void {
    this.#answers.send()
    this.#stream.end(() => this.#stream.destroy())
  }

  #gone(): void {
    if (this.#ended) return
    this.#ended = true
    this.#patience.end()
    this.#abort.abort()
    const { budget, cluster, closed } = this.#parts
    budget.give(this, this.#frames.waiting + this.#inFlight.reduce((sum, { bytes }) => sum + bytes + 4, 0))
    budget.leave(this)
    this.#frames.clear()
    this.#inFlight.length = 0
    cluster.tell({ type: 'disconnected', connection: this.id, ...(this.#reason !== undefined && { reason: this.#reason }) })
    closed()
  }
}

/**
 * Answers on their way out. Those of one turn of the event loop, or of the promises that it settled, go out together: what a peer waits for is
 * no later for it, and each time costs the system more than the bytes.
 */
class Answers {
  readonly #stream: Duplex
  /** A socket copies what it is given before it says that it was written; what other streams do with it is their affair. */
  readonly #copies: boolean
  #parts: Uint8Array[] = []
  #bytes = 0
  #sent: (() => void)[] = []

  constructor(stream: Duplex) {
    this.#stream = stream
    this.#copies = stream instanceof Socket
  }

  /** Bytes that the peer has not taken. */
  get waiting(): number {
    return this.#bytes + this.#stream.writableLength
  }

  /** @param sent  called when the system has the bytes */
  add(parts: readonly Uint8Array[], sent: readonly (() => void)[]): void {
    if (parts.length === 0) return
    if (this.#parts.length === 0) process.nextTick(this.#flush)
    for (const part of parts) {
      this.#parts.push(part)
      this.#bytes += part.length
    }
    if (this.#copies) this.#sent.push(...sent)
  }

  /** Sends what is there. */
  send(): void {
    const [parts, bytes, sent] = [this.#parts, this.#bytes, this.#sent]
    if (parts.length === 0 || this.#stream.destroyed) return
    this.#parts = []
    this.#bytes = 0
    this.#sent = []
    const written = sent.length === 0 ? undefined : (error?: Error | null): void => {
      if (error === undefined || error === null) for (const done of sent) done()
    }
    if (bytes <= MAX_JOINED_BYTES) return void this.#stream.write(parts.length === 1 ? parts[0] : Buffer.concat(parts, bytes), written)
    this.#stream.cork()
    for (const part of parts.splice(0, parts.length - 1)) this.#stream.write(part)
    this.#stream.write(parts[0], written)
    this.#stream.uncork()
  }

  readonly #flush = (): void => this.send()
}
