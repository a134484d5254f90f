/*
 * The brokers that are compared, each in a process of its own with nothing in it but what it makes of an empty folder, and what the system says
 * of that process: processor time and memory. Configured as their own documents advise for one node.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Job } from '../job.ts'
import { partOf } from '../subjects/build.ts'
import { kafkaClassPath, kfakeProgram } from './toolchains.ts'
import { WireClient } from './wire-client.ts'

/** Of the processor time in /proc. */
const TICKS_PER_SECOND = 100
/** What kafka-server-start sets. */
const KAFKA_JVM = [
  '-Xmx1G', '-Xms1G', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent', '-XX:MaxInlineLevel=15', '-Djava.awt.headless=true', '-Dlog4j2.level=OFF',
]
const START_MS = 90_000

/** A broker that answers. */
export class BrokerProcess {
  readonly port: number
  /** From the start of the process to its first answer. */
  readonly startMs: number
  readonly #child: ChildProcess
  readonly #profiled: boolean

  private constructor(child: ChildProcess, port: number, startMs: number, profiled: boolean) {
    this.#child = child
    this.#profiled = profiled
    this.port = port
    this.startMs = startMs
  }

  /** Starts the broker that `job.how` names, in `job.folder`. */
  static async start(job: Job): Promise<BrokerProcess> {
    const prepared = await programs[job.how!]!(job)
    const started = performance.now()
    const [command, ...parameters] = prepared.command
    const child = spawn(command!, parameters, { stdio: ['pipe', 'pipe', 'pipe'] })
    try {
      const port = prepared.port ?? (await portTold(child))
      await answers(port, child)
      return new BrokerProcess(child, port, performance.now() - started, job.nodeOptions !== undefined)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
  }

  /** For clients. */
  get bootstrap(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Processor time so far, of all threads, in ns. */
  get cpuNs(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e9
  }

  /** Memory that is resident, in units of 10^6 bytes: now, or the most so far. */
  megabytes(which: 'VmRSS' | 'VmHWM'): number {
    const kilobytes = new RegExp(`${which}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'))![1]
    return (Number(kilobytes) * 1024) / 1e6
  }

  /** Ends it. Its folder is not used again, so nothing is waited for. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    // A profile is written when it ends in good order.
    this.#child.kill(this.#profiled ? 'SIGTERM' : 'SIGKILL')
    await ended
  }
}

interface Program {
  readonly command: readonly string[]
  /** Undefined when it says which. */
  readonly port?: number
}

const programs: Readonly<Record<string, (job: Job) => Program | Promise<Program>>> = {
  commitlog: (job) => {
    const { nodeOptions = [] } = job
    const serve = [fileURLToPath(partOf(job, 'cli/commitlog.js')), 'serve', join(job.folder, 'log'), '--durability', job.durability!]
    return { command: [process.execPath, ...nodeOptions, ...serve, '--port', '0', '--json'] }
  },

  kfake: () => ({ command: [kfakeProgram()] }),

  kafka: async ({ folder }) => {
    const classPath = kafkaClassPath()
    const [port, controllerPort] = [await freePort(), await freePort()]
    const properties = join(folder, 'server.properties')
    mkdirSync(folder, { recursive: true })
    writeFileSync(properties, kafkaProperties(join(folder, 'data'), port, controllerPort))
    const java = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dlog4j2.level=OFF', '-cp', classPath]
    execFileSync('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', 'Y29tbWl0bG9nLWJlbmNobQ', '-c', properties], { stdio: 'ignore' })
    return { command: ['java', ...KAFKA_JVM, '-cp', classPath, 'kafka.Kafka', properties], port }
  },
}

/** One node; what is not said is Kafka's default. */
function kafkaProperties(data: string, port: number, controllerPort: number): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
`
}

/** The port in the first line that a broker prints. */
function portTold(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = ''
    let errors = ''
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text
      const port = /^.*?:(\d{2,5})\b.*\n/.exec(output)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => { errors += text })
    child.on('error', reject)
    child.on('close', (code) => reject(new Error(`the broker ended with ${code}: ${errors.trim().split('\n')[0]}`)))
  })
}

/** Waits until a request is answered. */
async function answers(port: number, child: ChildProcess): Promise<void> {
  child.stdout!.resume()
  child.stderr!.resume()
  for (const end = performance.now() + START_MS; performance.now() < end && child.exitCode === null; ) {
    try {
      const client = await WireClient.connect(port)
      await client.apiVersions()
      client.close()
      return
    } catch {
      await new Promise((resolve) => { setTimeout(resolve, 10) })
    }
  }
  throw new Error('the broker does not answer')
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
