/*
 * Faults of the cluster: brokers that go down and come up, leaders and coordinators that move, and records that are lost on the way.
 */
import { checkInteger, checkBoolean, checkOptions } from '../../base/options.ts'
import { LogError } from '../../base/errors.ts'
import { uuidText } from '../../format/uuid.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { type TopicEntry } from '../../topics/catalog.ts'
import { type Cluster } from '../../kafka/cluster.ts'
import { type CoordinatorKind } from '../../kafka/leadership.ts'
import { type KafkaListener } from '../../kafka/listen.ts'
import { checkBroker } from './spec.ts'

/** Where the brokers are. */
export type ListenerOf = () => KafkaListener

/** How a leader moves. */
export interface MoveOptions {
  /** The new leader may lack what the old one acknowledged. Default false. */
  readonly unclean?: boolean
  /** Records that it lacks: the last ones. Whole batches go. */
  readonly lose?: number
}

/** One broker of a test broker. */
export class BrokerFaults {
  readonly nodeId: number
  readonly #listener: ListenerOf

  /** @internal */
  constructor(nodeId: number, listener: ListenerOf) {
    checkBroker(nodeId, nodeIdsOf(listener()))
    this.nodeId = nodeId
    this.#listener = listener
  }

  /** Whether it is up: not since {@link down}, until {@link up}. */
  get isUp(): boolean {
    return !this.#listener().cluster.leadership.isDown(this.nodeId)
  }

  /**
   * It dies: its port refuses, its connections end, and other brokers lead and coordinate what it did, in a new epoch. Brokers that are down are
   * not in metadata.
   */
  async down(): Promise<void> {
    const { cluster } = this.#listener()
    const led = partitionsOf(cluster).filter(({ entry, partition }) => cluster.leader(entry, partition).nodeId === this.nodeId)
    const stopped = this.#listener().stopBroker(this.nodeId)
    for (const { entry, partition } of led) cluster.leadership.moveLeader(uuidText(entry.id), partition, cluster.leader(entry, partition).nodeId)
    await Promise.all([stopped, ...led.map(({ log }) => log.beginEpoch())])
  }

  /** It is there again, on the same port. It leads what somebody moves to it, and what others do not lead. */
  async up(): Promise<void> {
    await this.#listener().startBroker(this.nodeId)
  }

  /** Its connections end; it stays. */
  dropConnections(): void {
    this.#listener().dropConnections('a fault of the test closed it', this.nodeId)
  }
}

/** One partition of a topic of a test broker. */
export class PartitionFaults {
  readonly topic: string
  readonly partition: number
  readonly #listener: ListenerOf

  /** @internal */
  constructor(topic: string, partition: number, listener: ListenerOf) {
    this.topic = topic
    this.partition = partition
    this.#listener = listener
  }

  /** Node id of the broker that leads it. */
  get leader(): number {
    return this.#listener().cluster.leader(this.#entry, this.partition).nodeId
  }

  /**
   * Another broker leads it, in a new epoch. Unclean: it may have lost the last records, as a broker that was behind.
   *
   * @throws RangeError for a broker or partition that there is not, and for a broker that is down
   */
  async moveLeader(nodeId: number, options: MoveOptions = {}): Promise<void> {
    checkOptions(options, ['unclean', 'lose'], 'moveLeader')
    const { unclean = false, lose = 0 } = options
    checkBoolean(unclean, 'unclean')
    checkInteger(lose, 'lose', 0)
    if (lose > 0 && !unclean) throw new TypeError('a leader that was elected cleanly loses nothing: lose needs { unclean: true }')
    const { cluster } = this.#listener()
    checkUp(nodeId, this.#listener())
    const log = this.#log
    cluster.leadership.moveLeader(uuidText(this.#entry.id), this.partition, nodeId)
    const end = Math.max(log.startOffset, log.nextOffset - lose)
    if (lose > 0 && end < log.nextOffset) await log.truncateTo(end)
    else await log.beginEpoch()
  }

  get #entry(): TopicEntry {
    const entry = this.#listener().cluster.topic(this.topic)
    if (entry === undefined) throw new LogError('LOG_NOT_FOUND', `there is no topic "${this.topic}"`, { topic: this.topic })
    checkInteger(this.partition, `the partition of topic "${this.topic}"`, 0, entry.partitions - 1)
    return entry
  }

  get #log(): PartitionLog {
    const { name } = this.#entry
    return this.#listener().cluster.core.openTopics.find(({ entry }) => entry.name === name)!.logs[this.partition]!
  }
}

/** The coordinator of a group, or of the transactions of an id. */
export class CoordinatorFaults {
  /** @internal */
  readonly kind: CoordinatorKind
  /** The group, or the transactional id. */
  readonly key: string
  readonly #listener: ListenerOf

  /** @internal */
  constructor(kind: CoordinatorKind, key: string, listener: ListenerOf) {
    this.kind = kind
    this.key = key
    this.#listener = listener
  }

  /** Node id of the broker that coordinates. */
  get coordinator(): number {
    return this.#listener().cluster.coordinator(this.kind, this.key).nodeId
  }

  /** Another broker coordinates: clients of the old one are told NOT_COORDINATOR. */
  moveCoordinator(nodeId: number): void {
    checkUp(nodeId, this.#listener())
    this.#listener().cluster.leadership.moveCoordinator(this.kind, this.key, nodeId)
  }
}

/** Every group that there is is coordinated by the broker behind the one that does so now. */
export async function rehashCoordinators(listener: KafkaListener): Promise<void> {
  const { cluster } = listener
  const nodeIds = nodeIdsOf(listener)
  for (const { groupId } of (await cluster.groups()).list()) {
    const at = nodeIds.indexOf(cluster.coordinator('group', groupId).nodeId)
    cluster.leadership.moveCoordinator('group', groupId, nodeIds[(at + 1) % nodeIds.length]!)
  }
}

/** Throws a RangeError for a broker that there is not, or that is down: it can lead nothing. */
function checkUp(nodeId: number, listener: KafkaListener): void {
  checkBroker(nodeId, nodeIdsOf(listener))
  if (listener.cluster.leadership.isDown(nodeId)) throw new RangeError(`broker ${nodeId} is down: it can lead and coordinate nothing`)
}

/** The node ids of all brokers, those that are down too. */
export function nodeIdsOf(listener: KafkaListener): number[] {
  return listener.cluster.allBrokers.map(({ nodeId }) => nodeId)
}

interface OpenPlace {
  readonly entry: TopicEntry
  readonly partition: number
  readonly log: PartitionLog
}

function partitionsOf(cluster: Cluster): OpenPlace[] {
  return cluster.core.openTopics.flatMap(({ entry, logs }) => (
    logs.flatMap((log, partition) => (log === undefined ? [] : [{ entry, partition, log }]))
  ))
}
