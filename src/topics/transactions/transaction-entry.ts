/*
 * One transactional id in memory: its state, and the requests about it that go one after the other.
 */
import { type Deadline } from '../groups/deadlines.ts'
import { type StoredTransaction } from './state-log.ts'
import { stateOf, type TransactionState } from './transaction-state.ts'

/** One transactional id. */
export class TransactionEntry {
  readonly id: string
  state: TransactionState
  /** The last request about it. */
  turn: Promise<unknown> = Promise.resolve()
  /** What an end left to do, until it was tried once. */
  attempt: Promise<void> | undefined
  /** When its open transaction is aborted. */
  deadline: Deadline | undefined

  constructor(id: string, state: TransactionState) {
    this.id = id
    this.state = state
  }

  /** As it was stored. */
  static of(id: string, stored: StoredTransaction): TransactionEntry {
    return new TransactionEntry(id, stateOf(stored))
  }

  /** Runs `work` when it is its turn. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(async () => {
      await this.attempt
      return work()
    })
    this.turn = result.catch(() => {})
    return result
  }
}
