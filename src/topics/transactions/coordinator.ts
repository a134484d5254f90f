/*
 * The transaction coordinator of one folder: who may write with which producer id and epoch, which transactions are open, and how they end.
 */
import { type Life } from '../life.ts'
import { type LogCore } from '../log-core.ts'
import { ProducerIds } from '../producer-ids.ts'
import { type BeginOptions, LocalTransactions } from './local-transactions.ts'
import { ProducerSlots } from './producer-slots.ts'
import { StateLog } from './state-log.ts'
import { type Transaction } from './transaction.ts'

/** Coordinates the transactions of one open folder. */
export class TransactionCoordinator {
  readonly #ids: ProducerIds
  readonly #states: StateLog
  readonly #local: LocalTransactions

  constructor(core: LogCore) {
    this.#ids = new ProducerIds(() => core.takeProducerIds())
    this.#states = new StateLog(core)
    this.#local = new LocalTransactions(core, new ProducerSlots(this.#ids), this.#states)
  }

  /** Begins a transaction of this process. */
  begin(options: BeginOptions, life: Life): Promise<Transaction> {
    return this.#local.begin(options, life)
  }

  /** Aborts the transactions of this process that are open, and waits for those that are ending. */
  async close(): Promise<void> {
    await this.#local.close()
  }
}
