/*
 * A producer with a transactional id, as the cluster's transaction coordinator knows it: which partitions and groups its transaction has, and
 * how it ends.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { pause } from '../base/pause.ts'
import { metadataWith } from '../topics/consume/finished-metadata.ts'
import { type CommitRequest } from '../topics/groups/group-messages.ts'
import { type Buffered } from './buffered.ts'
import { type Call } from './call.ts'
import { type RequestApi } from './client.ts'
import { type Broker, type Cluster, type Line } from './cluster.ts'
import { byTopic, lastOfEach, type PlaceName } from './ends.ts'
import { checkAnswer, clusterGroupError, isPassing, nameOf, wasCut } from './errors.ts'
import { type ProducerIdentity } from './producer-identity.ts'
import { Sender } from './sender.ts'

/** Ms between two looks whether a transaction's end is marked, at most. */
const LONGEST_LOOK_MS = 16

/** A transactional producer. */
export class TransactionalProducer {
  readonly id: string
  readonly sender: Sender
  readonly #cluster: Cluster
  readonly #line: Line
  readonly #identity: ProducerIdentity
  /** Of the transaction that is open. */
  readonly #partitions = new Map<string, Promise<void>>()
  readonly #groups = new Set<string>()
  /** Partitions that are named with the next question, which is asked when whoever names them is done. */
  #named: { readonly places: PlaceName[]; readonly added: Promise<void> } | undefined
  #hasUnanswered = false

  constructor(cluster: Cluster, buffered: Buffered, id: string, identity: ProducerIdentity) {
    this.id = id
    this.#cluster = cluster
    this.#identity = identity
    this.#line = cluster.line(cluster.options.requestTimeoutMs)
    this.sender = new Sender({
      cluster, line: this.#line, transactionalId: id, buffered, identify: async () => identity,
      enter: (call, topic, partition) => this.#enter(call, topic, partition),
    })
  }

  /** Whether there is anything to end. */
  get isEmpty(): boolean {
    return this.#partitions.size === 0 && this.#groups.size === 0
  }

  /**
   * Whether a coordinator was asked for something and did not answer. It may do it later: when another transaction of the same producer is open,
   * which it would end, or give offsets of this one. So the next one needs a new epoch.
   */
  get hasUnanswered(): boolean {
    return this.#hasUnanswered
  }

  /** Partitions become a part of the transaction. What is named in one go is one question. */
  add(call: Call, places: readonly PlaceName[]): Promise<unknown> {
    return Promise.all(places.map(({ topic, partition }) => this.#enter(call, topic, partition)))
  }

  #enter(call: Call, topic: string, partition: number): Promise<void> {
    const key = `${partition} ${topic}`
    const known = this.#partitions.get(key)
    if (known !== undefined) return known
    if (this.#named === undefined) {
      const places: PlaceName[] = []
      this.#named = { places, added: Promise.resolve().then(() => this.#addNamed(call, places)) }
    }
    const { places, added } = this.#named
    places.push({ topic, partition })
    this.#partitions.set(key, added)
    return added
  }

  /** All of them, or none. */
  async #addNamed(call: Call, places: readonly PlaceName[]): Promise<void> {
    this.#named = undefined
    const { addPartitionsToTxnV3 } = this.#cluster.client
    const topics = byTopic(places).map(([name, partitions]) => ({ name, partitions }))
    const asked = [{ transactionalId: this.id, ...this.#identity, topics, verifyOnly: false }]
    await this.#coordinated(call, async (broker) => {
      const answer = await this.#ask(call, broker, addPartitionsToTxnV3.api, asked)
      const results = (answer.resultsByTransaction[0]?.topicResults ?? []).flatMap(({ name: topic, resultsByPartition }) => (
        resultsByPartition.map(({ partitionIndex: partition, partitionErrorCode: errorCode }) => ({ topic, partition, errorCode }))
      ))
      const refused = results.filter(({ errorCode }) => errorCode !== 0)
      // Those that are not in the way themselves say no more than that others are.
      const first = refused.find(({ errorCode }) => nameOf(errorCode) !== 'OPERATION_NOT_ATTEMPTED') ?? refused[0]
      if (first === undefined) return { errorCode: 0 }
      const { topic, partition, errorCode } = first
      checkAnswer(errorCode, `partition ${partition} of topic "${topic}" in transaction "${this.id}"`, { transactionalId: this.id, topic, partition })
      return first
    })
  }

  /** Commits offsets of a group with the transaction. */
  async commitOffsets({ groupId, memberId, generation, groupInstanceId = null, offsets: given }: CommitRequest): Promise<void> {
    const offsets = lastOfEach(given)
    const { addOffsetsToTxnV3, txnOffsetCommitV3 } = this.#cluster.client
    const { producerId, producerEpoch } = this.#identity
    const call = this.#cluster.call()
    await this.#coordinated(call, async (broker) => {
      const answer = await this.#ask(call, broker, addOffsetsToTxnV3.api, this.id, producerId, producerEpoch, groupId)
      checkAnswer(answer.errorCode, `group "${groupId}" in transaction "${this.id}"`, { transactionalId: this.id, group: groupId })
      return answer
    })
    this.#groups.add(groupId)
    const topics = byTopic(offsets).map(([name, partitions]) => ({
      name,
      partitions: partitions.map((partitionIndex) => {
        const { offset, leaderEpoch, metadata, finished } = offsets.find((one) => one.topic === name && one.partition === partitionIndex)!
        return {
          partitionIndex, committedOffset: BigInt(offset), committedLeaderEpoch: leaderEpoch,
          committedMetadata: metadataWith(metadata, finished),
        }
      }),
    }))
    const answer = await this.#cluster.coordinated(call, 'group', groupId, (broker) => this.#ask(
      call, broker, txnOffsetCommitV3.api, this.id, groupId, producerId, producerEpoch, generation, memberId, groupInstanceId, topics,
    ), ({ topics: of }) => of[0]?.partitions[0]?.errorCode ?? 0)
    for (const { name: topic, partitions } of answer.topics) {
      for (const { partitionIndex: partition, errorCode } of partitions) {
        if (errorCode !== 0) throw clusterGroupError(nameOf(errorCode), groupId, { topic, partition })
      }
    }
  }

  /**
   * Ends the transaction, for all who read from then on. Nothing of it may be under way.
   *
   * @throws LogError `LOG_COMMIT_UNKNOWN` when the answer to a commit was lost, and nobody could be asked again
   */
  async end(committed: boolean, call = this.#cluster.call()): Promise<void> {
    let unknown = false
    try {
      await this.#coordinated(call, async (broker) => {
        try {
          const answer = await this.#askEnd(call, broker, committed)
          checkAnswer(answer.errorCode, `${committed ? 'committing' : 'aborting'} transaction "${this.id}"`, { transactionalId: this.id })
          return answer
        } catch (error) {
          // A coordinator that moves may have decided before; only one that was not reached has not.
          unknown ||= isLogError(error, 'LOG_CLOSED') || (isPassing(error) && error.detail['cut'] !== false)
          throw error
        }
      })
    } catch (error) {
      if (!committed || !unknown || !(isPassing(error) || isLogError(error, 'LOG_CLOSED'))) throw error
      const message = `the commit of transaction "${this.id}" was asked for, and the answer lost: all of it counts, or nothing`
      throw new LogError('LOG_COMMIT_UNKNOWN', message, { transactionalId: this.id }, error)
    }
    await this.#untilMarked(call.part(this.#cluster.options.requestTimeoutMs), committed)
    this.#partitions.clear()
    this.#groups.clear()
  }

  #askEnd(call: Call, broker: Broker, committed: boolean): Promise<{ readonly errorCode: number }> {
    const { endTxnV3 } = this.#cluster.client
    const { producerId, producerEpoch } = this.#identity
    return this.#ask(call, broker, endTxnV3.api, this.id, producerId, producerEpoch, committed)
  }

  /**
   * Asks whether the id is still this producer's, behind a transaction that was aborted: that it was is answered again to nobody else, and
   * nothing is stored for it.
   *
   * @throws LogError `LOG_PRODUCER_FENCED`
   */
  async confirm(call: Call): Promise<void> {
    await this.#coordinated(call, async (broker) => {
      const answer = await this.#askEnd(call, broker, false)
      checkAnswer(answer.errorCode, `whether transactional id "${this.id}" has the producer that it had`, { transactionalId: this.id })
      return answer
    })
  }

  /**
   * Waits until the end, which is decided, is marked in every partition: readers see it from then on, and the next transaction may begin.
   * Asked again for the same end, a coordinator tells whether it still writes markers. One that cannot be asked has its time.
   */
  async #untilMarked(call: Call, committed: boolean): Promise<void> {
    for (let wait = 1; call.leftMs > 0; wait = Math.min(wait * 2, LONGEST_LOOK_MS)) {
      try {
        const { errorCode } = await this.#askEnd(call, await this.#cluster.coordinatorOf(call, 'transaction', this.id), committed)
        if (nameOf(errorCode) !== 'CONCURRENT_TRANSACTIONS') return
      } catch (error) {
        if (!isPassing(error)) return
        this.#cluster.forgetCoordinator('transaction', this.id)
      }
      await pause(this.#cluster.options.clock, wait)
    }
  }

  async close(): Promise<void> {
    this.sender.close(new TypeError(`the producer of transactional id "${this.id}" is closed`))
    await this.#line.close()
  }

  async #ask<Args extends unknown[], Answer>(call: Call, broker: Broker, api: RequestApi<Args, Answer>, ...args: Args): Promise<Answer> {
    try {
      return await this.#cluster.main.ask(call, broker, api, ...args)
    } catch (error) {
      this.#hasUnanswered ||= !isPassing(error) || wasCut(error)
      throw error
    }
  }

  async #coordinated(call: Call, ask: (broker: Broker) => Promise<{ readonly errorCode: number }>): Promise<void> {
    await this.#cluster.coordinated(call, 'transaction', this.id, ask, ({ errorCode }) => errorCode)
  }
}
