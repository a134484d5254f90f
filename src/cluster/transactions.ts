/*
 * The transactional producers of one connection: each has an id of its own and one transaction at a time, and is used again for the next.
 * An id that the user names is asked for anew each time: whoever had it before is fenced.
 */
import { type Life } from '../topics/life.ts'
import { type BeginOptions } from '../topics/transactions/local-transactions.ts'
import { type Buffered } from './buffered.ts'
import { type Call } from './call.ts'
import { type Cluster } from './cluster.ts'
import { transactionalIdentity } from './producer-identity.ts'
import { ClusterTransaction } from './transaction.ts'
import { TransactionalProducer } from './transactional-producer.ts'

/** As long as a cluster lets a transaction be open, unless it was told otherwise. */
const LONGEST_MS = 900_000

/** Begins transactions. */
export class Transactions {
  readonly #cluster: Cluster
  readonly #buffered: Buffered
  /** By the time after which the cluster aborts theirs. */
  readonly #free = new Map<number, TransactionalProducer[]>()
  readonly #open = new Set<ClusterTransaction>()
  /** Made up, and of no producer now. */
  readonly #ids: string[] = []
  #made = 0

  constructor(cluster: Cluster, buffered: Buffered) {
    this.#cluster = cluster
    this.#buffered = buffered
  }

  /**
   * Begins a transaction.
   *
   * @throws LogError `LOG_CLUSTER_UNSUPPORTED`, `LOG_CLUSTER_UNAVAILABLE`, `LOG_NOT_AUTHORIZED`
   */
  async begin({ transactionalId, timeoutMs }: BeginOptions, life: Life, signal?: AbortSignal): Promise<ClusterTransaction> {
    const lasts = Math.min(timeoutMs, LONGEST_MS)
    const free = transactionalId === undefined ? this.#free.get(lasts)?.pop() : undefined
    const producer = free ?? (await this.#make(this.#cluster.call(signal), transactionalId, lasts))
    const transaction = new ClusterTransaction(this.#cluster, producer, { transactionalId, timeoutMs: lasts, life }, (usable) => {
      this.#open.delete(transaction)
      if (!usable || transactionalId !== undefined) {
        if (transactionalId === undefined) this.#ids.push(producer.id)
        return void producer.close()
      }
      const others = this.#free.get(lasts)
      if (others === undefined) this.#free.set(lasts, [producer])
      else others.push(producer)
    })
    this.#open.add(transaction)
    return transaction
  }

  async #make(call: Call, given: string | undefined, timeoutMs: number): Promise<TransactionalProducer> {
    const id = given ?? this.#ids.pop() ?? `${this.#cluster.options.transactionalIdPrefix}-${this.#made++}`
    try {
      return new TransactionalProducer(this.#cluster, this.#buffered, id, await transactionalIdentity(this.#cluster, call, id, timeoutMs))
    } catch (error) {
      if (given === undefined) this.#ids.push(id)
      throw error
    }
  }

  /** Aborts those that are open, and waits for those that are ending. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((transaction) => transaction.finish()))
    await Promise.all([...this.#free.values()].flat().map((producer) => producer.close()))
  }
}
