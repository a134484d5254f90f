/*
 * Three nodes of a real Kafka on 127.0.0.1, each broker and controller in a process of its own: every topic has three copies, and two of them
 * acknowledge. Nodes are killed and started by whoever wants to see what comes of it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '../../../src/cluster/connect.ts'
import { freePorts, Probe } from '../probe.ts'

const NODES = 3
const CLUSTER_ID = 'Y29tbWl0bG9nLXRocmVlbg'
const JAVA = ['-Xmx400m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dlog4j2.level=WARN']
/** Three of them start on two busy cores. */
const START_MS = 240_000

/** A cluster of three. */
export class KafkaNodes {
  /** Where clients find it: all three. */
  readonly bootstrap: string
  /** Of its brokers, from that of node 1 on. */
  readonly ports: readonly number[]
  /** Nodes that it has, whether they run or not. */
  readonly count = NODES
  readonly #jars: string
  readonly #folder: string
  readonly #running = new Map<number, ChildProcess>()

  private constructor(jars: string, folder: string, ports: readonly number[]) {
    this.#jars = jars
    this.#folder = folder
    this.ports = ports
    this.bootstrap = ports.map((port) => `127.0.0.1:${port}`).join(',')
  }

  /**
   * Makes and starts a cluster in a folder, and waits until it takes topics.
   *
   * @param more  lines of the properties of each
   */
  static async start(jars: string, folder: string, more = ''): Promise<KafkaNodes> {
    const ports = await freePorts(2 * NODES)
    const [brokers, controllers] = [ports.slice(0, NODES), ports.slice(NODES)]
    const nodes = new KafkaNodes(jars, folder, brokers)
    const probe = await Probe.start(jars, folder)
    for (let index = 0; index < NODES; index++) {
      const home = nodes.#homeOf(index + 1)
      mkdirSync(home, { recursive: true })
      const file = join(home, 'server.properties')
      writeFileSync(file, properties({ home, node: index + 1, port: brokers[index]!, controllers }) + more)
      await probe.ask('format', { properties: file, clusterId: CLUSTER_ID })
    }
    await probe.close()
    try {
      for (let node = 1; node <= NODES; node++) nodes.startNode(node)
      await nodes.#answers()
    } catch (error) {
      await nodes.stop()
      throw error
    }
    return nodes
  }

  /** Starts a node that does not run; it serves some seconds later. */
  startNode(node: number): void {
    const home = this.#homeOf(node)
    const log = openSync(join(home, 'log.txt'), 'a')
    const command = [...JAVA, '-cp', join(this.#jars, '*'), 'kafka.Kafka', join(home, 'server.properties')]
    this.#running.set(node, spawn('java', command, { stdio: ['ignore', log, log] }))
  }

  /** Ends a node, as a power cut does, or in good order. */
  async stopNode(node: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#running.get(node)
    this.#running.delete(node)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  /** Ends all of them. Their folders are not used again, so nothing is waited for. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((node) => this.stopNode(node, 'SIGKILL')))
  }

  /** Until all three have joined, and the topics of groups and transactions can be made. */
  async #answers(): Promise<void> {
    const until = AbortSignal.timeout(START_MS)
    for (;;) {
      try {
        const log = await connect({ brokers: this.bootstrap, signal: until })
        const { brokers } = log.stats()
        await log.close()
        if (brokers.length === NODES) return
      } catch (error) {
        until.throwIfAborted()
        if ((error as { retriable?: unknown }).retriable !== true) throw error
      }
    }
  }

  #homeOf(node: number): string {
    return join(this.#folder, `node-${node}`)
  }
}

function properties({ home, node, port, controllers }: {
  readonly home: string
  readonly node: number
  readonly port: number
  readonly controllers: readonly number[]
}): string {
  return `
process.roles=broker,controller
node.id=${node}
controller.quorum.voters=${controllers.map((controller, index) => `${index + 1}@127.0.0.1:${controller}`).join(',')}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllers[node - 1]}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${join(home, 'data')}
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
group.initial.rebalance.delay.ms=0
log.index.size.max.bytes=65536
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=4194304
auto.create.topics.enable=false
`
}
