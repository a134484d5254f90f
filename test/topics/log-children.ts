/*
 * Other processes that have a log open: children that run log-child.ts, bundled with the sources, and do as they are told. Not a test file by
 * itself.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { type PartitionStats } from '../../src/topics/partition.ts'
import { type BundledPrograms, bundledPrograms } from '../tools/bundled-program.ts'
import { type Order } from './log-child.ts'

/** What a child tells without being asked. */
export interface Said {
  readonly event: 'ready' | 'acknowledged' | 'record' | 'ended'
  readonly pid: number
  /** When it was said, ms. */
  readonly at: number
  readonly topic?: string
  readonly partition: number
  readonly offset: number
  readonly end: number
  readonly value: string
  readonly leaderEpoch: number
  readonly code?: string
  readonly detail?: Record<string, unknown>
}

interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly failed?: object
}

/** A process that has a log open, or is about to. */
export class LogChild {
  readonly process: ChildProcess
  /** All that it told so far without being asked. */
  readonly said: Said[] = []
  readonly #answers = new Map<number, (answer: Answer) => void>()
  #asked = 0
  #look = (): void => {}

  constructor(child: ChildProcess) {
    this.process = child
    child.on('message', (message: Said | Answer) => {
      if ('id' in message) this.#answers.get(message.id)?.(message)
      else {
        this.said.push(message)
        this.#look()
      }
    })
  }

  get pid(): number {
    return this.process.pid!
  }

  /** Tells it to do something; resolves with what that gave, and rejects with the code and detail that it failed with. */
  tell(verb: string, order: Partial<Order> = {}): Promise<unknown> {
    const id = ++this.#asked
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#answers.set(id, ({ result, failed }) => (failed === undefined ? resolve(result) : reject(failed)))
    })
    this.process.send({ id, verb, ...order })
    return answer
  }

  /** Opens a topic after the log. */
  async open(folder: string, topic: string, { readOnly = false, partitions, settings }: Partial<Order> & { readOnly?: boolean } = {}): Promise<void> {
    await this.tell('open', { folder, options: { readOnly } })
    await this.tell('topic', { topic, ...(partitions !== undefined && { partitions }), ...(settings !== undefined && { settings }) })
  }

  async stats(topic: string, partition: number): Promise<PartitionStats> {
    return (await this.tell('stats', { topic, partition })) as PartitionStats
  }

  /** Resolves once what it told makes `enough` true. */
  until(enough: (said: readonly Said[]) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error(`process ${this.pid} ended before it told what was waited for`))
      this.process.once('exit', gone)
      this.#look = () => {
        if (!enough(this.said)) return
        this.#look = () => {}
        this.process.off('exit', gone)
        resolve()
      }
      this.#look()
    })
  }

  /** The records of a partition that it was handed, in that order. */
  records(partition = 0, topic?: string): Said[] {
    return this.said.filter((said) => said.event === 'record' && said.partition === partition && (topic === undefined || said.topic === topic))
  }

  /** One past the last offset of a partition that it was told to be acknowledged. */
  acknowledged(partition = 0): number {
    return this.said.findLast((said) => said.event === 'acknowledged' && said.partition === partition)?.end ?? 0
  }

  /** Ends it, and waits until all that it said has arrived. */
  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const gone = new Promise((resolve) => this.process.once('close', resolve))
    this.process.kill('SIGKILL')
    await gone
  }
}

/** Programs that open logs, and the children that run them. */
export class LogWorkshop {
  /** The file of log-thread.ts, for a thread. */
  readonly thread: string
  readonly #child: string
  readonly #programs: BundledPrograms
  readonly #children: LogChild[] = []

  private constructor(programs: BundledPrograms) {
    const [child, thread] = programs.paths
    this.#programs = programs
    this.#child = child!
    this.thread = thread!
  }

  static async make(): Promise<LogWorkshop> {
    return new LogWorkshop(await bundledPrograms('./test/topics/log-child.ts', './test/topics/log-thread.ts'))
  }

  /** Starts a child; `around` is a command that runs the one behind it, with fewer rights or resources than ours. */
  async start(around: readonly string[] = []): Promise<LogChild> {
    const [command = process.execPath, ...parameters] = [...around, process.execPath, this.#child]
    const env = { ...process.env, NODE_OPTIONS: '' }
    const child = new LogChild(spawn(command, parameters, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
    this.#children.push(child)
    await child.until((said) => said.length > 0)
    return child
  }

  /** Ends what still runs. */
  async killAll(): Promise<void> {
    await Promise.all(this.#children.splice(0).map((child) => child.kill()))
  }

  async remove(): Promise<void> {
    await this.killAll()
    this.#programs.remove()
  }
}
