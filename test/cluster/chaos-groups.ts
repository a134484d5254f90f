/*
 * Two groups that read a topic: one by loops that commit what is done, one by handlers of which some fail, so that records are put aside. Both
 * note what they were given.
 */
import { isLogError } from '../../src/index.ts'
import { type PortableConsumption, type PortableGroupConsumer, type PortableRecord, type PortableTopic } from '../../src/topics/contract.ts'
import { type Progress } from './chaos-progress.ts'

/** The groups. */
export const LOOP_GROUP = 'chaos-loops'
export const HANDLER_GROUP = 'chaos-handlers'

const MEMBERS = 2
/** Who was not heard of for a session learns of it by his next commit, and begins again. */
const putOut: readonly string[] = ['LOG_MEMBER_UNKNOWN', 'LOG_GENERATION_STALE']

/** Whether handlers fail with a record, every time. */
export function isPoison(value: string): boolean {
  return Number(value.split(':')[1]) % 50 === 7
}

/** Groups that read. */
export class ChaosGroups {
  /** Places that each group was given, as `<partition>:<offset>`. */
  readonly given = { [LOOP_GROUP]: new Set<string>(), [HANDLER_GROUP]: new Set<string>() }
  readonly #topic: PortableTopic<string, string>
  readonly #progress: Progress
  readonly #loops: (PortableGroupConsumer<string, string, number> | undefined)[] = []
  readonly #handlers: PortableConsumption[] = []
  readonly #ended: Promise<void>[] = []
  #stopping = false

  constructor(topic: PortableTopic<string, string>, progress: Progress) {
    this.#topic = topic
    this.#progress = progress
    for (let member = 0; member < MEMBERS; member++) {
      this.#watch(this.#loop(member))
      this.#handle(member)
    }
  }

  /** One member of each group leaves, and another one comes. */
  async replace(member: number): Promise<void> {
    await Promise.all([this.#loops[member]?.close(), this.#handlers[member]!.stop()])
    this.#handle(member)
  }

  /** Waits until both were given all that there is, and ends them. */
  async stop(ends: readonly number[]): Promise<void> {
    const all = ends.reduce((sum, end) => sum + end, 0)
    const missing = () => Object.entries(this.given).flatMap(([group, { size }]) => (size < all ? [`${group} has ${size} of ${all}`] : []))
    await this.#progress.until(() => missing().length === 0, () => missing().join(', '))
    this.#stopping = true
    await Promise.all([...this.#loops.map((loop) => loop?.close()), ...this.#handlers.map((handler) => handler.stop())])
    await Promise.all(this.#ended)
  }

  async #loop(member: number): Promise<void> {
    while (!this.#stopping) {
      const consumer = this.#topic.consumer({ group: LOOP_GROUP })
      this.#loops[member] = consumer
      try {
        for await (const record of consumer) this.#note(LOOP_GROUP, record)
      } catch (error) {
        if (!isLogError(error) || !(error.retriable || putOut.includes(error.code))) throw error
      } finally {
        await consumer.close()
      }
    }
  }

  #handle(member: number): void {
    const consumption = this.#topic.consume({ group: HANDLER_GROUP, order: 'key', retry: { attempts: 2, delay: 1 } }, (record) => {
      this.#note(HANDLER_GROUP, record)
      if (isPoison(record.value!)) throw new Error('as always')
    })
    this.#handlers[member] = consumption
    this.#watch(consumption.done.catch((error: unknown) => {
      // The answer to a commit with dead letters was lost: who comes next finds out.
      if (!isLogError(error, 'LOG_COMMIT_UNKNOWN') && !(isLogError(error) && error.retriable)) throw error
      if (!this.#stopping) this.#handle(member)
    }))
  }

  #note(group: keyof ChaosGroups['given'], { partition, offset }: PortableRecord<string, string>): void {
    this.given[group].add(`${partition}:${offset}`)
    this.#progress.add(group)
  }

  #watch(ended: Promise<void>): void {
    ended.catch((error: unknown) => this.#progress.fail(error))
    this.#ended.push(ended)
  }
}
