/*
 * Brings transactions of clients that are decided to their end: markers in all their partitions, then the record that says so. It is tried until
 * it is done, and begins anew with the next open.
 */
import { type PartitionLog } from '../../log/partition-log.ts'
import { type TransactionEnd } from '../../log/transaction-part.ts'
import { OFFSETS_TOPIC } from '../internal-topics.ts'
import { type LogCore } from '../log-core.ts'
import { type StateLog } from './state-log.ts'
import { type TransactionEntry } from './transaction-entry.ts'
import { completed, recordOf, type TransactionPlace } from './transaction-state.ts'

const RETRY_MS = 1000

/** Ends transactions. */
export class TransactionEnds {
  readonly #core: LogCore
  readonly #states: StateLog
  #closed = false

  constructor(core: LogCore, states: StateLog) {
    this.#core = core
    this.#states = states
  }

  /** Ends a transaction that is prepared. The entry's `attempt` is over when it was tried once. */
  finish(entry: TransactionEntry): void {
    const attempt = this.#finish(entry).then((done) => {
      if (entry.attempt === attempt) entry.attempt = undefined
      if (!done) this.#later(entry)
    })
    entry.attempt = attempt
  }

  /** Nothing is tried any more. */
  close(): void {
    this.#closed = true
  }

  #later(entry: TransactionEntry): void {
    this.#core.env.clock.setTimer(() => {
      if (this.#closed) return
      void entry.run(async () => {
        if (entry.state.status === 'PrepareCommit' || entry.state.status === 'PrepareAbort') this.finish(entry)
      })
    }, RETRY_MS, { ref: false })
  }

  /** Whether all of it is done. */
  async #finish(entry: TransactionEntry): Promise<boolean> {
    try {
      const { state } = entry
      const { producerId, producerEpoch } = state
      const type = state.status === 'PrepareCommit' ? 'COMMIT' : 'ABORT'
      const marker: TransactionEnd = { producerId, producerEpoch, coordinatorEpoch: this.#states.epochOf(entry.id), type, fences: true }
      const logs = (await Promise.all(state.partitions.map((place) => this.#logOf(place)))).filter((log) => log !== undefined)
      await this.#decide(logs, marker)
      const stored = await Promise.all(logs.map((log) => this.#core.markers.tryToStore(log, marker)))
      if (stored.includes(false)) return false
      const next = completed(state, this.#core.env.clock.now())
      await this.#states.append(entry.id, recordOf(next))
      entry.state = next
      return true
    } catch {
      return false
    }
  }

  /** Whoever reads in this process sees all of a commit at once, also the group whose offsets are part of it. */
  async #decide(logs: readonly PartitionLog[], { producerId, type }: TransactionEnd): Promise<void> {
    const groups = logs.some(({ topic }) => topic === OFFSETS_TOPIC) ? await this.#core.groups() : undefined
    if (type === 'COMMIT') for (const log of logs) log.decideTransaction(producerId)
    groups?.offsets.transactionEnded(producerId, type === 'COMMIT')
    for (const log of logs) log.tellProgress()
  }

  /** The partition; undefined when it has been deleted. */
  async #logOf({ topic, partition }: TransactionPlace): Promise<PartitionLog | undefined> {
    const open = this.#core.openTopics.find(({ entry }) => entry.name === topic)
    if (open !== undefined) return open.logs[partition]
    return (await this.#core.existingTopic(topic))?.logs[partition]
  }
}
