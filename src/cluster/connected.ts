/*
 * What the handles of one connection share: the cluster, who sends, who reads, and the transactions.
 */
import { signalOf, type WaitOptions } from '../topics/abort.ts'
import { Life } from '../topics/life.ts'
import { type BeginOptions } from '../topics/transactions/local-transactions.ts'
import { Buffered } from './buffered.ts'
import { type Call } from './call.ts'
import { type Cluster } from './cluster.ts'
import { GroupOffsets } from './group-offsets.ts'
import { type CheckedConnectOptions } from './options.ts'
import { freshIdentity } from './producer-identity.ts'
import { Sender } from './sender.ts'
import { type ClusterTransaction } from './transaction.ts'
import { Transactions } from './transactions.ts'

/** A connection. */
export class Connected {
  readonly options: CheckedConnectOptions
  readonly cluster: Cluster
  readonly life: Life
  readonly sender: Sender
  readonly buffered: Buffered
  readonly groupOffsets: GroupOffsets
  /** Consumers that may have something to end. */
  readonly readers = new Set<{ close(): Promise<void> }>()
  readonly #transactions: Transactions

  constructor(cluster: Cluster) {
    this.options = cluster.options
    this.cluster = cluster
    this.life = new Life(`the connection to cluster ${cluster.clusterId}`)
    this.groupOffsets = new GroupOffsets(cluster)
    this.buffered = new Buffered(cluster.options.bufferBytes)
    this.#transactions = new Transactions(cluster, this.buffered)
    this.sender = new Sender({
      cluster, line: cluster.line(cluster.options.requestTimeoutMs), transactionalId: undefined, buffered: this.buffered, enter: undefined,
      identify: (call) => freshIdentity(cluster, call),
    })
  }

  /** A call that a user makes now: it has `timeoutMs`, and ends with the signal. */
  call(options: WaitOptions | undefined, where: string): Call {
    this.life.check()
    return this.cluster.call(options === undefined ? undefined : signalOf(options, where))
  }

  /** Begins a transaction. */
  begin(options: BeginOptions, signal?: AbortSignal): Promise<ClusterTransaction> {
    this.life.check()
    return this.#transactions.begin(options, this.life, signal)
  }

  /** Sends what waits, ends transactions and consumers, and lets go of the brokers. */
  async close(): Promise<void> {
    const settled = this.sender.settled()
    this.life.end()
    await settled
    this.sender.close(this.life.closedError())
    await this.#transactions.close()
    await Promise.all([...this.readers].map((reader) => reader.close()))
    await this.cluster.close()
  }
}
