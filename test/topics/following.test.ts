/*
 * A read-only log beside a writer, on a simulated disk: whatever the writer does, a consumer of the reader is handed exactly what the log holds,
 * in order, or is told that its place was cut away. With real processes: processes.test.ts.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type FileSystem } from '../../src/files/file-system.ts'
import { type Durability } from '../../src/log/config.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type Consumer } from '../../src/topics/consumer.ts'
import { type Topic } from '../../src/topics/topic.ts'
import { freshDisk } from '../tools/fresh-disk.ts'
import { afterwards, collect, failure } from './harness.ts'

type Step =
  | { readonly do: 'send'; readonly count: number; readonly size: number }
  | { readonly do: 'roll' | 'fence' | 'start' | 'reopen' }
  | { readonly do: 'truncate' | 'read'; readonly part: number }

const part = fc.double({ min: 0, max: 1, noNaN: true })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), count: fc.integer({ min: 1, max: 12 }), size: fc.nat(300) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('read' as const), part }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate' as const), part }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('roll' as const, 'fence' as const, 'start' as const, 'reopen' as const) }) },
)

/** A writer, a reader beside it, and a consumer of the reader that knows what it must be handed. */
class Beside {
  readonly #disk: SimulatedDisk
  readonly #durability: Durability
  #writer!: CommitLog
  #writes!: Topic<string, string>
  #reads!: Topic<string, string>
  #consumer!: Consumer<string, string>
  #loop!: AsyncIterator<{ readonly offset: number; readonly value: string | null }>
  /** What the consumer was handed last. */
  #last: { readonly offset: number; readonly value: string | null } | undefined
  #count = 0

  private constructor(disk: SimulatedDisk, durability: Durability) {
    this.#disk = disk
    this.#durability = durability
  }

  static async open(disk: SimulatedDisk, durability: Durability): Promise<Beside> {
    const beside = new Beside(disk, durability)
    await beside.#openWriter()
    const reader = await CommitLog.open('/data', { files: disk, readOnly: true })
    afterwards(() => reader.close())
    beside.#reads = await reader.topic('t')
    beside.#startConsumer()
    return beside
  }

  async take(step: Step): Promise<void> {
    const partition = this.#writes.partition(0)
    if (step.do === 'send') {
      await this.#writes.send(Array.from({ length: step.count }, () => ({ value: `${this.#count++} ${'x'.repeat(step.size)}` })))
    } else if (step.do === 'roll') await partition.roll()
    else if (step.do === 'truncate') await partition.truncate(Math.floor(step.part * (partition.nextOffset + 1)))
    else if (step.do === 'fence') await this.#fence()
    else if (step.do === 'reopen') await this.#openWriter()
    else if (step.do === 'start') this.#startConsumer()
    await this.#caughtUp()
    if (step.do === 'read') await this.#read(step.part)
  }

  async finish(): Promise<void> {
    await this.#read(1)
    await this.#loop.return!()
    await this.#writer.close()
  }

  async #openWriter(): Promise<void> {
    await this.#writer?.close()
    this.#writer = await CommitLog.open('/data', { files: this.#disk })
    this.#writes = await this.#writer.topic('t', { segmentBytes: 2048, indexIntervalBytes: 200, durability: this.#durability })
  }

  /** What is appended is written and then lost. */
  async #fence(): Promise<void> {
    const partition = this.#writes.partition(0)
    const heal = this.#disk.inject({ verb: 'sync', path: '.log', error: 'EIO' })
    partition.append({ value: `${this.#count++} lost` })
    await failure(() => partition.roll())
    heal()
    await partition.reopen()
  }

  #startConsumer(): void {
    void this.#consumer?.close()
    this.#consumer = this.#reads.consumer()
    this.#loop = this.#consumer[Symbol.asyncIterator]()
    this.#last = undefined
  }

  /** Waits until the reader has seen what the writer published last. */
  async #caughtUp(): Promise<void> {
    for (;;) {
      const [written, read] = [this.#writes.partition(0).stats(), this.#reads.partition(0).stats()]
      if (written.highWatermark === read.highWatermark && written.leaderEpoch === read.leaderEpoch) return
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Reads a part of what is there for the consumer, or learns that what it had is gone. */
  async #read(part: number): Promise<void> {
    const stored = [...this.#writes.partition(0).read()].map(({ offset, value }) => ({ offset, value }))
    const last = this.#last
    if (last !== undefined && !stored.some(({ offset, value }) => offset === last.offset && value === last.value)) {
      expect(await failure(() => this.#loop.next())).toMatchObject({ code: 'LOG_OFFSET_OUT_OF_RANGE' })
      return this.#startConsumer()
    }
    const left = stored.filter(({ offset }) => offset > (last?.offset ?? -1))
    for (const expected of left.slice(0, Math.ceil(part * left.length))) {
      const { offset, value } = (await this.#loop.next()).value as { offset: number; value: string }
      expect({ offset, value }).toEqual(expected)
      this.#last = expected
    }
  }
}

for (const durability of ['sync', 'os'] as const) {
  test(`a reader beside a writer with durability '${durability}' is handed what the log holds, whatever the writer does`, async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), fc.nat(), async (steps, seed) => {
      const beside = await Beside.open(new SimulatedDisk({ seed }), durability)
      for (const one of steps) await beside.take(one)
      await beside.finish()
    }), { numRuns: 40 })
  })
}

test('a segment that was cut away, and begun again at the same offset, is read anew', async () => {
  const disk = freshDisk()
  const writer = await CommitLog.open('/data', { files: disk })
  const reader = await CommitLog.open('/data', { files: disk, readOnly: true })
  afterwards(async () => { for (const log of [reader, writer]) await log.close() })
  const topic = await writer.topic<string, string>('t')
  const send = async (...values: string[]): Promise<void> => { await topic.send(values.map((value) => ({ value }))) }
  await send('a')
  await topic.partition(0).roll()
  await send('b')
  expect(await collect((await reader.topic<string, string>('t')).consumer(), 2)).toHaveLength(2)
  await topic.partition(0).truncate(0)
  await send('c')
  await topic.partition(0).roll()
  await send('d')
  const seen: (string | null)[] = []
  while (seen.at(-1) !== 'd') {
    seen.splice(0, Infinity, ...(await collect((await reader.topic<string, string>('t')).consumer({ until: 'end' }))).map(({ value }) => value))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(seen).toEqual(['c', 'd'])
})

test('after a cut no consumer is handed what was appended since and is not synced, though it knew of a later end', async () => {
  const disk = freshDisk()
  const { files, hold, letGo } = holdingSyncs(disk)
  const log = await CommitLog.open('/data', { files })
  afterwards(() => log.close())
  const topic = await log.topic<string, string>('t')
  for (const value of ['a', 'b', 'c', 'd']) await topic.send({ value })
  const loop = topic.consumer()[Symbol.asyncIterator]()
  expect((await loop.next()).value!.value).toBe('a')
  await topic.partition(0).truncate(2)
  hold()
  const sent = topic.send({ value: 'e' })
  expect((await loop.next()).value!.value).toBe('b')
  let handed: string | null | undefined
  const next = loop.next().then(({ value }) => { handed = value!.value })
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(handed).toBeUndefined()
  letGo()
  await sent
  await next
  expect(handed).toBe('e')
  await loop.return!()
})

/** The disk, with syncs of logs that can be made to wait. */
function holdingSyncs(disk: SimulatedDisk): { files: FileSystem; hold: () => void; letGo: () => void } {
  let letGo = (): void => {}
  let gate = Promise.resolve()
  const openSync: FileSystem['openSync'] = (path, mode) => {
    const handle = disk.openSync(path, mode)
    const sync = handle.sync.bind(handle)
    if (path.endsWith('.log')) handle.sync = () => gate.then(sync)
    return handle
  }
  const files = new Proxy<FileSystem>(disk, {
    get: (target, name) => {
      if (name === 'openSync') return openSync
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { files, hold: () => { gate = new Promise((resolve) => { letGo = resolve }) }, letGo: () => letGo() }
}
