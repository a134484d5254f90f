/*
 * Hands all events to Emmett's processors: one reading for all of them, from where the one that is furthest behind stands. It waits for events
 * by being told of them, so there is no interval to poll by.
 */
import { type LocalEventStore } from '../events/event-store.ts'
import { type EventShape, type RecordedEvent } from '../events/types.ts'
import { type EmmettConsumer, type EmmettProcessor, type EmmettRecorded } from './types.ts'

/** A consumer as Emmett has it. */
export class MessageFeed implements EmmettConsumer {
  readonly consumerId: string
  readonly processors: readonly EmmettProcessor[]
  readonly #store: LocalEventStore
  readonly #context: Readonly<Record<string, unknown>>
  readonly #recorded: (event: RecordedEvent<EventShape>) => EmmettRecorded
  #stop: AbortController | undefined
  #running: Promise<void> | undefined

  constructor(
    store: LocalEventStore, processors: readonly EmmettProcessor[], consumerId: string, context: Readonly<Record<string, unknown>>,
    recorded: (event: RecordedEvent<EventShape>) => EmmettRecorded,
  ) {
    this.#store = store
    this.processors = processors
    this.consumerId = consumerId
    this.#context = context
    this.#recorded = recorded
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  start(): Promise<void> {
    if (this.processors.length === 0) return Promise.reject(new TypeError('Cannot start consumer without at least a single processor'))
    this.#running ??= this.#run().finally(() => { this.#running = undefined })
    return this.#running
  }

  async stop(): Promise<void> {
    this.#stop?.abort()
    await this.#running?.catch(() => {})
  }

  async close(): Promise<void> {
    await this.stop()
    for (const processor of this.processors) await processor.close(this.#context as never)
  }

  async #run(): Promise<void> {
    const stop = new AbortController()
    this.#stop = stop
    const { signal } = stop
    const starts = await Promise.all(this.processors.map((processor) => processor.start(this.#context as never)))
    const from = Math.min(...starts.map((start) => this.#position(start)))
    const failed = new Map<EmmettProcessor, unknown>()
    try {
      for await (const events of this.#store.all({ from, signal }).batches()) {
        const messages = events.map((event) => this.#recorded(event)) as never[]
        const active = this.processors.filter((processor) => processor.isActive && !failed.has(processor))
        const results = await Promise.allSettled(active.map(async (processor) => processor.handle(messages, this.#context as never)))
        // One that failed is given nothing behind what it failed at: a new start goes on there. The others go on.
        results.forEach((result, index) => { if (result.status === 'rejected') failed.set(active[index]!, result.reason) })
        if (!this.processors.some((processor) => processor.isActive && !failed.has(processor))) break
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
    for (const reason of failed.values()) throw reason as Error
  }

  #position(start: unknown): number {
    if (start === 'END') return this.#store.durablePosition
    const checkpoint = (start as { lastCheckpoint?: bigint | string } | undefined)?.lastCheckpoint
    return checkpoint === undefined || checkpoint === null ? 0 : Number(checkpoint) + 1
  }
}
