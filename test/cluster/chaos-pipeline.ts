/*
 * Reads a topic, and writes for each record the name of its place to another one; what is written and how far it has read are one transaction.
 * Whatever fails is let go, and begun again behind what is committed.
 */
import { type ClusterLog } from '../../src/cluster/index.ts'
import { isLogError } from '../../src/index.ts'
import { type PortableRecord, type PortableTopic } from '../../src/topics/contract.ts'
import { type Progress } from './chaos-progress.ts'

/** The name of its progress. */
export const PIPELINE_GROUP = 'chaos-pipeline'
/** Longer than a cluster is out of order in any test: none is aborted while its answer is waited for. */
const TRANSACTION_MS = 60_000
/** Records of one transaction, more or less. */
const MOST_AT_ONCE = 100

/** One of those who share the partitions. */
interface Worker {
  /** Undefined: the cluster makes one up, and its producer is used again for the next transaction. */
  readonly transactionalId: string | undefined
  readonly partitions: readonly number[]
  /** It is to end as a process that is killed. */
  crashing: boolean
}

/** What ends a worker that is to crash. */
class Crash extends Error {}

/** A pipeline that runs. */
export class ChaosPipeline {
  /** How often it began again, by the code of what had failed. */
  readonly failures = new Map<string, number>()
  readonly #log: ClusterLog
  readonly #from: PortableTopic<string, string>
  readonly #to: PortableTopic<string, string>
  readonly #progress: Progress
  readonly #workers: readonly Worker[]
  readonly #ending = new AbortController()
  /** Behind the last record whose transaction is committed, by partition. */
  readonly #positions = new Map<number, number>()
  #done: Promise<unknown> = Promise.resolve()

  private constructor(parts: PipelineParts) {
    this.#log = parts.log
    this.#from = parts.from
    this.#to = parts.to
    this.#progress = parts.progress
    const all = Array.from({ length: parts.from.partitionCount }, (_, partition) => partition)
    this.#workers = ['chaos-worker', undefined].map((transactionalId, index) => (
      { transactionalId, partitions: all.filter((partition) => partition % 2 === index), crashing: false }
    ))
  }

  /** Begins at the beginning. */
  static async start(parts: PipelineParts): Promise<ChaosPipeline> {
    const pipeline = new ChaosPipeline(parts)
    const places = pipeline.#workers.flatMap(({ partitions }) => partitions.map((partition) => ({ topic: parts.from.name, partition, offset: 0 })))
    await parts.log.transaction((transaction) => transaction.commitOffsets(PIPELINE_GROUP, places))
    pipeline.#done = Promise.all(pipeline.#workers.map((worker) => pipeline.#work(worker)))
    pipeline.#done.catch((error: unknown) => parts.progress.fail(error))
    return pipeline
  }

  /** The worker with an id of its own ends in the middle of its next transaction, and begins again. */
  crash(): void {
    this.#workers[0]!.crashing = true
  }

  /** Waits until it is behind these offsets, and ends it. */
  async stop(ends: readonly number[]): Promise<void> {
    const missing = () => ends.flatMap((end, partition) => {
      const position = this.#positions.get(partition) ?? 0
      return position < end ? [`${partition} at ${position} of ${end}`] : []
    })
    await this.#progress.until(() => missing().length === 0, () => `the pipeline is not through with partitions ${missing().join(', ')}`)
    this.#ending.abort()
    await this.#done
  }

  async #work(worker: Worker): Promise<void> {
    while (!this.#ending.signal.aborted) {
      try {
        await this.#live(worker)
      } catch (error) {
        if (this.#ending.signal.aborted || isLogError(error, 'LOG_CLOSED')) return
        if (!(error instanceof Crash) && !isLogError(error)) throw error
        const code = error instanceof Crash ? 'crash' : error.code
        this.failures.set(code, (this.failures.get(code) ?? 0) + 1)
      }
    }
  }

  async #live(worker: Worker): Promise<void> {
    // Who had the name before, and may be in the middle of something, is out.
    const { transactionalId, partitions } = worker
    if (transactionalId !== undefined) await (await this.#log.beginTransaction({ transactionalId })).abort()
    const lag = await this.#log.groups.lag(PIPELINE_GROUP)
    const from = new Map(lag.filter(({ topic }) => topic === this.#from.name).map(({ partition, committed }) => [partition, committed!]))
    for (const partition of partitions) this.#positions.set(partition, from.get(partition)!)
    const consumer = this.#from.consumer({ from, partitions, signal: this.#ending.signal })
    try {
      for await (const records of gathered(consumer.batches())) await this.#handle(worker, records)
    } finally {
      await consumer.close()
    }
  }

  async #handle(worker: Worker, records: readonly PortableRecord<string, string>[]): Promise<void> {
    const { transactionalId } = worker
    const ends = new Map(records.map(({ partition, offset }) => [partition, offset + 1]))
    const outputs = records.map((record) => ({ key: record.key, value: `${record.partition}:${record.offset}` }))
    const transaction = await this.#log.beginTransaction({ ...(transactionalId === undefined ? {} : { transactionalId }), timeoutMs: TRANSACTION_MS })
    try {
      await transaction.send(this.#to, outputs)
      await transaction.commitOffsets(PIPELINE_GROUP, [...ends].map(([partition, offset]) => ({ topic: this.#from.name, partition, offset })))
      if (worker.crashing) {
        worker.crashing = false
        throw new Crash()
      }
      await transaction.commit()
    } catch (error) {
      // One that crashes ends nothing; one whose end is not known has none to ask for.
      if (!(error instanceof Crash)) await transaction.abort().catch(() => {})
      throw error
    }
    for (const [partition, end] of ends) this.#positions.set(partition, end)
    this.#progress.add('pipeline', records.length)
  }
}

/** What is there already goes together, up to a limit. */
async function* gathered<T>(batches: AsyncIterable<readonly T[]>): AsyncGenerator<readonly T[]> {
  const iterator = batches[Symbol.asyncIterator]()
  let next = iterator.next()
  for (;;) {
    const records: T[] = []
    let result: IteratorResult<readonly T[]> | void = await next
    while (result !== undefined && result.done !== true) {
      records.push(...result.value)
      next = iterator.next()
      // Whoever asks for more hears of it.
      next.catch(() => {})
      result = records.length < MOST_AT_ONCE ? await Promise.race([next, new Promise<void>((resolve) => void setImmediate(resolve))]) : undefined
    }
    if (records.length > 0) yield records
    if (result?.done === true) return
  }
}

interface PipelineParts {
  readonly log: ClusterLog
  readonly from: PortableTopic<string, string>
  /** Has as many partitions, so that records of one stay together. */
  readonly to: PortableTopic<string, string>
  readonly progress: Progress
}
