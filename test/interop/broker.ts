/*
 * One Kafka broker, with its controller, on 127.0.0.1, and how it comes to serve folders that it did not write: they take the place of those
 * that it made for topics of the same names, while it is stopped.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LEADER_EPOCH_FILE } from '../../src/format/leader-epoch-checkpoint.ts'
import { parseFileName, partitionFolderName } from '../../src/format/names.ts'
import { PARTITION_METADATA_FILE } from '../../src/format/partition-metadata.ts'
import { type TopicSettings } from '../../src/topics/settings.ts'
import { freePorts, type Probe, type TopicPartition } from './probe.ts'

/** A topic to make, with the settings that say what its files look like. */
export interface BrokerTopic {
  readonly name: string
  readonly partitions: number
  readonly config: TopicSettings
}

/** A broker in the probe's process; it is stopped when the probe is closed, at the latest. */
export class Broker {
  /** Where its partitions lie. */
  readonly data: string
  /** Where clients find it. */
  readonly bootstrap: string
  readonly #probe: Probe
  readonly #properties: string

  private constructor(probe: Probe, folder: string, port: number) {
    this.#probe = probe
    this.bootstrap = `127.0.0.1:${port}`
    this.data = join(folder, 'data')
    this.#properties = join(folder, 'server.properties')
  }

  /**
   * Makes the folder of a broker that has these topics, all empty, and does not run.
   *
   * @param more  lines of its properties; they win
   */
  static async create(probe: Probe, folder: string, topics: readonly BrokerTopic[], more = ''): Promise<Broker> {
    const [port, controllerPort] = await freePorts(2)
    const broker = new Broker(probe, folder, port!)
    mkdirSync(folder, { recursive: true })
    writeFileSync(broker.#properties, `${properties(broker.data, port!, controllerPort!)}${more}\n`)
    await probe.ask('format', { properties: broker.#properties, clusterId: 'Y29tbWl0bG9nLWludGVyb3A' })
    if (topics.length > 0) {
      await broker.start()
      await probe.ask('createTopics', { topics: topics.map(({ name, partitions, config }) => ({ name, partitions, configs: kafkaConfigs(config) })) })
      await broker.stop()
    }
    return broker
  }

  /** Starts it, and waits until it answers. */
  async start(): Promise<void> {
    await this.#probe.ask('start', { properties: this.#properties })
  }

  /** Stops it in good order. */
  async stop(): Promise<void> {
    await this.#probe.ask('stop', {})
  }

  /** Takes away all topics and groups. */
  async clean(): Promise<void> {
    await this.#probe.ask('clean', {})
  }

  /** The folder of one of its partitions. */
  folderOf({ topic, partition }: TopicPartition): string {
    return join(this.data, partitionFolderName(topic, partition))
  }

  /** Puts our partitions in the place of its own, without the files that only we know. Of its own it keeps the topic's id. */
  adopt(partitions: readonly (TopicPartition & { readonly folder: string })[]): void {
    for (const partition of partitions) {
      const target = this.folderOf(partition)
      for (const name of readdirSync(target)) if (name !== PARTITION_METADATA_FILE) rmSync(join(target, name))
      const theirs = readdirSync(partition.folder).filter((name) => parseFileName(name) !== undefined || name === LEADER_EPOCH_FILE)
      for (const name of theirs) copyFileSync(join(partition.folder, name), join(target, name))
    }
  }

  /** Makes the next start one after a crash, with nothing known to be stored: everything is checked and every index made again. */
  forgetCleanShutdown(): void {
    for (const name of ['.kafka_cleanshutdown', 'recovery-point-offset-checkpoint']) rmSync(join(this.data, name), { force: true })
  }

  /** The segments of a partition that it ever checked batch by batch at a start, by base offset. */
  checkedSegments({ topic, partition }: TopicPartition): number[] {
    const line = / LogLoader \[LogLoader partition=(\S+),.*\] Recovering unflushed segment (\d+)\./g
    const checked = [...this.#probe.brokerLog().matchAll(line)]
    return checked.filter(([, name]) => name === partitionFolderName(topic, partition)).map(([, , baseOffset]) => Number(baseOffset))
  }

  /** Warnings and errors of its log that name something in `words`. */
  complaints(words: readonly string[]): string[] {
    const lines = this.#probe.brokerLog().split('\n').filter((line) => / (?:WARN|ERROR|FATAL) /.test(line))
    return lines.filter((line) => words.some((word) => line.includes(word)))
  }
}

function kafkaConfigs(config: TopicSettings): Record<string, string | number> {
  const { indexIntervalBytes, segmentIndexBytes, messageTimestampType, segmentMs } = config
  return {
    ...(indexIntervalBytes !== undefined && { 'index.interval.bytes': indexIntervalBytes }),
    ...(segmentIndexBytes !== undefined && { 'segment.index.bytes': segmentIndexBytes }),
    ...(messageTimestampType !== undefined && { 'message.timestamp.type': messageTimestampType }),
    ...(segmentMs !== undefined && { 'segment.ms': segmentMs }),
  }
}

function properties(data: string, port: number, controllerPort: number): string {
  return `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
log.index.size.max.bytes=65536
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=4194304
auto.create.topics.enable=false
`
}
