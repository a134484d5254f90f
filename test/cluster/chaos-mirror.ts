/*
 * A log of this process that grows, and its mirror in the cluster.
 */
import { type ClusterLog, mirror, type MirrorEvent, type Mirroring } from '../../src/cluster/index.ts'
import { CommitLog, defineTopic, isLogError, string, type Topic } from '../../src/index.ts'
import { onceItWorks, type Progress } from './chaos-progress.ts'

/** The topic, on both sides. */
export const MIRRORED_TOPIC = 'chaos-mirrored'
const Mirrored = defineTopic(MIRRORED_TOPIC, { partitions: 3, key: string, value: string })
/** Records that may be ahead of the mirror. */
const LEAD = 200
const AT_ONCE = 5
/** Every so manieth record is a tombstone. */
const TOMBSTONE_EVERY = 9

/** A mirror that runs. */
export class ChaosMirror {
  readonly local: CommitLog
  readonly #cluster: ClusterLog
  readonly #topic: Topic<string, string>
  readonly #progress: Progress
  #mirroring!: Mirroring
  #appended = 0
  /** As far as is known. */
  #mirrored = 0
  #stopping = false
  #growing: Promise<void> = Promise.resolve()

  private constructor(parts: {
    readonly local: CommitLog
    readonly cluster: ClusterLog
    readonly topic: Topic<string, string>
    readonly progress: Progress
  }) {
    this.local = parts.local
    this.#cluster = parts.cluster
    this.#topic = parts.topic
    this.#progress = parts.progress
  }

  /** Begins with an empty log. */
  static async start(cluster: ClusterLog, progress: Progress): Promise<ChaosMirror> {
    const local = await CommitLog.memory()
    const chaos = new ChaosMirror({ local, cluster, progress, topic: await local.topic(Mirrored) })
    await chaos.#begin()
    chaos.#growing = chaos.#grow()
    chaos.#growing.catch((error: unknown) => progress.fail(error))
    return chaos
  }

  /** The mirror ends, and another one goes on. */
  async restart(): Promise<void> {
    const fenced = await this.#mirroring.stop().then(() => false, (error: unknown) => isLogError(error, 'LOG_PRODUCER_FENCED'))
    if (!fenced) await this.#begin()
  }

  /** Waits until everything is mirrored, and ends it. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#progress.look()
    await this.#growing
    await this.#mirroring.caughtUp()
    await this.#mirroring.stop()
  }

  /** It begins when the cluster answers. */
  async #begin(): Promise<void> {
    this.#mirroring = await onceItWorks(() => mirror(this.local, this.#cluster, { topics: [Mirrored], onEvent: (event) => this.#hear(event) }))
    this.#mirroring.done.catch((error: unknown) => this.#progress.fail(error))
  }

  #hear(event: MirrorEvent): void {
    if (event.type !== 'mirrored') return
    this.#mirrored += event.records
    this.#progress.add('mirror')
  }

  async #grow(): Promise<void> {
    for (;;) {
      await this.#room()
      if (this.#stopping) return
      await this.#topic.send(Array.from({ length: AT_ONCE }, () => {
        const number = this.#appended++
        const key = `k${number % 13}`
        return { key, value: number % TOMBSTONE_EVERY === 0 ? null : `${number}`, headers: [['number', `${number}`], ['number', null]] as const }
      }))
    }
  }

  /** Resolves when the mirror is not far behind. */
  async #room(): Promise<void> {
    while (!this.#stopping && this.#appended - this.#mirrored >= LEAD) {
      const before = this.#progress.of('mirror')
      // A commit whose answer was lost may have stored what nobody counted.
      const lag = await this.#mirroring.status().then((status) => status.lag, () => LEAD)
      this.#mirrored = this.#appended - lag
      if (lag >= LEAD) await this.#progress.until(() => this.#stopping || this.#progress.of('mirror') > before, () => 'the mirror stores nothing')
    }
  }
}
