/*
 * `kafka.transaction(id)`: the transactions of a transactional id, to look at and to let run out of time.
 */
import { type TransactionDescription } from '../../topics/transactions/messages.ts'
import { type HandsWorld } from './topic-hands.ts'
import { type TestPlace } from './group-hands.ts'

/** The transactions of an id as they are. */
export interface TestTransaction {
  /** Kafka's name: `Ongoing`, `CompleteCommit`; `None` for an id that nobody has used. */
  readonly state: string
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Those that are a part of the one that is open. */
  readonly partitions: readonly TestPlace[]
}

/** A transactional id of a test broker. */
export class TransactionHands {
  readonly id: string
  readonly #world: HandsWorld

  /** @internal */
  constructor(id: string, world: HandsWorld) {
    this.id = id
    this.#world = world
  }

  /** What is so of it now. */
  async describe(): Promise<TestTransaction> {
    const { state, producerId, producerEpoch, partitions } = await this.#described()
    return { state: state === '' ? 'None' : state, producerId, producerEpoch, partitions }
  }

  /** Aborts the transaction that is open and fences its producer, as when its time is over. False when none is open. */
  async timeOut(): Promise<boolean> {
    const { state, timeoutMs } = await this.#described()
    if (state !== 'Ongoing') return false
    await this.#world.core().transactions.initProducerId({ transactionalId: this.id, timeoutMs })
    this.#world.changes.tell()
    return true
  }

  async #described(): Promise<TransactionDescription> {
    return (await this.#world.core().transactions.describe([this.id]))[0]!
  }
}
