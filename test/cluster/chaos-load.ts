/*
 * What a cluster has to carry while somebody breaks it: senders that wait for none of their sends, one of which is in a hurry; a pipeline whose
 * output and progress are transactions; groups that commit; and a mirror of a log of this process. The same for a real Kafka and for our listener.
 */
import { type ClusterLog, connect, type ConnectOptions } from '../../src/cluster/index.ts'
import { defineTopic, string, type TopicDefinition } from '../../src/index.ts'
import { type PortableLog } from '../../src/topics/contract.ts'
import { type Held, type StoredRecord, type Told } from './chaos-checks.ts'
import { ChaosGroups, HANDLER_GROUP, LOOP_GROUP } from './chaos-groups.ts'
import { ChaosMirror, MIRRORED_TOPIC } from './chaos-mirror.ts'
import { ChaosPipeline } from './chaos-pipeline.ts'
import { onceItWorks, Progress } from './chaos-progress.ts'
import { ChaosSender } from './chaos-sender.ts'

/** The topics, by what of them is held. */
export const chaosTopics: Readonly<Record<keyof Held, string>> = {
  sent: 'chaos-sent', piped: 'chaos-piped', dead: `chaos-sent.${HANDLER_GROUP}.dlq`, mirrored: MIRRORED_TOPIC,
}
/** The parts that have to get on whatever happens. */
export const chaosParts = ['steady', 'hasty', 'pipeline', LOOP_GROUP, HANDLER_GROUP, 'mirror'] as const

const PARTITIONS = 4
/** Records that senders may be ahead of those who read. */
const LEAD = 400

/** A load that runs. */
export class ChaosLoad {
  readonly log: ClusterLog
  readonly progress: Progress
  readonly #hasty: ClusterLog
  readonly #senders: ChaosSender[] = []
  #pipeline!: ChaosPipeline
  #groups!: ChaosGroups
  #mirror!: ChaosMirror

  private constructor(log: ClusterLog, hasty: ClusterLog, patienceMs: number) {
    this.log = log
    this.#hasty = hasty
    this.progress = new Progress(patienceMs)
  }

  /**
   * Makes the topics and begins.
   *
   * @param options.hastyMs  after so long the sender that is in a hurry gives up what is not acknowledged
   * @param options.patienceMs  a part that gets nothing done for so long has stopped
   */
  static async start(
    { hastyMs, patienceMs, ...options }: ConnectOptions & { readonly hastyMs: number; readonly patienceMs: number },
  ): Promise<ChaosLoad> {
    const hasty = await onceItWorks(() => connect({ ...options, timeoutMs: hastyMs }))
    const load = new ChaosLoad(await connect(options), hasty, patienceMs)
    await load.#begin()
    return load
  }

  /** Resolves when every part has got on by `count`. */
  async getsOn(count: number): Promise<void> {
    await this.progress.more(chaosParts, count)
  }

  /** Resolves when the sender that is in a hurry has given up something, or may send nothing more before others get on. */
  async feelsOutage(): Promise<void> {
    const before = this.progress.of('hasty')
    await this.progress.until(() => this.progress.of('hasty') > before || this.#ahead >= LEAD, () => 'the sender that is in a hurry is patient')
  }

  /** What puts parts of the load themselves out of order; each is given a number of its choice. */
  get disturbances(): readonly ((member: number) => Promise<void>)[] {
    return [async () => this.#pipeline.crash(), (member) => this.#groups.replace(member), () => this.#mirror.restart()]
  }

  /** Sends no more, waits until everything that was sent is worked off, and tells what was told. */
  async stop(): Promise<Told> {
    await Promise.all(this.#senders.map((sender) => sender.stop()))
    const sent = await this.log.topic(defineTopic(chaosTopics.sent), { create: false })
    const ends = (await sent.offsets()).map(({ highWatermark }) => highWatermark)
    await Promise.all([this.#pipeline.stop(ends), this.#groups.stop(ends), this.#mirror.stop()])
    return {
      sent: this.#senders.map((sender) => sender.sent), given: this.#groups.given, source: await readAll(this.#mirror.local, MIRRORED_TOPIC),
    }
  }

  /** What happened, in a line. */
  toString(): string {
    const told = ['stored', 'refused', 'unknown'] as const
    const sends = told.map((word) => `${this.#senders.flatMap(({ sent }) => sent.filter((record) => record.told === word)).length} ${word}`)
    const failures = [...this.#pipeline.failures].map(([code, count]) => `${count} ${code}`)
    const parts = chaosParts.map((part) => `${this.progress.of(part)} ${part}`)
    return `${parts.join(', ')}; sends: ${sends.join(', ')}; the pipeline began again after ${failures.join(', ') || 'nothing'}`
  }

  /** What it leaves, whatever it has come to. */
  async close(): Promise<void> {
    await Promise.all([this.log.close(), this.#hasty.close()])
    await this.#mirror?.local.close()
  }

  async #begin(): Promise<void> {
    const definition = (name: string): TopicDefinition<string, string> => defineTopic(name, { partitions: PARTITIONS, key: string, value: string })
    const { log, progress } = this
    const sent = await log.topic(definition(chaosTopics.sent))
    const piped = await log.topic(definition(chaosTopics.piped))
    this.#mirror = await ChaosMirror.start(log, progress)
    this.#pipeline = await ChaosPipeline.start({ log, from: sent, to: piped, progress })
    this.#groups = new ChaosGroups(sent, progress)
    const hasty = await onceItWorks(() => this.#hasty.topic(definition(chaosTopics.sent)))
    for (const [name, topic] of [['steady', sent], ['hasty', hasty]] as const) {
      this.#senders.push(new ChaosSender(name, { topic, progress, gate: () => this.#gate() }))
    }
  }

  /** Senders do not run away from those who read. */
  async #gate(): Promise<void> {
    await this.progress.until(() => this.#ahead < LEAD, () => `those who read are ${this.#ahead} behind`)
  }

  /** Records by which who sends is before who reads. */
  get #ahead(): number {
    const sent = this.#senders.reduce((sum, { stored }) => sum + stored, 0)
    return sent - Math.min(...['pipeline', LOOP_GROUP, HANDLER_GROUP].map((part) => this.progress.of(part)))
  }
}

/** All committed records of the topics, by our own consumer. */
export async function heldBy(log: PortableLog): Promise<Held> {
  const [sent, piped, dead, mirrored] = await Promise.all(
    [chaosTopics.sent, chaosTopics.piped, chaosTopics.dead, chaosTopics.mirrored].map((name) => readAll(log, name)),
  )
  return { sent: sent!, piped: piped!, dead: dead!, mirrored: mirrored! }
}

async function readAll(log: PortableLog, name: string): Promise<StoredRecord[]> {
  const topic = await log.topic(defineTopic(name, { key: string, value: string }), { create: false })
  const records: StoredRecord[] = []
  for await (const { partition, offset, timestamp, key, value, headers } of topic.consumer({ until: 'end' })) {
    const texts = headers.map(([header, bytes]) => `${header}=${bytes === null ? 'null' : Buffer.from(bytes).toString()}`)
    records.push({ partition, offset, timestamp, key, value, headers: texts })
  }
  return records
}
