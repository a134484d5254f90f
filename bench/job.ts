/*
 * What one trial process is told, and what it tells: the line between run.ts, which chooses and compares, and trial.ts with the subjects,
 * which measure. A job is plain data and goes over the command line as JSON.
 */

/** What a subject can be asked to do. */
export type Work =
  | 'append' | 'appendObjects' | 'sync' | 'fill' | 'scan' | 'random' | 'tail' | 'handOver' | 'consume' | 'open' | 'openKilled' | 'memory' | 'start'
  | 'consumeGroup' | 'rebalance' | 'openGroups' | 'compact' | 'transact'
  | 'testStart' | 'testProcess' | 'testFirst' | 'testReset' | 'testFork' | 'testDay' | 'testSuite'
  | 'eventAppend' | 'eventLoad' | 'eventCommand' | 'eventRebuild' | 'eventOpen' | 'eventOpenKilled'
  | 'wireClient' | 'wireReplay' | 'wireLatency' | 'wireStart' | 'wireListen' | 'wireMemory'
  | 'mirrorRecords' | 'mirrorLatency' | 'clusterClient'

/** One piece of work for one subject, in a process of its own. */
export interface Job {
  readonly subject: string
  readonly work: Work
  /** A folder of the subject's own: new for work that writes, filled by the work `fill` for work that reads. */
  readonly folder: string
  /** How many records; for timed work at most. */
  readonly records: number
  /** How many records the work `fill` put into the folder. */
  readonly filled?: number
  /** How many events the work `fill` gives to each stream. */
  readonly perStream?: number
  /** Bytes of a value. */
  readonly bytes: number
  /** Milliseconds of timed work. */
  readonly ms?: number
  /** Milliseconds of the same work before, which do not count. */
  readonly warmUpMs?: number
  /** Appends in flight. */
  readonly inFlight?: number
  /** Variant of the subject or of the work, where there are several. */
  readonly how?: string
  readonly durability?: 'sync' | 'interval' | 'os'
  /** Records to a batch, where the work fixes it. */
  readonly batchRecords?: number
  readonly windowBytes?: number
  readonly segmentBytes?: number
  /** The Kafka client that asks. */
  readonly client?: 'java' | 'kafkajs' | 'platformatic'
  /** The compression that the client uses. Default none. */
  readonly codec?: 'lz4'
  /** Options of Node for a process of ours that the subject starts. */
  readonly nodeOptions?: readonly string[]
  /** Folder of another build of ours to measure instead. */
  readonly build?: string
}

/** Figures by name. */
export type Figures = Readonly<Record<string, number>>

/** A piece of work of a subject. */
export type Task = (job: Job) => Promise<Figures> | Figures

/** What a subject can do. */
export type Subject = { readonly [W in Work]?: Task }

const ALPHABET = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/'
/** How many different values there are: enough to be no constant, few enough to stay in the processor's cache like fresh ones would. */
export const DIFFERENT_VALUES = 1024

/** Values to append in turn: the same for every subject. Text, so that subjects that store only text take them too. */
export function values(bytes: number): Buffer[] {
  const random = numbers(7)
  return Array.from({ length: DIFFERENT_VALUES }, () => {
    const value = Buffer.allocUnsafeSlow(bytes)
    for (let at = 0; at < bytes; at++) value[at] = ALPHABET.charCodeAt(random(64))
    return value
  })
}

/** Objects of about `bytes` bytes as JSON: an order with nested lines. */
export function objects(bytes: number): object[] {
  const random = numbers(11)
  const word = (size: number): string => Array.from({ length: size }, () => ALPHABET[random(52)]).join('')
  return Array.from({ length: DIFFERENT_VALUES }, (_, index) => {
    const order = { id: word(8), customer: word(10), total: random(100_000) / 100, paid: index % 2 === 0, lines: [] as object[] }
    while (JSON.stringify(order).length < bytes - 20) order.lines.push({ sku: word(6), count: random(20) })
    return order
  })
}

/** Numbers below a bound, the same in every process: for offsets and contents, not for secrets. */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * below)
  }
}

/** Records per second of `records` in `ms`. */
export function perSecond(records: number, ms: number): number {
  return (records / ms) * 1000
}

/**
 * Starts to measure and gives what ends it: records per second, and nanoseconds of processor time a record, over all threads, which
 * neighbours disturb less.
 */
export function watch(): (records: number) => { perSecond: number; cpuNs: number } {
  const before = process.cpuUsage()
  const started = performance.now()
  return (records) => {
    const ms = performance.now() - started
    const { user, system } = process.cpuUsage(before)
    return { perSecond: perSecond(records, ms), cpuNs: ((user + system) * 1000) / records }
  }
}
