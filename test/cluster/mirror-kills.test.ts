/*
 * A mirror whose process is killed with SIGKILL wherever it is, and begun again, until everything is there: each record once.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { listen } from '../../src/kafka/index.ts'
import { string } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type Topic } from '../../src/topics/topic.ts'
import { defineTopic } from '../../src/topics/define-topic.ts'
import { type BundledProgram, bundledProgram } from '../tools/bundled-program.ts'
import { collect, freshFolder } from '../topics/harness.ts'
import type { Errand } from './mirror-child.ts'

const Words = defineTopic('words', { partitions: 2, value: string })
/** Of each way: a process takes a second of a core to begin. */
const KILLS = 3
/** Of these a round has more, however the one before ended: its records alone are two transactions of twelve steps. */
const STEPS = 22
/** Of a mirror that follows: those until the first record goes alone, and records that it brings so. */
const FIRST_STEPS = 8
const FOLLOWED = 60
const SEED = Number(process.env['SEED'] ?? Date.now() % 0x7fff_ffff)

let program: BundledProgram

beforeAll(async () => { program = await bundledProgram('./test/cluster/mirror-child.ts') }, 240_000)
afterAll(() => program?.remove())

/** Runs the process; gives how it ended, with what it said. */
async function mirrors(errand: Errand): Promise<string> {
  const env = { ...process.env, NODE_OPTIONS: '' }
  const child = spawn(process.execPath, [program.path, JSON.stringify(errand)], { stdio: ['ignore', 'ignore', 'pipe'], env })
  let said = ''
  child.stderr.on('data', (text) => { said += String(text) })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return signal ?? `${code} ${said}`
}

/** Values of the topic by partition, and those that the group has not read. */
async function contentsOf(topic: Topic<string, string>): Promise<unknown> {
  const [all, rest] = [await collect(topic.consumer({ until: 'end' })), await collect(topic.consumer({ group: 'readers', until: 'end' }))]
  const inOrder = (records: typeof all): unknown => [0, 1].map((at) => records.filter(({ partition }) => partition === at).map(({ value }) => value))
  return { all: inOrder(all), rest: inOrder(rest) }
}

/** Mirrors in one direction, killed again and again; gives what is on both sides. */
async function killed(direction: 'to a cluster' | 'from a cluster', random: Random): Promise<{ readonly source: unknown; readonly target: unknown }> {
  const folder = freshFolder()
  const inMemory = await CommitLog.memory()
  const kafka = await listen(inMemory, { port: 0 })
  const places = [{ folder }, { brokers: kafka.bootstrap }] as const
  const [from, to] = direction === 'to a cluster' ? places : [places[1], places[0]]
  const source = direction === 'to a cluster' ? await CommitLog.open(folder) : inMemory
  const words = await source.topic(Words)
  const ends: string[] = []
  for (let round = 0; round <= KILLS; round++) {
    await words.send(Array.from({ length: 40 }, (_, index) => ({ key: `k${index % 7}`, value: `v${round * 40 + index}` })))
    await collect(words.consumer({ group: 'readers', until: 'end' }), 15)
    const kill = round < KILLS ? { step: 1 + random.int(STEPS), delayMs: random.int(4) } : undefined
    ends.push(await mirrors({ from, to, kill }))
  }
  expect(ends).toEqual([...Array.from({ length: KILLS }, () => 'SIGKILL'), '0 '])
  const target = direction === 'to a cluster' ? inMemory : await CommitLog.open(folder)
  const found = { source: await contentsOf(words), target: await contentsOf(await target.topic(Words)) }
  await kafka.close()
  await Promise.all([source.close(), target.close()])
  return found
}

test(`a mirror whose process is killed in the middle, again and again, brings every record once, both ways (SEED=${SEED})`, async () => {
  const ways = await Promise.all([killed('to a cluster', seededRandom(SEED)), killed('from a cluster', seededRandom(SEED + 1))])
  for (const { source, target } of ways) expect(target).toEqual(source)
}, 300_000)

test(`a mirror that follows record by record, killed again and again, brings every record once (SEED=${SEED})`, async () => {
  const random = seededRandom(SEED + 2)
  const folder = freshFolder()
  const target = await CommitLog.memory()
  const kafka = await listen(target, { port: 0 })
  const source = await CommitLog.open(folder)
  const words = await source.topic(Words)
  const places = { from: { folder }, to: { brokers: kafka.bootstrap } }
  const isThere = async (count: number): Promise<boolean> => {
    if (!(await target.topics()).some(({ name }) => name === 'words')) return false
    return (await collect((await target.topic(Words)).consumer({ until: 'end' }))).length >= count
  }
  let count = 0
  for (let round = 0; round < KILLS; round++) {
    let isOver = false
    const kill = { step: FIRST_STEPS + random.int(FOLLOWED), delayMs: random.int(3) }
    const ended = mirrors({ ...places, follows: true, kill }).finally(() => { isOver = true })
    while (!isOver) {
      await words.send({ value: `v${count++}`, partition: random.int(8) === 0 ? 1 : 0 })
      while (!isOver && !await isThere(count)) await new Promise(setImmediate)
    }
    expect(await ended).toBe('SIGKILL')
  }
  expect(await mirrors({ ...places, kill: undefined })).toBe('0 ')
  expect(await contentsOf(await target.topic(Words))).toEqual(await contentsOf(words))
  await kafka.close()
  await Promise.all([source.close(), target.close()])
}, 300_000)
