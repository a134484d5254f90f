/*
 * What the faults that strike one request do to it, step by step: before it is handled, to its answer, and to the bytes of that. A fault that is
 * about one topic spoils only the part of the request that names it; the rest is handled as ever.
 */
import { type Clock } from '../../base/clock.ts'
import { type Random } from '../../base/random.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { NO_UUID } from '../../format/schema.ts'
import { NO_ANSWER } from '../../kafka/api.ts'
import { type AnswerBytes, type Exchange } from '../../kafka/exchange.ts'
import { type FetchedPlace } from '../broker/fetch-watch.ts'
import { type Decoding, type JournalEntry } from '../journal/entry.ts'
import { type Fault } from './fault.ts'
import { keepPlaces, mergePlaces, type PlaceFilter } from './places.ts'
import { actionText, canShow, type FaultAction, type FaultMoment } from './spec.ts'
import { type MetadataThen } from './stale-metadata.ts'
import { corrupted, sendInPieces, withWrongChecksum } from './wire-faults.ts'

/** What strikes have in common. */
export interface StrikeWorld {
  readonly clock: Clock
  readonly random: Random
  /** What the client of a connection fetches. */
  fetched(connection: number): readonly FetchedPlace[]
}

const PRODUCE = 0
const FETCH = 1
/** Of batches in an answer that says nothing: bytes, and not null. */
const NO_RECORDS = Buffer.alloc(0)

/** Rows that are put into the answer in the place of those of the handler. */
interface Refusal {
  readonly fault: Fault
  readonly errorCode: number
  /** What of the request is refused. */
  readonly hit: Decoding
}

/** The faults that strike one request. */
export class Strike {
  readonly #exchange: Exchange
  readonly #entry: JournalEntry
  readonly #world: StrikeWorld
  readonly #actions: readonly (readonly [Fault, FaultAction])[]
  readonly #stale: ReadonlyMap<Fault, MetadataThen>
  readonly #refusals: Refusal[] = []
  /** What went over the connection, where it is not what is left to be sent. */
  wire: AnswerBytes

  constructor(exchange: Exchange, entry: JournalEntry, faults: readonly Fault[], world: StrikeWorld, stale: ReadonlyMap<Fault, MetadataThen>) {
    this.#exchange = exchange
    this.#entry = entry
    this.#world = world
    this.#actions = faults.flatMap((fault) => fault.actions.map((action) => [fault, action] as const))
    this.#stale = stale
  }

  /** Before the handler. */
  async before(): Promise<void> {
    for (const [fault, action] of this.#actions) {
      if (action.type === 'error' && (action.when === 'before-apply' || this.#isFetch)) this.#refuseBefore(fault, kafkaErrors[action.error], action)
      else if (isAt(action, 'before-apply')) await this.#act(fault, action)
      if (this.#over) return
    }
    if (this.#exchange.response !== undefined) this.#endUnanswered()
  }

  /** Behind the handler. */
  async after(): Promise<void> {
    if (this.#over) return this.#refusals.length > 0 ? this.#endUnanswered() : undefined
    for (const { fault, errorCode, hit } of this.#refusals) this.#spoil(fault, errorCode, hit)
    for (const [fault, action] of this.#actions) {
      if (action.type === 'error' && action.when === 'after-apply' && !this.#isFetch) this.#refuseAfter(fault, kafkaErrors[action.error], action)
      else if (isAt(action, 'after-apply')) await this.#act(fault, action)
      else this.#change(fault, action)
      if (this.#over) return
    }
  }

  /** To the bytes. */
  async encoded(bytes: AnswerBytes): Promise<AnswerBytes> {
    let sent = bytes
    const { connection } = this.#exchange.context
    for (const [, action] of this.#actions) {
      if (sent === undefined) return sent
      if (action.type === 'duplicate') sent = [...sent, ...sent]
      else if (action.type === 'corrupt' && action.what !== 'crc') sent = corrupted(sent, action.what, this.#world.random)
      else if (action.type === 'truncate') {
        this.wire = [Buffer.concat(sent).subarray(0, action.bytes)]
        connection.stream.write(this.wire[0])
        connection.leave()
        sent = undefined
      } else if (action.type === 'split') {
        this.wire = sent
        sent = await sendInPieces(connection.stream, sent, action.bytes)
      } else continue
      this.#note(action)
    }
    return sent
  }

  /** Who asked for no answer gets none, also to what is refused: his connection ends, which is all that a broker can say. */
  #endUnanswered(): void {
    const { api, request, context: { connection } } = this.#exchange
    if (api.key !== PRODUCE || request['acks'] !== 0) return
    connection.close('a fault refused a request that wants no answer')
    this.#exchange.response = NO_ANSWER
  }

  /** Nothing is answered. */
  get #over(): boolean {
    return this.#exchange.response === NO_ANSWER
  }

  get #isFetch(): boolean {
    return this.#exchange.api.key === FETCH
  }

  /** Delays, silence, and ends of connections. */
  async #act(fault: Fault, action: FaultAction): Promise<void> {
    const { connection, signal } = this.#exchange.context
    this.#note(action)
    if (action.type === 'delay') return this.#wait(action.ms)
    if (action.type === 'silence') {
      if (await fault.hold(signal)) return
    } else if (action.type === 'close') connection.close('a fault of the test closed it')
    else if (action.type === 'reset') {
      if ('resetAndDestroy' in connection.stream) (connection.stream as { resetAndDestroy(): void }).resetAndDestroy()
      else connection.close('a fault of the test reset it')
    } else if (action.type === 'half-close') connection.stream.end()
    else return
    this.#exchange.response = NO_ANSWER
  }

  #change(fault: Fault, action: FaultAction): void {
    const response = this.#exchange.response as Decoding
    if (!canShow(action, this.#exchange.api, this.#exchange.context.version)) return fault.missed()
    if (action.type === 'throttle') this.#exchange.response = { ...response, throttleTimeMs: action.ms }
    else if (action.type === 'answer') this.#exchange.response = fault.ask(() => action.change(response, this.#exchange.request), response)
    else if (action.type === 'stale-metadata') this.#exchange.response = this.#stale.get(fault)!.answer(response)
    else if (action.type === 'shift-epoch') this.#exchange.response = shifted(response, action.by) as Decoding
    else if (action.type === 'corrupt' && action.what === 'crc') {
      const changed = withWrongChecksum(response)
      if (changed === undefined) return fault.missed()
      this.#exchange.response = changed
    } else return
    this.#note(action)
  }

  /** Refuses all of the request, or the part that the fault is about; of a fetch what the client need not say again too. */
  #refuseBefore(fault: Fault, errorCode: number, action: FaultAction): void {
    const { api, context } = this.#exchange
    this.#note(action)
    if (fault.spec.target?.topic === undefined) {
      this.#exchange.response = api.refuse(this.#exchange.request as never, errorCode, context) as Decoding
      return
    }
    if (this.#isFetch) {
      this.#refusals.push({ fault, errorCode, hit: this.#exchange.request })
      // A client is told of an error at once.
      this.#exchange.request = { ...this.#exchange.request, maxWaitMs: 0, minBytes: 0 }
      return
    }
    const hit = this.#kept((topic, partition) => fault.isOf(topic, partition))
    const rest = this.#kept((topic, partition) => !fault.isOf(topic, partition))
    this.#refusals.push({ fault, errorCode, hit })
    if (hasPlaces(rest)) this.#exchange.request = rest
    else this.#exchange.response = api.refuse(hit as never, errorCode, context) as Decoding
  }

  #refuseAfter(fault: Fault, errorCode: number, action: FaultAction): void {
    const { api, context, request } = this.#exchange
    this.#note(action)
    if (fault.spec.target?.topic === undefined) this.#exchange.response = api.refuse(request as never, errorCode, context) as Decoding
    else this.#spoil(fault, errorCode, this.#kept((topic, partition) => fault.isOf(topic, partition)))
  }

  /** Puts errors into the answer in the place of what it says of the part that was hit. */
  #spoil(fault: Fault, errorCode: number, hit: Decoding): void {
    const { api, context, response } = this.#exchange
    const kept = keepPlaces(response as Decoding, (topic, partition) => !fault.isOf(topic, partition), this.#nameOf)
    const refused = this.#isFetch ? this.#refusedFetch(fault, errorCode) : api.refuse(hit as never, errorCode, context) as Decoding
    this.#exchange.response = mergePlaces(kept, refused)
  }

  #refusedFetch(fault: Fault, errorCode: number): Decoding {
    const { connection, version } = this.#exchange.context
    const hit = this.#world.fetched(connection.id).filter(({ topic, partition }) => fault.isOf(topic, partition))
    const named = [...new Map(hit.map((place) => [place.topic, place])).values()]
    return {
      responses: named.map(({ topic, topicId }) => ({
        topic: version < 13 ? topic : '', topicId: version < 13 ? NO_UUID : topicId,
        partitions: hit.filter((place) => place.topic === topic).map(({ partition }) => (
          { partitionIndex: partition, errorCode, highWatermark: -1, records: NO_RECORDS }
        )),
      })),
    }
  }

  #kept(keep: PlaceFilter): Decoding {
    return keepPlaces(this.#exchange.request, keep, this.#nameOf)
  }

  readonly #nameOf = (id: string): string | undefined => this.#exchange.context.cluster.topicById(id)?.name

  #note(action: FaultAction): void {
    this.#entry.faults.push(actionText(action))
  }

  /** Time of the broker passes, unless the connection is gone before. */
  #wait(ms: number): Promise<void> {
    const { signal } = this.#exchange.context
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = this.#world.clock.setTimer(end, ms)
      signal.addEventListener('abort', end, { once: true })
      if (signal.aborted) end()
    })
  }
}

function isAt(action: FaultAction, when: FaultMoment): boolean {
  return action.type !== 'error' && 'when' in action && action.when === when
}

function hasPlaces(request: Decoding): boolean {
  let found = false
  keepPlaces(request, () => {
    found = true
    return true
  }, () => 'a topic')
  return found
}

/** All leader epochs in an answer, off by so many. */
function shifted(value: unknown, by: number): unknown {
  if (Array.isArray(value)) return value.map((one) => shifted(one, by))
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => (
    [name, name === 'leaderEpoch' && typeof one === 'number' && one >= 0 ? Math.max(0, one + by) : shifted(one, by)]
  )))
}
