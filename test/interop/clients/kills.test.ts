/*
 * `commitlog serve` is killed ten times, at moments that a seed draws, and comes back on the same port, while kafkajs and the Java client
 * produce, with idempotence and without, and three groups read. Nothing that was acknowledged is lost, keys keep their order, an idempotent
 * producer's records are there once, and groups go on behind what they committed. `SEED=n` draws the same moments again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { CommitLog, string } from '../../../src/index.ts'
import { durabilities } from '../../../src/log/config.ts'
import { type BundledProgram, bundledProgram } from '../../tools/bundled-program.ts'
import { javaOptions } from '../java.ts'
import { freePorts } from '../probe.ts'
import { javaProgram, jsFolder } from './toolchains.ts'

const KILLS = 10
const PARTITIONS = 3
const LONGEST_LIFE_MS = 2500
/** A life so short ends while the folder is opened. */
const SHORT_LIFE_MS = 400
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

const producers = ['kafkajs-plain', 'kafkajs-idempotent', 'java-plain', 'java-idempotent']
const groups = ['kafkajs-group', 'java-classic', 'java-consumer']

let folder: string
let program: BundledProgram
const children: ChildProcess[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commitlog-kills-'))
  program = await bundledProgram('./src/cli/commitlog.ts')
})

afterAll(async () => {
  for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  program?.remove()
  rmSync(folder, { recursive: true, force: true })
})

test(`a server that is killed ten times loses nothing, and its clients go on (SEED=${SEED})`, async () => {
  const random = seededRandom(SEED)
  const [port] = await freePorts(1)
  const told = new Told()
  const start = (): Served => serve(port!, durabilities[random.int(durabilities.length)]!)
  let served = start()
  await served.listening
  const clients = await startClients(`localhost:${port}`, told)
  await told.progress()
  for (let kill = 0; kill < KILLS; kill++) {
    const short = random.int(4) === 0
    if (!short) await served.listening
    await new Promise((resolve) => { setTimeout(resolve, random.int(short ? SHORT_LIFE_MS : LONGEST_LIFE_MS)) })
    served.process.kill('SIGKILL')
    await once(served.process, 'exit')
    served = start()
  }
  await served.listening
  await told.progress()
  for (const client of clients) client.stdin!.write('stop\n')
  await told.until(() => told.stopped.size === producers.length && told.allRead)
  for (const client of clients) client.stdin!.end()
  expect(await Promise.all(clients.map(exitOf))).toEqual([0, 0])
  served.process.kill('SIGTERM')
  expect([await exitOf(served.process), served.complaints]).toEqual([0, []])

  const stored = await storedRecords()
  expect(told.wrong).toEqual([])
  expect(lostOf(told, stored)).toEqual([])
  expect(outOfOrder(stored)).toEqual([])
  const sum = producers.map((name) => `${stored.filter(({ key }) => key.startsWith(`${name}-`)).length} of ${name}`)
  console.log(`SEED=${SEED}: ${stored.length} records, ${sum.join(', ')}; ${told.reads} read by three groups`)
}, 180_000)

interface Served {
  readonly process: ChildProcess
  /** When clients can connect. Never, of one that is killed before. */
  readonly listening: Promise<void>
  /** Events that nothing of this is a cause for. */
  readonly complaints: readonly string[]
}

function serve(port: number, durability: string): Served {
  const topic = ['--topic', `events:${PARTITIONS}`]
  const parameters = [program.path, 'serve', join(folder, 'log'), '--port', String(port), ...topic, '--durability', durability, '--json']
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } })
  children.push(child)
  const complaints: string[] = []
  const listening = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { type } = JSON.parse(line) as { type: string }
      if (type === 'listening') resolve()
      else if (type !== 'recovery') complaints.push(line)
    })
  })
  return { process: child, listening, complaints }
}

async function startClients(bootstrap: string, told: Told): Promise<ChildProcess[]> {
  const java = [...javaOptions, '-Dlog4j2.level=OFF', '-cp', await javaProgram(inject('jars'), 'Kills')]
  const env = { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1', NODE_OPTIONS: '' }
  return [
    [process.execPath, join(await jsFolder(), 'kills.mjs'), bootstrap],
    ['java', ...java, 'Kills', bootstrap],
  ].map(([command, ...parameters]) => {
    const child = spawn(command!, parameters, { stdio: ['pipe', 'pipe', 'inherit'], env })
    children.push(child)
    createInterface({ input: child.stdout }).on('line', (line) => told.line(line))
    return child
  })
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

/** What the clients said. */
class Told {
  /** Keys with values that were acknowledged; where they are, if their client knows. */
  readonly stored = new Map<string, string | undefined>()
  /** What each partition and offset held for whoever read it. */
  readonly seen = new Map<string, string>()
  readonly stopped = new Set<string>()
  readonly wrong: string[] = []
  reads = 0
  readonly #readers = groups.map((name) => ({ name, read: new Set<string>(), missing: new Set<string>() }))
  readonly #committed = new Map<string, number>()
  #active = new Set<string>()
  #changed: () => void = () => {}

  line(line: string): void {
    const [what, name, ...words] = line.split(' ') as [string, string, ...string[]]
    this.#active.add(name)
    if (what === 'stored') this.#store(words)
    else if (what === 'read') this.#read(name, words)
    else if (what === 'committed') this.#committed.set(`${name} ${words[0]}`, Number(words[1]))
    else if (what === 'stopped') this.stopped.add(name)
    else if (what !== 'uncommitted') this.wrong.push(line)
    this.#changed()
  }

  /** Until every producer and group has done something from now on. */
  async progress(): Promise<void> {
    this.#active = new Set()
    await this.until(() => [...producers, ...groups].every((name) => this.#active.has(name)))
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => { this.#changed = resolve })
  }

  /** Every group has read what was acknowledged. */
  get allRead(): boolean {
    return this.#readers.every(({ missing }) => missing.size === 0)
  }

  #store([key, value, partition, offset]: readonly string[]): void {
    const record = `${key} ${value}`
    this.stored.set(record, partition === undefined ? undefined : `${partition} ${offset}`)
    for (const { read, missing } of this.#readers) if (!read.has(record)) missing.add(record)
  }

  #read(group: string, [partition, offset, key, value]: readonly string[]): void {
    const [at, record] = [`${partition} ${offset}`, `${key} ${value}`]
    this.reads++
    const reader = this.#readers.find(({ name }) => name === group)!
    reader.read.add(record)
    reader.missing.delete(record)
    const before = this.seen.get(at)
    if (before !== undefined && before !== record) this.wrong.push(`${group} read ${record} at ${at}, where ${before} was`)
    this.seen.set(at, record)
    const committed = this.#committed.get(`${group} ${partition}`) ?? 0
    if (Number(offset) < committed) this.wrong.push(`${group} read ${at} again, behind what it committed at ${committed}`)
  }
}

interface Stored {
  readonly at: string
  readonly key: string
  readonly value: string
}

async function storedRecords(): Promise<Stored[]> {
  const log = await CommitLog.open(join(folder, 'log'))
  const topic = await log.topic('events', { key: string, value: string })
  const records = topic.partitions.flatMap((partition) => Array.from(partition.read(), ({ partition: number, offset, key, value }) => {
    return { at: `${number} ${offset}`, key: key!, value: value! }
  }))
  await log.close()
  return records
}

/** Acknowledged records that are not there, or not where they were said to be, and records that somebody read and that are there no more. */
function lostOf({ stored, seen }: Told, records: readonly Stored[]): string[] {
  const places = new Map(records.map(({ at, key, value }) => [at, `${key} ${value}`]))
  const there = new Set(places.values())
  const isLost = ([record, at]: [string, string | undefined]): boolean => (at === undefined ? !there.has(record) : places.get(at) !== record)
  return [
    ...[...stored].filter(isLost).map(([record]) => `stored: ${record}`),
    ...[...seen].filter(([at, record]) => places.get(at) !== record).map(([at, record]) => `read: ${record} at ${at}`),
  ]
}

/** Records that do not follow the one before of their key; what was sent twice may come again, but for idempotent producers. */
function outOfOrder(records: readonly Stored[]): string[] {
  const newest = new Map<string, number>()
  return records.filter(({ key, value }) => {
    const last = newest.get(key) ?? -1
    newest.set(key, Math.max(last, Number(value)))
    return Number(value) > last + 1 || (Number(value) <= last && key.includes('idempotent'))
  }).map(({ at, key, value }) => `${key} ${value} at ${at}`)
}
