/*
 * Brings the records that one consumer reads: at most one Fetch under way at each broker, for all partitions of which too little is here. A
 * partition that has no more waits at the broker for what comes. Brokers that go away are asked again until they, or other leaders, are there.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { pause } from '../base/pause.ts'
import { type Isolation } from '../log/partition-log.ts'
import { batchSize, LENGTH_AT, RECORDS_AT } from '../format/batch.ts'
import { lastOffsetAt } from '../log/batch-place.ts'
import { type Broker, type Cluster, type Line } from './cluster.ts'
import { byLeader, byTopic } from './ends.ts'
import { clusterError, isPassing, nameOf } from './errors.ts'
import { type FetchedPartition, fetchRecords } from './messages.ts'
import { type RemoteCursor, type RecordSupply } from './remote-cursor.ts'
import { RemotePartition } from './remote-partition.ts'
import { waitMs } from './retry.ts'

/** Ms that a broker waits for records when it has none. */
const MAX_WAIT_MS = 500
/** The same, while some of its partitions are not asked for because enough of them is here. */
const SHORT_WAIT_MS = 10

/** A topic that was not there so often in a row is not there. */
const FAILURES_WHEN_GONE = 5

/** How a consumer's records are brought. */
export interface FetcherOptions {
  readonly cluster: Cluster
  readonly isolation: Isolation
}

/** One partition that is asked for: what the answer belongs to. */
interface Asked {
  readonly topic: string
  readonly partition: number
  readonly remote: RemotePartition
  readonly cursor: RemoteCursor<unknown, unknown>
  readonly generation: number
}

/** Brings records to one consumer. */
export class Fetcher implements RecordSupply {
  readonly #options: FetcherOptions
  readonly #partitions: RemotePartition[] = []
  readonly #busy = new Set<number>()
  /** Partitions of a request that is under way. */
  readonly #asked = new Set<RemoteCursor<unknown, unknown>>()
  #line: Line | undefined
  #scheduled = false
  #failures = 0
  #closed = false

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  /** A partition that may be read. */
  partition(topic: string, partition: number): RemotePartition {
    const remote = new RemotePartition(topic, partition, this)
    this.#partitions.push(remote)
    return remote
  }

  wanted(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#look().catch((error: unknown) => void this.#again(error))
    })
  }

  closed(cursor: RemoteCursor<never, never>): void {
    const remote = this.#partitions.find((one) => (one.cursor as unknown) === cursor)
    if (remote !== undefined) remote.cursor = undefined
    // Nobody reads: a consumer that is dropped, and not closed, keeps no connections.
    if (this.#partitions.some((one) => one.cursor !== undefined)) return
    void this.#line?.close()
    this.#line = undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#line?.close()
    this.#line = undefined
  }

  /** Asks every broker that leads something of which too little is here. */
  async #look(): Promise<void> {
    const { cluster } = this.#options
    const low = cluster.options.fetchBytes / 4
    const open = this.#partitions.flatMap((remote): Asked[] => {
      const { topic, partition, cursor } = remote
      return cursor === undefined || cursor.failure !== undefined ? [] : [{ topic, partition, remote, cursor, generation: cursor.generation }]
    })
    const wanted = open.filter(({ cursor }) => cursor.buffered < low && !this.#asked.has(cursor))
    if (wanted.length === 0 || this.#closed) return
    for (const [broker, of] of await byLeader(cluster, cluster.call(), wanted)) {
      if (this.#busy.has(broker.id)) continue
      const left = of.filter(({ remote, cursor }) => remote.cursor === cursor && !this.#asked.has(cursor))
      if (left.length === 0) continue
      this.#busy.add(broker.id)
      for (const { cursor } of left) this.#asked.add(cursor)
      void this.#fetch(broker, left, left.length < open.length)
    }
  }

  async #fetch(broker: Broker, asked: readonly Asked[], some: boolean): Promise<void> {
    const { cluster, isolation } = this.#options
    const { fetchBytes, requestTimeoutMs } = cluster.options
    try {
      this.#line ??= cluster.line(requestTimeoutMs + MAX_WAIT_MS)
      const offsets = new Map(asked.map(({ topic, partition, cursor }) => [`${partition} ${topic}`, cursor.fetchFrom]))
      const topics = byTopic(asked).map(([topic, partitions]) => ({
        topic,
        partitions: partitions.map((partition) => (
          { partition, fetchOffset: offsets.get(`${partition} ${topic}`)!, partitionMaxBytes: Math.ceil(fetchBytes / 4) }
        )),
      }))
      const answer = await this.#line.askRaw(cluster.call(undefined, Infinity), broker, fetchRecords({
        maxWaitMs: some ? SHORT_WAIT_MS : MAX_WAIT_MS, minBytes: 1, maxBytes: fetchBytes, topics,
        isolationLevel: isolation === 'read_committed' ? 1 : 0,
      }))
      if (answer.errorCode !== 0) throw clusterError(nameOf(answer.errorCode), 'reading')
      const of = new Map(asked.map((one) => [`${one.partition} ${one.topic}`, one]))
      let troubled: LogError | undefined
      for (const { topic, partitions } of answer.responses) {
        for (const answered of partitions) troubled = this.#take(of.get(`${answered.partitionIndex} ${topic}`)!, answered) ?? troubled
      }
      this.#finish(broker, asked)
      if (troubled !== undefined) throw troubled
      this.#failures = 0
      this.wanted()
    } catch (error) {
      this.#finish(broker, asked)
      await this.#again(error, asked)
    }
  }

  #finish(broker: Broker, asked: readonly Asked[]): void {
    this.#busy.delete(broker.id)
    for (const { cursor } of asked) this.#asked.delete(cursor)
  }

  /** Hands over what came for a partition; gives what passes and is to be asked for again. */
  #take({ remote, cursor, generation, topic, partition }: Asked, answered: FetchedPartition): LogError | undefined {
    const { errorCode, highWatermark, lastStableOffset, logStartOffset, records, abortedTransactions } = answered
    if (errorCode !== 0) {
      const name = nameOf(errorCode)
      const error = clusterError(name, `reading ${topic}-${partition}`, { topic, partition, offset: cursor.fetchFrom })
      if (isPassing(error)) return error
      if (logStartOffset >= 0) remote.learn({ startOffset: logStartOffset, highWatermark, lastStableOffset })
      if (cursor.generation === generation) cursor.fail(error)
      return undefined
    }
    if (cursor.generation === generation) {
      const next = nextOffset(records, cursor.fetchFrom)
      cursor.deliver(records, next, this.#options.isolation === 'read_committed' ? (abortedTransactions ?? []) : undefined)
    }
    remote.learn({ startOffset: Math.max(0, logStartOffset), highWatermark, lastStableOffset })
    return undefined
  }

  /** Asks again after a while; what does not pass is told to who reads. */
  async #again(error: unknown, asked: readonly Asked[] = []): Promise<void> {
    const { cluster } = this.#options
    const { clock, random } = cluster.options
    if (this.#closed) return
    // Those that asked were dropped meanwhile; who came since is served.
    if (isLogError(error, 'LOG_CLOSED') && asked.every(({ remote, cursor }) => remote.cursor !== cursor)) return this.wanted()
    if (!isPassing(error)) {
      const failed = asked.length > 0 ? asked.map(({ cursor }) => cursor) : this.#partitions.flatMap(({ cursor }) => cursor ?? [])
      for (const cursor of failed) cursor.fail(error)
      return
    }
    const topics = [...new Set(this.#partitions.filter(({ cursor }) => cursor !== undefined).map(({ topic }) => topic))]
    await cluster.refresh(cluster.call(), topics).catch(() => {})
    if (!this.#closed) await pause(clock, waitMs(this.#failures++, random))
    for (const remote of this.#partitions) {
      const { topic } = remote
      if (cluster.topic(topic) !== undefined || this.#failures < FAILURES_WHEN_GONE) continue
      remote.gone(new LogError('LOG_NOT_FOUND', `there is no topic "${topic}" in the cluster`, { topic }))
    }
    this.wanted()
  }
}

/** Behind the last whole batch. */
function nextOffset(records: Buffer | null, from: number): number {
  if (records === null) return from
  let next = from
  for (let at = 0; at + RECORDS_AT <= records.length;) {
    const size = batchSize(records, at)
    if (size < LENGTH_AT || at + size > records.length) break
    next = Math.max(next, lastOffsetAt(records, at) + 1)
    at += size
  }
  return next
}
