/*
 * Other processes that have a log open: the sources compiled, without a check of types, into a folder of build/, and children that run
 * log-child.ts and do as they are told. Not a test file by itself.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { type PartitionStats } from '../../src/topics/partition.ts'
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

/** Compiled sources, and the children that run them. */
export class LogWorkshop {
  readonly folder: string
  readonly #children: LogChild[] = []

  constructor() {
    // Inside of the project, so that its packages are found.
    mkdirSync(join(root, 'build'), { recursive: true })
    this.folder = mkdtempSync(join(root, 'build', 'processes-'))
    const names = readdirSync(join(root, 'src'), { recursive: true }) as string[]
    const sources = names.filter((path) => /^(?:base|files|format|log|topics)\b.*\.ts$/.test(path)).map((path) => join('src', path))
    for (const path of [...sources, 'test/topics/log-child.ts', 'test/topics/log-thread.ts']) compile(path, this.folder)
  }

  /** The compiled file of a source. */
  path(source: string): string {
    return join(this.folder, source.replace(/\.ts$/, '.js'))
  }

  /** Starts a child; `around` is a command that runs the one behind it, with fewer rights or resources than ours. */
  async start(around: readonly string[] = []): Promise<LogChild> {
    const [command = process.execPath, ...parameters] = [...around, process.execPath, this.path('test/topics/log-child.ts')]
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
    rmSync(this.folder, { recursive: true })
  }
}

const root = fileURLToPath(new URL('../..', import.meta.url))

const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true,
}

function compile(path: string, into: string): void {
  const target = join(into, path.replace(/\.ts$/, '.js'))
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, ts.transpileModule(readFileSync(join(root, path), 'utf8'), { compilerOptions, fileName: path }).outputText)
}
