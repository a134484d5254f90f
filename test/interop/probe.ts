/*
 * The other end of Probe.java: one Java process in which Kafka's own classes run, from the dump tool to a whole broker. It is killed when it
 * is closed, and ends by itself when this process does, since its input ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemRandom } from '../../src/base/random.ts'
import { javaClassPath } from './java.ts'

const LOWEST_PORT = 12_000
const PORTS = 20_000

/** One partition of a topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A record as Kafka's consumer gave it; bytes are base64. */
export interface ConsumedRecord extends TopicPartition {
  readonly offset: number
  readonly timestamp: number
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
  readonly leaderEpoch: number
}

/** What Kafka found at a time; offset −1 when it found nothing. */
export interface FoundOffset {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

/** What Kafka remembers of a producer; −1 for what it does not know. */
export interface DescribedProducer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  readonly transactionStart: number
}

/** What a tool printed. */
export interface Printed {
  readonly stdout: string
  readonly stderr: string
  /** The exception that ended it, if one did. */
  readonly thrown?: string
}

/** A message as Kafka's classes read it. Bytes are base64. */
export interface ReadMessage {
  /** Bytes that were not read. */
  readonly left: number
  readonly json: unknown
  /** Written again. */
  readonly bytes: string
  /** What kept it from being read. */
  readonly error?: string
}

interface Commands {
  messages: [{ messages: readonly { name: string; version: number; bytes: string }[] }, ReadMessage[]]
  murmur2: [{ keys: readonly string[]; partitionCounts: readonly number[] }, { key: string; hash: number; partitions: number[] }[]]
  dump: [{ arguments: readonly string[] }, Printed]
  format: [{ properties: string; clusterId: string }, null]
  start: [{ properties: string }, null]
  stop: [object, null]
  createTopics: [{ topics: readonly { name: string; partitions: number; configs: Readonly<Record<string, string | number>> }[] }, null]
  clean: [object, null]
  consume: [{ isolation: string; partitions: readonly TopicPartition[] }, ConsumedRecord[]]
  listOffsets: [{ queries: readonly (TopicPartition & { at: number | 'earliest' | 'latest' | 'max'; committed: boolean })[] }, FoundOffset[]]
  describeProducers: [TopicPartition, DescribedProducer[]]
  produce: [{ partitions: readonly TopicPartition[]; key: string; value: string }, { offset: number; timestamp: number }[]]
}

interface Waiting {
  resolve(result: never): void
  reject(error: Error): void
}

/** A running Probe.java. */
export class Probe {
  /** Where the broker's log goes. */
  readonly logFile: string
  readonly #java: ChildProcess
  readonly #waiting: Waiting[] = []
  #printed = ''
  #ended: Error | undefined

  private constructor(classPath: string, folder: string) {
    this.logFile = join(folder, 'broker.log')
    this.#java = spawn('java', [
      '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1',
      `-Dlog4j2.configurationFile=${here('log4j2.properties')}`, `-Dinterop.log=${this.logFile}`, '-cp', classPath, 'Probe',
    ], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#java.stderr!.on('data', (text) => { this.#printed += text })
    this.#java.stdin!.on('error', () => {})
    this.#java.on('error', (error) => this.#end(error))
    this.#java.on('exit', (code, signal) => {
      this.#end(new Error(`the probe ended with ${code ?? signal}\n${this.#printed}\n${this.brokerLog().slice(-4000)}`))
    })
    // Not by node:readline: it ends lines also at U+2028, which JSON may have in its texts.
    let rest = ''
    this.#java.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) this.#answer(line)
    })
  }

  /** @param folder  for the broker's log */
  static async start(jars: string, folder: string): Promise<Probe> {
    return new Probe(await javaClassPath(jars, here('Probe.java')), folder)
  }

  /** Has Kafka do something, after what was asked before. */
  ask<C extends keyof Commands>(command: C, request: Commands[C][0]): Promise<Commands[C][1]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      this.#waiting.push({ resolve, reject })
      this.#java.stdin!.write(`${JSON.stringify({ command, ...request })}\n`)
    })
  }

  /** What the broker logged so far. */
  brokerLog(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }

  /** Kills the process, and the broker in it. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return
    const exited = new Promise((resolve) => this.#java.once('exit', resolve))
    this.#java.kill('SIGKILL')
    await exited
  }

  #answer(line: string): void {
    const { resolve, reject } = this.#waiting.shift()!
    const { result, error } = JSON.parse(line) as { result: never; error?: string }
    if (error === undefined) resolve(result)
    else reject(new Error(error))
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended)
  }
}

/** Ports of 127.0.0.1 that nobody listens on at the moment, from below those that systems give to whoever names none: so they stay free. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = LOWEST_PORT + systemRandom.int(PORTS)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function here(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
