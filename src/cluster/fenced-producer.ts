/*
 * A producer of plain sends that whoever comes next shuts out. A plain batch is stored with one request, and is there for all readers at once,
 * which no transaction is; but nobody asks the coordinator whether its producer is still the one that counts. The partition does: it refuses an
 * epoch that is older than the newest it has seen. So the producer has a transactional id, by which a successor gets a newer epoch, and before it
 * sends anything it aborts an empty transaction: its marker brings the epoch to every partition. What stands below the marker is all that the
 * one before has stored, and will ever store.
 *
 * A partition forgets producers of which it stored nothing for a day by the time of their records (`producer.id.expiration.ms`). So records have
 * to be of now, and a producer that was not confirmed by the coordinator for a minute asks it before it sends: one that was stopped for a day and
 * goes on learns that it is no more. Spec: Kafka's ProducerAppendInfo, ProducerStateManager, TransactionCoordinator.
 */
import { type Clock } from '../base/clock.ts'
import { isLogError, LogError } from '../base/errors.ts'
import { type PortableSendRecord, type PortableSendResult } from '../topics/contract.ts'
import { type Call } from './call.ts'
import { type Line } from './cluster.ts'
import { type Connected } from './connected.ts'
import { type PlaceName } from './ends.ts'
import { transactionalIdentity, type ProducerIdentity } from './producer-identity.ts'
import { type ProducerName } from './producer-name.ts'
import { chooserFor, sendInput, type SendTarget } from './send.ts'
import { Sender } from './sender.ts'
import { type StoredFrom, storedUpTo, type StoredUpTo } from './stored-batches.ts'
import { TransactionalProducer } from './transactional-producer.ts'

/** So long a producer believes that its id is still its own. */
export const BELIEVED_MS = 60_000
/** A coordinator forgets an id of which it stored nothing for a week, unless `transactional.id.expiration.ms` is another time. */
const RENEWED_MS = 86_400_000
/** How old records may be, by their time. */
const OLDEST_MS = 600_000
/** As long as shutting out may take. */
const ENTER_MS = 10_000

/** Sends without transactions. */
export class FencedProducer {
  readonly name: ProducerName
  readonly #connected: Connected
  readonly #clock: Clock
  readonly #identity: ProducerIdentity
  readonly #transactional: TransactionalProducer
  readonly #line: Line
  readonly #sender: Sender
  /** When the coordinator was asked last, on both clocks: the machine may have slept, or its time been set. */
  #confirmed = { now: -Infinity, monotonic: -Infinity }
  /** When the coordinator stored something of it last, and for which partition. */
  #renewed = -Infinity
  #place: PlaceName | undefined

  private constructor(connected: Connected, transactionalId: string, identity: ProducerIdentity) {
    const { cluster, buffered } = connected
    this.name = { transactionalId, producerId: String(identity.producerId), epoch: identity.producerEpoch }
    this.#connected = connected
    this.#clock = cluster.options.clock
    this.#identity = identity
    this.#transactional = new TransactionalProducer(cluster, buffered, transactionalId, identity)
    this.#line = cluster.line(cluster.options.requestTimeoutMs)
    let asked = false
    this.#sender = new Sender({
      cluster, line: this.#line, transactionalId: undefined, buffered,
      // Asked again behind a batch that was given up: those behind it would have other sequences than whoever reads them counts.
      identify: async () => {
        if (asked) throw new LogError('LOG_SEND_UNKNOWN', `a batch of producer "${transactionalId}" was given up, and it with that`)
        asked = true
        return identity
      },
      enter: (call) => this.#isConfirmed() ? undefined : this.#confirm(call),
    })
  }

  /**
   * The producer of a transactional id. Whoever had it before begins no transaction any more, and sends plainly until he is shut out.
   *
   * @throws LogError `LOG_CLUSTER_UNSUPPORTED`, `LOG_CLUSTER_UNAVAILABLE`, `LOG_NOT_AUTHORIZED`
   */
  static async open(connected: Connected, transactionalId: string): Promise<FencedProducer> {
    const call = connected.cluster.call().part(ENTER_MS)
    return new FencedProducer(connected, transactionalId, await transactionalIdentity(connected.cluster, call, transactionalId, ENTER_MS))
  }

  /** Whether a record of this time may be sent plainly. */
  takes(timestamp: number): boolean {
    return timestamp > this.#clock.now() - OLDEST_MS
  }

  /**
   * Shuts whoever had the id before out of partitions, and tells what he has stored there. One with another producer id is not shut out so:
   * he has to stop by himself, after {@link BELIEVED_MS}.
   *
   * @throws LogError `LOG_CLUSTER_UNAVAILABLE`, also of a cluster that does not mark transactions without records
   */
  async enter(places: readonly StoredFrom[]): Promise<StoredUpTo[]> {
    await this.#mark(places)
    this.#place = places[0]
    return Promise.all(places.map((place) => storedUpTo(this.#connected.cluster, ENTER_MS, place, this.#identity)))
  }

  /** Whether the coordinator is to be told again that somebody has the id. */
  get isToRenew(): boolean {
    return this.#place !== undefined && this.#clock.now() - this.#renewed >= RENEWED_MS
  }

  /**
   * Has the coordinator store something of it, by a marker in one of its partitions.
   *
   * @throws LogError `LOG_PRODUCER_FENCED`, `LOG_CLUSTER_UNAVAILABLE`
   */
  async renew(): Promise<void> {
    await this.#mark([this.#place!])
  }

  async #mark(places: readonly PlaceName[]): Promise<void> {
    const call = this.#connected.cluster.call().part(ENTER_MS)
    const confirmed = this.#times()
    await this.#transactional.add(call, places)
    await this.#transactional.end(false, call)
    this.#confirmed = confirmed
    this.#renewed = confirmed.now
  }

  /**
   * Sends records to partitions that were entered.
   *
   * @throws LogError `LOG_PRODUCER_FENCED`, `LOG_SEND_UNKNOWN`, and those of sends; it is of no use then
   */
  async send<K, V>(target: SendTarget<K, V>, records: readonly PortableSendRecord<K, V>[]): Promise<readonly PortableSendResult[]> {
    const { random, batchSize } = this.#connected.options
    const tools = { target, chooser: chooserFor(target, { random, batchSize }), now: () => this.#clock.now() }
    try {
      return (await sendInput(this.#sender, tools, records, undefined)) as readonly PortableSendResult[]
    } catch (error) {
      throw unknownSequence(error) ?? error
    }
  }

  async close(): Promise<void> {
    this.#sender.close(new LogError('LOG_CLOSED', `producer "${this.name.transactionalId}" is closed`))
    await Promise.all([this.#line.close(), this.#transactional.close()])
  }

  #isConfirmed(): boolean {
    const { now, monotonic } = this.#times()
    const isSoon = (ms: number): boolean => ms >= 0 && ms < BELIEVED_MS
    return isSoon(now - this.#confirmed.now) && isSoon(monotonic - this.#confirmed.monotonic)
  }

  async #confirm(call: Call): Promise<void> {
    const confirmed = this.#times()
    await this.#transactional.confirm(call)
    this.#confirmed = confirmed
  }

  #times(): { readonly now: number; readonly monotonic: number } {
    return { now: this.#clock.now(), monotonic: this.#clock.monotonic() }
  }
}

/** A partition that knows another last sequence lost what it was told, or was told more: what is there has to be looked at. */
function unknownSequence(error: unknown): LogError | undefined {
  const errors = isLogError(error, 'LOG_SEND_FAILED') ? (error.detail['results'] as readonly unknown[]) : [error]
  const found = errors.find((one) => isLogError(one, 'LOG_SEQUENCE_OUT_OF_ORDER') || isLogError(one, 'LOG_TXN_STATE_INVALID'))
  return found && new LogError('LOG_SEND_UNKNOWN', 'the partition does not go on where its producer does: what it has is not known', {}, found)
}
