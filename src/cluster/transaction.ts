/*
 * A transaction of a cluster as a user holds it: records and offsets of groups that count together or not at all.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { describe } from '../base/options.ts'
import { waiting, waitingOrTold, type WaitOptions } from '../topics/abort.ts'
import { type PartitionChooser } from '../topics/partitioner.ts'
import { type PortableSendRecord, type PortableSendResult, type PortableTopic, type PortableTransaction } from '../topics/contract.ts'
import { type Committing } from '../topics/groups/commit-entries.ts'
import { type CommitRequest } from '../topics/groups/group-messages.ts'
import { type Life } from '../topics/life.ts'
import { commitRequestOf } from '../topics/transactions/commit-request.ts'
import { type Committer, type GroupOffset, type TransactionStatus } from '../topics/transactions/transaction.ts'
import { type Cluster } from './cluster.ts'
import { chooserFor, sendInput, type SendTarget } from './send.ts'
import { type TransactionalProducer } from './transactional-producer.ts'

/** How it is begun. */
export interface ClusterTransactionOptions {
  readonly transactionalId: string | undefined
  readonly timeoutMs: number
  readonly life: Life
}

/** A topic that can be sent to. */
export interface Sendable<K, V> {
  readonly target: SendTarget<K, V>
}

/** A transaction. */
export class ClusterTransaction implements PortableTransaction {
  /** The name that makes it the only one of its name; undefined where the cluster's is made up. */
  readonly transactionalId: string | undefined
  readonly #cluster: Cluster
  readonly #producer: TransactionalProducer
  readonly #life: Life
  readonly #deadline: number
  readonly #ended: (usable: boolean) => void
  readonly #choosers = new Map<string, unknown>()
  readonly #underWay = new Set<Promise<unknown>>()
  #status: TransactionStatus = 'open'
  #failure: { readonly error: unknown } | undefined
  #ending: Promise<void> | undefined

  /** @param ended  told when it is over, and whether its producer may be used again */
  constructor(cluster: Cluster, producer: TransactionalProducer, options: ClusterTransactionOptions, ended: (usable: boolean) => void) {
    this.#cluster = cluster
    this.#producer = producer
    this.transactionalId = options.transactionalId
    this.#life = options.life
    this.#deadline = cluster.options.clock.monotonic() + options.timeoutMs
    this.#ended = ended
  }

  get status(): TransactionStatus {
    return this.#status
  }

  send<K, V>(topic: PortableTopic<K, V>, record: PortableSendRecord<K, V>, options?: WaitOptions): Promise<PortableSendResult>
  send<K, V>(
    topic: PortableTopic<K, V>, records: readonly PortableSendRecord<K, V>[], options?: WaitOptions,
  ): Promise<readonly PortableSendResult[]>
  send<K, V>(
    topic: PortableTopic<K, V>, input: PortableSendRecord<K, V> | readonly PortableSendRecord<K, V>[], options?: WaitOptions,
  ): Promise<never> {
    const { target } = ((topic as unknown as Sendable<K, V> | null | undefined) ?? {}) as Partial<Sendable<K, V>>
    if (target === undefined) throw new TypeError(`a transaction sends to a topic, as log.topic gives it, not ${describe(topic)}`)
    return waitingOrTold(options, 'send', () => this.sendTo(target, input)) as Promise<never>
  }

  /** @internal As `send`. */
  sendTo<K, V>(
    target: SendTarget<K, V>, input: PortableSendRecord<K, V> | readonly PortableSendRecord<K, V>[],
  ): Promise<PortableSendResult | PortableSendResult[]> {
    return this.#doing('send', () => {
      const { options } = this.#cluster
      let chooser = this.#choosers.get(target.name) as PartitionChooser<K, V> | undefined
      if (chooser === undefined) {
        chooser = chooserFor(target, { random: options.random, batchSize: options.batchSize })
        this.#choosers.set(target.name, chooser)
      }
      return sendInput(this.#producer.sender, { target, chooser, now: () => options.clock.now() }, input, undefined)
    })
  }

  /**
   * Commits offsets of a group with the transaction: of a consumer with `autoCommit: false`, what it was handed so far or what is named; of a
   * group without consumers, the offsets that are given, each of the next record to read.
   */
  commitOffsets<P>(consumer: Committer<P>, what?: Committing<P>, options?: WaitOptions): Promise<void>
  commitOffsets(group: string, offsets: readonly GroupOffset[], options?: WaitOptions): Promise<void>
  commitOffsets<P>(of: Committer<P> | string, what?: Committing<P> | readonly GroupOffset[], options?: WaitOptions): Promise<void> {
    return waitingOrTold(options, 'commitOffsets', () => this.#doing('commitOffsets', async () => {
      const request = await commitRequestOf(of, what)
      if (request.offsets.length > 0) await this.#producer.commitOffsets(request)
    }))
  }

  /** @internal As `commitOffsets`, for a request that is made already. */
  commitRequest(request: CommitRequest): Promise<void> {
    return this.#doing('commitOffsets', () => this.#producer.commitOffsets(request))
  }

  /**
   * Makes everything of the transaction count.
   *
   * @throws LogError `LOG_TXN_ABORTED` when something of it was not stored: then nothing of it counts; `LOG_TXN_TIMED_OUT`, `LOG_PRODUCER_FENCED`;
   *   `LOG_COMMIT_UNKNOWN` when the answer was lost: it counts, or not
   */
  commit(options?: WaitOptions): Promise<void> {
    return waiting(options, 'commit', () => {
      if (this.#status !== 'open') return Promise.reject(this.#endedError('commit'))
      this.#status = 'committing'
      return (this.#ending = this.#commit())
    })
  }

  async #commit(): Promise<void> {
    await this.#settled()
    if (this.#failure === undefined) {
      try {
        if (!this.#producer.isEmpty) await this.#producer.end(true)
        this.#over('committed', true)
        return
      } catch (error) {
        // It is neither: whoever asks its status learns that it was being committed.
        if (isLogError(error, 'LOG_COMMIT_UNKNOWN')) {
          this.#ended(false)
          throw error
        }
        this.#failure ??= { error }
        // Nobody could be asked to commit it: it does not count.
        if (!isLogError(error) || error.retriable) {
          this.#over('aborted', false)
          throw error
        }
      }
    }
    const { error } = this.#failure
    await this.#abort()
    throw this.#told(error)
  }

  /** Makes nothing of the transaction count. One that has been aborted already is left alone. */
  abort(options?: WaitOptions): Promise<void> {
    return waiting(options, 'abort', async () => {
      if (this.#status === 'committed' || this.#status === 'committing') throw this.#endedError('abort')
      if (this.#status === 'open') {
        this.#status = 'aborting'
        this.#ending = this.#settled().then(() => this.#abort())
      }
      await this.#ending
    })
  }

  /** @internal Aborts it if it is open; waits for the end that it is coming to otherwise. */
  async finish(): Promise<void> {
    await (this.#status === 'open' ? this.abort() : this.#ending)?.catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#status === 'open' || this.#status === 'aborting') await this.abort()
  }

  async #abort(): Promise<void> {
    let usable = true
    try {
      if (!this.#producer.isEmpty) await this.#producer.end(false)
    } catch (error) {
      // The cluster aborts it when its time is up, or has done so already.
      usable = false
      if (!isLogError(error)) throw error
    } finally {
      // A batch that was not stored leaves a gap in its sequences.
      this.#over('aborted', usable && this.#failure === undefined)
    }
  }

  #over(status: 'committed' | 'aborted', usable: boolean): void {
    this.#status = status
    this.#ended(usable && !this.#producer.hasUnanswered)
  }

  async #settled(): Promise<void> {
    await this.#producer.sender.settled()
    while (this.#underWay.size > 0) await Promise.allSettled([...this.#underWay])
  }

  /** Does a part of it; one that fails makes `commit` fail, whether anybody waits for it or not. */
  #doing<T>(what: string, work: () => Promise<T>): Promise<T> {
    const done = this.#do(what, work)
    this.#underWay.add(done)
    done.catch((error: unknown) => { this.#failure ??= { error } }).finally(() => this.#underWay.delete(done))
    return done
  }

  async #do<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#life.check()
    if (this.#status !== 'open') throw this.#endedError(what)
    try {
      return await work()
    } catch (error) {
      throw isFatal(error) ? this.#told(error) : error
    }
  }

  #endedError(what: string): LogError {
    const name = this.transactionalId === undefined ? 'the transaction' : `transaction "${this.transactionalId}"`
    const code = this.#status === 'committed' || this.#status === 'committing' ? 'LOG_TXN_STATE_INVALID' : 'LOG_TXN_ABORTED'
    return new LogError(code, `${what}: ${name} is ${this.#status}`, { status: this.#status }, this.#failure?.error)
  }

  /** What the end of the transaction means to its user. */
  #told(error: unknown): unknown {
    if (error instanceof TypeError || error instanceof RangeError) return this.#abortedBy(error)
    if (isFatal(error)) {
      if (this.#cluster.options.clock.monotonic() < this.#deadline) return error
      return new LogError('LOG_TXN_TIMED_OUT', 'the transaction was open for longer than it may be: the cluster aborted it', {}, error)
    }
    return isLogError(error, 'LOG_TXN_ABORTED') ? error : this.#abortedBy(error)
  }

  #abortedBy(error: unknown): LogError {
    const reason = error instanceof Error ? error.message : String(error)
    return new LogError('LOG_TXN_ABORTED', `the transaction was aborted: ${reason}`, { transactionalId: this.transactionalId }, error)
  }
}

/** Whether the producer is somebody else's by now. */
function isFatal(error: unknown): boolean {
  return isLogError(error, 'LOG_PRODUCER_FENCED') || isLogError(error, 'LOG_TXN_TIMED_OUT') || isLogError(error, 'LOG_TXN_STATE_INVALID')
}
