/*
 * Sends batches to the leaders of partitions: one at a time to each partition, while the records that come meanwhile gather for the next.
 * So batches grow with the load, their order is kept, and a batch whose answer was lost is sent again as the same batch, which the broker
 * knows by its producer id and sequence. What cannot be stored within `timeoutMs` is given up; one of which nobody knows whether it was stored
 * is told as such, and the next batches come from a new producer.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { pause } from '../base/pause.ts'
import { BatchBuilder } from '../log/batch-builder.ts'
import { type RecordCodecs, type RecordInput } from '../log/record-input.ts'
import { WindowCache } from '../log/windows.ts'
import { type Buffered } from './buffered.ts'
import { type Call } from './call.ts'
import { type Broker, type Cluster, type Line } from './cluster.ts'
import { clusterError, isPassing, mayBeStored, nameOf, wasCut } from './errors.ts'
import { produce, type ProduceAnswer, type ProducedPartition } from './messages.ts'
import { type ProducerIdentity } from './producer-identity.ts'
import { waitMs } from './retry.ts'
import { SendBatch } from './send-batch.ts'

const SEQUENCES = 2 ** 31

/** How a sender sends. */
export interface SenderOptions {
  readonly cluster: Cluster
  readonly line: Line
  readonly transactionalId: string | undefined
  /** Counts what waits here, and elsewhere. */
  readonly buffered: Buffered
  /** Whose the batches are; asked again when a batch was given up of which nobody knows. */
  readonly identify: (call: Call) => Promise<ProducerIdentity>
  /** Called right before a batch goes to a partition: a transaction must name its partitions, and somebody may not send any more. */
  readonly enter: ((call: Call, topic: string, partition: number) => Promise<void> | undefined) | undefined
}

/** Where a record goes: a partition, and the bytes that a batch of it may have. */
export interface SendPlace {
  readonly topic: string
  readonly partition: number
  readonly limit: number
}

/** A record in its batch. */
export interface Placed {
  readonly batch: SendBatch
  readonly index: number
}

/** What goes to one partition. */
class Lane {
  readonly topic: string
  readonly partition: number
  readonly builder: BatchBuilder
  /** Of the topic, as it was told last. */
  limit: number
  /** Being filled. */
  open: SendBatch | undefined
  /** Full, or in a hurry; the first may be on its way. */
  readonly ready: SendBatch[] = []
  busy = false
  identity: ProducerIdentity | undefined
  sequence = 0

  constructor(topic: string, partition: number, windows: WindowCache, { limit, batchSize }: { readonly limit: number; readonly batchSize: number }) {
    this.topic = topic
    this.partition = partition
    this.limit = limit
    this.builder = new BatchBuilder(windows, Math.min(batchSize, limit))
  }
}

/** Sends batches, all of one producer. */
export class Sender {
  readonly #options: SenderOptions
  readonly #windows = new WindowCache(0)
  readonly #lanes = new Map<string, Lane>()
  readonly #dirty = new Set<Lane>()
  #identity: Promise<ProducerIdentity> | undefined
  #scheduled = false
  #linger: { cancel(): void } | undefined
  #lingersUntil = Infinity
  #closed: unknown
  #idle: (() => void)[] = []
  #underWay = 0

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /**
   * Encodes a record into the batch that goes next to its partition.
   *
   * @throws LogError `LOG_BUFFER_FULL`, `LOG_RECORD_TOO_LARGE`; what the codecs throw
   */
  add<K, V>(place: SendPlace, codecs: RecordCodecs<K, V>, record: RecordInput<K, V>): Placed {
    if (this.#closed !== undefined) throw this.#closed
    this.#options.buffered.checkRoom()
    const lane = this.#lane(place)
    const { builder } = lane
    const { count, size, nextAt } = builder
    const { key = null, value, headers, timestamp } = record
    builder.add(codecs, key, value, headers, timestamp ?? this.#options.cluster.options.clock.now())
    if (builder.size > lane.limit) {
      if (count === 0) {
        const bytes = builder.size
        builder.discard()
        const message = `a record of ${bytes} bytes does not fit into the ${lane.limit} that topic "${lane.topic}" takes`
        throw new LogError('LOG_RECORD_TOO_LARGE', message, { topic: lane.topic, bytes, limit: lane.limit })
      }
      builder.removeFrom(count, nextAt)
      this.#seal(lane)
      return this.add(place, codecs, record)
    }
    this.#options.buffered.bytes += builder.size - size
    const batch = (lane.open ??= this.#begin())
    if (builder.full) this.#seal(lane)
    this.#dirty.add(lane)
    return { batch, index: count }
  }

  /** Sends what was added, as soon as whoever calls is done; after `lingerMs` when there is nothing in a hurry. */
  schedule(lingerMs = 0): void {
    const { clock } = this.#options.cluster.options
    if (lingerMs > 0) {
      // Of those who wait the one who waits least counts.
      const at = clock.monotonic() + lingerMs
      if (at >= this.#lingersUntil) return
      this.#linger?.cancel()
      this.#lingersUntil = at
      this.#linger = clock.setTimer(() => this.#pump(), lingerMs)
      return
    }
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#pump()
    })
  }

  /** Sends what was added now, whatever it was to wait for. */
  hurry(): void {
    this.#pump()
  }

  /** Resolves when everything that was added has ended. */
  async settled(): Promise<void> {
    this.#pump()
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Takes nothing more; what has not ended fails with `reason`. */
  close(reason: unknown): void {
    this.#closed = reason
    for (const lane of this.#lanes.values()) {
      if (lane.open !== undefined) this.#seal(lane)
      if (!lane.busy) for (const batch of lane.ready.splice(0)) this.#end(batch, () => batch.reject(reason))
    }
  }

  #begin(): SendBatch {
    this.#underWay++
    return new SendBatch(this.#options.cluster.options.clock.monotonic())
  }

  #lane({ topic, partition, limit }: SendPlace): Lane {
    const key = `${partition} ${topic}`
    const known = this.#lanes.get(key)
    if (known !== undefined) {
      known.limit = limit
      return known
    }
    const lane = new Lane(topic, partition, this.#windows, { limit, batchSize: this.#options.cluster.options.batchSize })
    this.#lanes.set(key, lane)
    return lane
  }

  /** Ends the batch that is being filled; whose it is is written when it is sent. */
  #seal(lane: Lane): void {
    const { compression } = this.#options.cluster.options
    const transactional = this.#options.transactionalId !== undefined
    const producer = { producerId: -1n, producerEpoch: -1, baseSequence: -1, transactional }
    const { identity } = lane
    const known = identity !== undefined && !this.#isOther(identity)
    const batch = lane.open!
    const before = lane.builder.size
    const own = known ? { ...identity, baseSequence: lane.sequence, transactional } : producer
    batch.take(lane.builder.seal({ baseOffset: 0, leaderEpoch: -1, compression, appendTime: undefined, producer: own }))
    this.#options.buffered.bytes += batch.size - before
    if (known) {
      batch.identity = identity
      batch.sequence = lane.sequence
      lane.sequence = (lane.sequence + batch.recordCount) % SEQUENCES
    }
    lane.open = undefined
    lane.ready.push(batch)
  }

  /** Whether another producer has taken over. */
  #isOther(identity: ProducerIdentity): boolean {
    return identity !== this.#known
  }

  #known: ProducerIdentity | undefined

  #pump(): void {
    this.#linger?.cancel()
    this.#linger = undefined
    this.#lingersUntil = Infinity
    for (const lane of this.#dirty) {
      if (lane.busy) continue
      this.#dirty.delete(lane)
      if (lane.ready.length === 0 && lane.open !== undefined) this.#seal(lane)
      if (lane.ready.length > 0) {
        lane.busy = true
        this.#waiting.push(lane)
      }
    }
    if (this.#waiting.length > 0) void this.#dispatch(this.#waiting.splice(0))
  }

  readonly #waiting: Lane[] = []

  /** One request for each broker, with a batch for each of its partitions. */
  async #dispatch(lanes: readonly Lane[]): Promise<void> {
    const byBroker = new Map<number, { readonly broker: Broker; readonly lanes: Lane[] }>()
    try {
      const identity = await this.#identified(this.#callOf(lanes))
      for (const lane of lanes) this.#own(lane, identity)
    } catch (error) {
      for (const lane of lanes) this.#failed(lane, error)
      return
    }
    await Promise.all(lanes.map(async (lane) => {
      const call = this.#callOf([lane])
      try {
        const broker = await this.#options.cluster.leaderOf(call, lane.topic, lane.partition)
        await this.#options.enter?.(call, lane.topic, lane.partition)
        const group = byBroker.get(broker.id)
        if (group === undefined) byBroker.set(broker.id, { broker, lanes: [lane] })
        else group.lanes.push(lane)
      } catch (error) {
        this.#failed(lane, error)
      }
    }))
    for (const { broker, lanes: of } of byBroker.values()) void this.#send(broker, of)
  }

  /** As long as the first batches of lanes may wait still; of several, the one that waited longest. */
  #callOf(lanes: readonly Lane[]): Call {
    return this.#options.cluster.call(undefined, Math.min(...lanes.map(({ ready }) => this.#leftOf(ready[0]!))))
  }

  #leftOf({ since }: SendBatch): number {
    const { clock, timeoutMs } = this.#options.cluster.options
    return Math.max(0, timeoutMs - (clock.monotonic() - since))
  }

  async #identified(call: Call): Promise<ProducerIdentity> {
    const asking = (this.#identity ??= this.#options.identify(call))
    try {
      const identity = await asking
      // Of several that were asked for meanwhile the last one counts, whichever is answered first.
      if (this.#identity === asking) this.#known = identity
      return identity
    } catch (error) {
      if (this.#identity === asking) this.#identity = undefined
      throw error
    }
  }

  /** Gives batches that have no owner, or one that is no more, their sequences. A batch that may be stored keeps what it was sent with. */
  #own(lane: Lane, identity: ProducerIdentity): void {
    if (lane.identity !== identity) {
      lane.identity = identity
      lane.sequence = 0
    }
    for (const batch of lane.ready) {
      if (batch.identity === identity || (batch.unknown && batch.identity !== undefined)) continue
      batch.stamp(identity, lane.sequence)
      lane.sequence = (lane.sequence + batch.recordCount) % SEQUENCES
    }
  }

  async #send(broker: Broker, lanes: readonly Lane[]): Promise<void> {
    const { cluster, line, transactionalId } = this.#options
    const topics = new Map<string, { name: string; partitions: { index: number; records: Buffer }[] }>()
    for (const { topic, partition, ready } of lanes) {
      const batch = ready[0]!
      batch.attempts++
      const entry = { index: partition, records: batch.bytes }
      const known = topics.get(topic)
      if (known === undefined) topics.set(topic, { name: topic, partitions: [entry] })
      else known.partitions.push(entry)
    }
    let answer: ProduceAnswer
    try {
      const request = produce({
        transactionalId, timeoutMs: cluster.options.requestTimeoutMs, topics: [...topics.values()],
      })
      answer = await line.askRaw(this.#callOf(lanes), broker, request)
    } catch (error) {
      for (const lane of lanes) {
        // An answer that cannot be read is one to a send that was understood.
        if (wasCut(error) || isLogError(error, 'LOG_PROTOCOL_ERROR')) lane.ready[0]!.unknown = true
        this.#failed(lane, error)
      }
      return
    }
    const answers = new Map(answer.responses.flatMap(({ name, partitionResponses }) => (
      partitionResponses.map((one) => [`${one.index} ${name}`, one] as const)
    )))
    for (const lane of lanes) this.#answered(lane, answers.get(`${lane.partition} ${lane.topic}`))
    this.#pump()
  }

  #answered(lane: Lane, answer: ProducedPartition | undefined): void {
    if (answer === undefined) {
      lane.ready[0]!.unknown = true
      return this.#failed(lane, clusterError('UNKNOWN_SERVER_ERROR', `sending to ${lane.topic}-${lane.partition}`))
    }
    const { errorCode, baseOffset, logAppendTimeMs, errorMessage, recordErrors } = answer
    const name = nameOf(errorCode)
    if (name === 'NONE' || name === 'DUPLICATE_SEQUENCE_NUMBER') {
      const batch = lane.ready.shift()!
      this.#end(batch, () => batch.resolve({ baseOffset, appendTime: logAppendTimeMs === -1 ? undefined : logAppendTimeMs }))
      return this.#free(lane)
    }
    // Sent again it stays the same batch of the same producer, so that it is stored once; given up, nobody knows.
    if (mayBeStored(name)) lane.ready[0]!.unknown = true
    const detail = { topic: lane.topic, partition: lane.partition }
    const said = recordErrors[0]?.batchIndexErrorMessage ?? errorMessage
    this.#failed(lane, clusterError(name, `sending to ${lane.topic}-${lane.partition}`, detail, said))
  }

  /** The first batch of a lane was not stored, as far as is known: tries again, or gives it up. */
  #failed(lane: Lane, error: unknown): void {
    const { cluster, transactionalId } = this.#options
    const { clock, random } = cluster.options
    const batch = lane.ready[0]!
    const forgotten = error instanceof LogError && error.detail['error'] === 'UNKNOWN_PRODUCER_ID'
    if (this.#closed === undefined && forgotten && transactionalId === undefined && !batch.unknown) {
      this.#renew()
      return void this.#dispatch([lane])
    }
    const wait = waitMs(batch.attempts, random)
    if (this.#closed === undefined && isPassing(error) && this.#leftOf(batch) > wait) {
      // Unless nobody could be asked at all, the leader may be another one by now.
      void cluster.refresh(this.#callOf([lane]), [lane.topic]).catch(() => {}).then(() => pause(clock, wait)).then(() => this.#dispatch([lane]))
      return
    }
    this.#failOverdue(lane, error)
  }

  /** Gives up the first batch of a lane, and those behind it whose time is up too: each of them would wait as long for the same answer. */
  #failOverdue(lane: Lane, error: unknown): void {
    const isOverdue = (batch: SendBatch): boolean => this.#leftOf(batch) === 0
    if (lane.open !== undefined && isOverdue(lane.open)) this.#seal(lane)
    while (lane.ready.length > 1 && isOverdue(lane.ready[1]!)) {
      const [batch] = lane.ready.splice(1, 1)
      this.#end(batch!, () => batch!.reject(error))
    }
    this.#fail(lane, error)
  }

  /** Gives up the first batch of a lane. */
  #fail(lane: Lane, error: unknown): void {
    const batch = lane.ready.shift()!
    const { topic, partition } = lane
    let told = this.#closed ?? error
    if (batch.unknown) {
      const message = `a batch of ${batch.recordCount} records was sent to ${topic}-${partition}, and the answer lost: it may be stored, or not`
      told = new LogError('LOG_SEND_UNKNOWN', message, { topic, partition, records: batch.recordCount }, error)
    }
    // Its sequence numbers may be used, or not: those behind it come from somebody new.
    if (this.#options.transactionalId === undefined) this.#renew()
    this.#end(batch, () => batch.reject(told))
    this.#free(lane)
    this.#pump()
  }

  #renew(): void {
    this.#identity = undefined
    this.#known = undefined
  }

  #free(lane: Lane): void {
    lane.busy = false
    if (lane.open !== undefined || lane.ready.length > 0) this.#dirty.add(lane)
    if (this.#closed !== undefined) for (const batch of lane.ready.splice(0)) this.#end(batch, () => batch.reject(this.#closed))
  }

  #end(batch: SendBatch, settle: () => void): void {
    this.#options.buffered.bytes -= batch.size
    batch.released(this.#windows)
    settle()
    if (--this.#underWay > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
