/*
 * A process that opens logs and does as it is told, one order after the other. Started by log-children.ts, which compiles it for Nodes that
 * run no TypeScript.
 */
import { diskFileSystem } from '../../src/files/disk.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { CommitLog, type LogOptions } from '../../src/topics/commit-log.ts'
import { type TopicSettings } from '../../src/topics/settings.ts'
import { type Topic } from '../../src/topics/topic.ts'

/** What the child is told; `id` comes back with the answer. */
export interface Order {
  readonly id: number
  readonly verb: string
  readonly folder: string
  readonly options?: LogOptions
  readonly topic: string
  readonly partitions?: number
  readonly partition: number
  readonly settings?: TopicSettings
  readonly count: number
  readonly offset: number
  readonly from?: number | 'earliest' | 'latest'
}

let log: CommitLog
const topics = new Map<string, Topic<string, string>>()
const say = (said: object): void => void process.send!({ pid: process.pid, at: performance.timeOrigin + performance.now(), ...said })

const partitionOf = ({ topic, partition }: Order): ReturnType<Topic<string, string>['partition']> => topics.get(topic)!.partition(partition)

// Syncs of the files of one partition wait until they are let go.
let heldPath: string | undefined
let letGo = (): void => {}
let gate = Promise.resolve()

const holding: FileSystem = {
  ...diskFileSystem,
  openSync: (path, mode) => {
    const handle = diskFileSystem.openSync(path, mode)
    const sync = handle.sync.bind(handle)
    handle.sync = async () => {
      if (heldPath !== undefined && path.includes(heldPath)) await gate
      return sync()
    }
    return handle
  },
}

const verbs: Record<string, (order: Order) => unknown> = {
  open: async ({ folder, options }) => { log = await CommitLog.open(folder, options) },
  openHolding: async ({ folder, options }) => { log = await CommitLog.open(folder, { ...options, files: holding }) },
  hold: ({ topic, partition }) => {
    heldPath = `${topic}-${partition}`
    gate = new Promise((resolve) => { letGo = resolve })
  },
  letGo: () => letGo(),
  topic: async ({ topic, partitions, settings }) => {
    const opened = await log.topic<string, string>(topic, { ...(partitions !== undefined && { partitions }), ...settings })
    topics.set(topic, opened)
    return opened.partitionCount
  },
  append: (order) => append(order),
  send: async (order) => {
    const last = Array.from({ length: order.count }, () => append(order)).at(-1)!
    await partitionOf(order).durable(last)
    return last
  },
  /** Goes on until the process ends, and says how far it is acknowledged. */
  write: (order) => void write(order),
  /** Goes on until it is told to stop: 50 keys in turn, and a compaction after each round of them. */
  rewrite: (order) => void (rewriting = rewrite(order)),
  stopRewriting: async () => {
    stopped = true
    await rewriting
  },
  /**
   * All that a partition holds, as offsets and keys, with the end of it before and behind: that moves when a writer compacts meanwhile. Decoded
   * on the way, since records that are kept may be compacted away.
   */
  scan: (order) => {
    const partition = partitionOf(order)
    const end = partition.nextOffset
    const records = Array.from(partition.read(), ({ offset, key }) => [offset, key])
    return { end, records, endBehind: partition.nextOffset }
  },
  follow: ({ topic, from = 'earliest' }) => void follow(topic, from),
  stats: (order) => partitionOf(order).stats(),
  truncate: (order) => partitionOf(order).truncate(order.offset),
  roll: (order) => partitionOf(order).roll(),
  close: () => log.close(),
  block: () => {
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  },
}

process.on('message', async (order: Order) => {
  try {
    say({ id: order.id, result: await verbs[order.verb]!(order) })
  } catch (error) {
    const { name, message, code = name, detail } = error as Error & { code?: string; detail?: object }
    say({ id: order.id, failed: { code, message, detail } })
  }
})
process.on('disconnect', () => process.exit())
say({ event: 'ready' })

/** Whoever reads it can tell where it belongs and who wrote it. */
function append(order: Order): number {
  const partition = partitionOf(order)
  return partition.append({ key: null, value: `${order.partition}/${partition.nextOffset}/${process.pid}` })
}

async function write(order: Order): Promise<void> {
  for (let turn = 0; ; turn++) {
    let last = append(order)
    for (let more = turn % 4; more > 0; more--) last = append(order)
    await partitionOf(order).durable(last)
    say({ event: 'acknowledged', partition: order.partition, end: last + 1 })
  }
}

let rewriting: Promise<void> | undefined
let stopped = false

async function rewrite(order: Order): Promise<void> {
  const partition = partitionOf(order)
  while (!stopped) {
    let last = -1
    for (let count = 0; count < 150; count++) {
      last = partition.append({ key: `k${partition.nextOffset % 50}`, value: `${order.partition}/${partition.nextOffset}/${process.pid}` })
    }
    await partition.durable(last)
    say({ event: 'acknowledged', partition: order.partition, end: last + 1 })
    await partition.compactNow()
  }
}

async function follow(topic: string, from: number | 'earliest' | 'latest'): Promise<void> {
  try {
    for await (const { partition, offset, value, leaderEpoch } of topics.get(topic)!.consumer({ from })) {
      say({ event: 'record', topic, partition, offset, value, leaderEpoch })
    }
  } catch (error) {
    const { code, detail } = error as Error & { code?: string; detail?: object }
    say({ event: 'ended', topic, code, detail })
  }
}
