/*
 * One life of a log with groups: consumers that join, read, commit, move partitions to each other and leave in every way; consumptions that
 * finish records in any order, give up poison and are stopped with records in hand; clients that commit by messages, from the generation that
 * is or one that was; commits within transactions. A crash comes at random calls to the disk, and what it left is opened and read to the end.
 *
 * What must hold (design.md 14): nothing is handed out before all in front of it is done, nothing that was acknowledged as done comes again,
 * no record is in two hands, poison dies once, and an offset counts exactly when its commit was accepted and its transaction committed.
 */
import { isLogError } from '../../src/base/errors.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { type DiskCall } from '../../src/testing/disk-faults.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { string } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type Consumption } from '../../src/topics/consume/consume.ts'
import { type Delivery } from '../../src/topics/consume/delivery.ts'
import { type ConsumeOptions } from '../../src/topics/consume/options.ts'
import { type GroupConsumer } from '../../src/topics/groups/group-consumer.ts'
import { type GroupCoordinator } from '../../src/topics/groups/coordinator.ts'
import { type Topic } from '../../src/topics/topic.ts'

const QUIET: readonly string[] = ['stat', 'list', 'read', 'readAsync', 'size', 'free', 'lock', 'lockHolder']
const PARTITIONS = 3
const STEPS = 30
/** Of the calls to the disk that change something, one in so many is a crash. */
const CRASH_EVERY = 60
const MOST_TURNS = 6000
const TURNS_PER_TICK = 10

/** An offset that is committed, and those of which it is not known. */
interface Offset {
  acknowledged: number
  asked: number[]
}

/** What is known of the groups. */
interface Model {
  /** Of the consumers: offsets below are done, by somebody. */
  readonly done: number[]
  /** Offsets below are committed, as somebody was told. */
  readonly committed: number[]
  /** Of the consumptions: places that some handler finished, and those that are committed as finished. */
  readonly finished: Set<string>
  readonly sure: Set<string>
  /** Of a client that speaks in messages, and of transactions. */
  readonly client: Offset
  readonly together: Offset
}

interface Left {
  readonly disk: SimulatedDisk
  readonly model: Model
  readonly what: string
}

interface Running {
  readonly consumption: Consumption<string, string>
  readonly finished: string[]
}

type Texts = Topic<string, string>
type Consumer = GroupConsumer<string, string, number>

/** Lives one life; throws when a promise is broken. */
export async function simulate(seed: number): Promise<void> {
  try {
    const life = new Life(seed)
    await life.live()
    for (const left of life.left) await checkLeft(left)
  } catch (error) {
    throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

class Life {
  readonly left: Left[] = []
  readonly #random: Random
  readonly #disk: SimulatedDisk
  readonly #clock = new ManualClock()
  /** Without poison what is stopped at once has committed all that it finished: nothing of it is on its way elsewhere. */
  readonly #poison: boolean
  readonly #handling: ConsumeOptions
  readonly #model: Model = {
    done: zeros(), committed: zeros(), finished: new Set(), sure: new Set(),
    client: { acknowledged: -1, asked: [] }, together: { acknowledged: -1, asked: [] },
  }
  readonly #readers = new Map<Consumer, Promise<void>>()
  readonly #running: Running[] = []
  readonly #inHand = new Map<string, Delivery<string, string>>()
  #stuck: (() => void)[] = []
  #topic!: Texts
  #groups!: GroupCoordinator
  #memberId = ''
  #generation = -1
  #values = 0
  #problem: Error | undefined

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.#poison = this.#random.int(2) === 0
    const order = (['key', 'none', 'partition'] as const)[this.#random.int(3)]!
    this.#handling = handlingOptions(order)
    this.#disk = new SimulatedDisk({ seed, onCall: (call, disk) => { if (disk === this.#disk) this.#maybeCrash(call) } })
  }

  async live(): Promise<void> {
    const { log, topic } = await this.#ended(open(this.#disk, this.#clock))
    this.#topic = topic
    this.#groups = await this.#ended(topic.parts.log.groups())
    for (let step = 0; step < STEPS; step++) {
      await this.#step(log)
      if (this.#problem !== undefined) throw this.#problem
    }
    while (this.#running.length > 0) await this.#stop()
    for (const consumer of this.#readers.keys()) await this.#ended(consumer.close())
    await this.#ended(Promise.all(this.#readers.values()))
    await this.#ended(log.close())
    if (this.#problem !== undefined) throw this.#problem
    this.left.push({ disk: this.#disk.fork(seed32(this.#random)), model: copy(this.#model), what: 'closed' })
  }

  async #step(log: CommitLog): Promise<void> {
    const drawn = this.#random.int(100)
    if (drawn < 22) await this.#send()
    else if (drawn < 37) this.#read()
    else if (drawn < 43) await this.#closeReader()
    else if (drawn < 57) this.#consume()
    else if (drawn < 67) await this.#stop()
    else if (drawn < 72) for (const release of this.#stuck.splice(0)) release()
    else if (drawn < 80) await this.#clientStep()
    else if (drawn < 87) await this.#together(log)
    else await this.#pass()
  }

  async #send(): Promise<void> {
    const records = Array.from({ length: 1 + this.#random.int(12) }, () => {
      const poison = this.#poison && this.#random.int(8) === 0 ? '-' : ''
      return { key: `k${this.#random.int(6)}`, value: `${poison}${++this.#values}`, partition: this.#random.int(PARTITIONS) }
    })
    await this.#ended(this.#topic.send(records))
  }

  async #pass(): Promise<void> {
    await this.#clock.advance(this.#random.int(60))
    for (let turn = this.#random.int(20); turn > 0; turn--) await nextTurn()
  }

  // Consumers

  #read(): void {
    if (this.#readers.size >= 3) return
    const consumer: Consumer = this.#topic.consumer({ group: 'read', autoCommitIntervalMs: 20, assignors: ['cooperative-sticky', 'range'] })
    const how = { records: this.#random.int(15), exit: (['break', 'throw', 'commit', 'close'] as const)[this.#random.int(4)]! }
    const reading = this.#readSome(consumer, how).catch((error: unknown) => this.#fail(error)).finally(() => this.#readers.delete(consumer))
    this.#readers.set(consumer, reading)
  }

  async #readSome(consumer: Consumer, { records, exit }: { readonly records: number; readonly exit: string }): Promise<void> {
    const { done, committed } = this.#model
    let left = records
    try {
      for await (const { partition, offset } of consumer) {
        const skipped = offset > done[partition]! ? [...this.#topic.partition(partition).read({ from: done[partition]!, to: offset })].length : 0
        check(skipped === 0, () => `${partition}@${offset} comes, and only what is below ${done[partition]} is done`)
        check(offset >= committed[partition]!, () => `${partition}@${offset} comes again: ${committed[partition]} are committed`)
        for (let turn = this.#random.int(4); turn > 0; turn--) await nextTurn()
        if (left-- <= 0) {
          if (exit === 'break') break
          if (exit === 'throw') throw new Enough()
          if (exit === 'close') await consumer.close()
          if (exit === 'close') continue
          // Whoever commits it says that it is done.
          done[partition] = Math.max(done[partition]!, offset + 1)
          const stored = await consumer.commit([{ partition, offset: offset + 1 }]).then(() => true, allowed)
          if (stored) committed[partition] = Math.max(committed[partition]!, offset + 1)
          left = Infinity
        }
        done[partition] = Math.max(done[partition]!, offset + 1)       // the next thing is to ask for the next
      }
    } catch (error) {
      if (!(error instanceof Enough)) throw error
    }
  }

  async #closeReader(): Promise<void> {
    const consumer = pick(this.#random, [...this.#readers.keys()])
    if (consumer !== undefined) await this.#ended(consumer.close())
  }

  // Consumptions

  #consume(): void {
    if (this.#running.length >= 3) return
    const finished: string[] = []
    const consumption = this.#topic.consume(this.#handling, async (record) => {
      await this.#handle(record)
      if (!record.signal.aborted) finished.push(placeOf(record))
    })
    consumption.done.catch((error: unknown) => this.#fail(error))
    this.#running.push({ consumption, finished })
  }

  async #handle(record: Delivery<string, string>): Promise<void> {
    const place = placeOf(record)
    const other = this.#inHand.get(place)
    if (other !== undefined && !other.signal.aborted) this.#fail(new Error(`${place} is in two hands`))
    if (this.#model.sure.has(place)) this.#fail(new Error(`${place} comes again, and was committed as finished`))
    this.#inHand.set(place, record)
    try {
      for (let turn = this.#random.int(6); turn > 0; turn--) await nextTurn()
      if (record.value!.startsWith('-')) throw new Error('poison')
      if (!this.#poison && this.#random.int(20) === 0) await new Promise<void>((resolve) => { this.#stuck.push(resolve) })
      if (!record.signal.aborted) this.#model.finished.add(place)
    } finally {
      if (this.#inHand.get(place) === record) this.#inHand.delete(place)
    }
  }

  async #stop(): Promise<void> {
    const [running] = this.#running.splice(this.#random.int(Math.max(1, this.#running.length)), 1)
    if (running === undefined) return
    const others = this.#running.length > 0 && this.#random.int(3) === 0 ? this.#running.splice(0, 1) : []
    const deadlineMs = this.#poison ? 5000 : this.#random.int(2) * 300
    await Promise.all([running, ...others].map(async (one) => {
      await this.#ended(one.consumption.stop({ deadlineMs }))
      for (const place of one.finished) this.#model.sure.add(place)
    }))
  }

  // Messages

  async #clientStep(): Promise<void> {
    if (this.#memberId === '' || this.#random.int(4) === 0) return this.#joinAgain()
    const stale = this.#random.int(3) === 0
    const generation = stale ? this.#generation - 1 : this.#generation
    const offset = this.#model.client.acknowledged + 1 + this.#random.int(3) + (stale ? 1000 : 0)
    if (!stale) this.#model.client.asked.push(offset)
    const offsets = [{ topic: 't', partition: 0, offset, leaderEpoch: -1 }]
    const [result] = await this.#ended(this.#groups.commitOffsets({ groupId: 'client', memberId: this.#memberId, generation, offsets }))
    check(result!.error === (stale ? 'ILLEGAL_GENERATION' : 'NONE'), () => `a commit of generation ${generation} gets ${result!.error}`)
    if (!stale) Object.assign(this.#model.client, { acknowledged: offset, asked: [] })
  }

  async #joinAgain(): Promise<void> {
    const joined = await this.#ended(this.#groups.join({
      groupId: 'client', memberId: this.#memberId, clientId: 'c', clientHost: 'far', sessionTimeoutMs: 1e9, rebalanceTimeoutMs: 1e9,
      protocolType: 'consumer', protocols: [{ name: 'range', metadata: Buffer.from([0, this.#random.int(200)]) }],
    }))
    check(joined.error === 'NONE', () => `a client that joins gets ${joined.error}`)
    this.#memberId = joined.memberId
    this.#generation = joined.generation
    const { error } = await this.#ended(this.#groups.sync({
      groupId: 'client', memberId: joined.memberId, generation: joined.generation, assignments: [],
      protocolType: joined.protocolType, protocolName: joined.protocolName,
    }))
    check(error === 'NONE', () => `a client that asks for its assignment gets ${error}`)
  }

  // Transactions

  async #together(log: CommitLog): Promise<void> {
    const { together } = this.#model
    const transaction = await this.#ended(log.beginTransaction({ timeoutMs: Infinity }))
    const commits = this.#random.int(2) === 0
    const offset = together.acknowledged + 1
    if (this.#random.int(2) === 0) void transaction.send(this.#topic, { key: 'tx', value: `${++this.#values}`, partition: 0 })
    await this.#ended(transaction.commitOffsets('together', [{ topic: 't', partition: 0, offset }]))
    if (commits) {
      together.asked.push(offset)
      await this.#ended(transaction.commit())
      Object.assign(together, { acknowledged: offset, asked: [] })
    } else {
      await this.#ended(transaction.abort())
    }
    const seen = committedFor(this.#groups, 'together') ?? -1
    check(seen === together.acknowledged, () => `${together.acknowledged} was committed in a transaction, and the group is at ${seen}`)
  }

  #maybeCrash(call: DiskCall): void {
    if (QUIET.includes(call.verb) || this.#random.int(CRASH_EVERY) > 0) return
    const power = this.#random.int(2) === 0
    const what = `${power ? 'power cut' : 'killed'} at a call (${call.verb} ${call.path})`
    this.left.push({ disk: this.#disk.fork(seed32(this.#random), { power }), model: copy(this.#model), what })
  }

  #fail(error: unknown): void {
    this.#problem ??= error instanceof Error ? error : new Error(String(error))
  }

  #ended<T>(work: Promise<T>): Promise<T> {
    return ended(work, this.#clock, () => this.#problem)
  }
}

class Enough extends Error {}

/** What a crash left is opened, and everything read to its end. */
async function checkLeft({ disk, model, what }: Left): Promise<void> {
  const clock = new ManualClock()
  try {
    const { log, topic } = await ended(open(disk, clock), clock)
    const groups = await ended(topic.parts.log.groups(), clock)
    for (const [group, { acknowledged, asked }] of [['client', model.client], ['together', model.together]] as const) {
      const seen = committedFor(groups, group) ?? -1
      check(seen === acknowledged || asked.includes(seen), () => `group ${group} is at ${seen}: ${acknowledged} was acknowledged, asked for ${asked}`)
    }
    await ended(checkReading(topic, model), clock)
    await checkHandling(topic, model, clock)
    await ended(log.close(), clock)
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** A consumer begins at or behind what is committed, and not behind what is done. */
async function checkReading(topic: Texts, { done, committed }: Model): Promise<void> {
  const first = new Map<number, number>()
  for await (const { partition, offset } of topic.consumer({ group: 'read', until: 'end' })) if (!first.has(partition)) first.set(partition, offset)
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const left = [...topic.partition(partition).read()].map(({ offset }) => offset)
    const from = first.get(partition) ?? Infinity
    const skipped = left.find((offset) => offset >= done[partition]! && offset < from)
    check(skipped === undefined, () => `${partition}@${skipped} is not done, and reading begins at ${from}`)
    check(from >= committed[partition]!, () => `${partition}@${from} comes again: ${committed[partition]} are committed`)
  }
}

/** A consumption handles all that was not finished, nothing that was committed as finished, and each poison dies once. */
async function checkHandling(topic: Texts, { finished, sure }: Model, clock: ManualClock): Promise<void> {
  const records = topic.partitions.flatMap((of) => (
    [...of.read()].map(({ partition, offset, value }) => ({ partition, offset, value: value! }))
  ))
  const poison = records.filter(({ value }) => value.startsWith('-')).map(({ value }) => value).sort()
  const due = records.filter(({ value }) => !value.startsWith('-')).map(placeOf).filter((place) => !finished.has(place))
  const handled = new Set<string>()
  let again: string | undefined
  const consumption = topic.consume(handlingOptions('none'), (record) => {
    const place = placeOf(record)
    if (sure.has(place)) again = place
    if (record.value!.startsWith('-')) throw new Error('poison')
    handled.add(place)
  })
  for (let tick = 0; tick < 100; tick++) {
    await clock.advance(20)
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    if (tick > 5 && due.every((place) => handled.has(place)) && consumption.stats().unfinished === 0) break
  }
  await ended(consumption.stop(), clock)
  check(again === undefined, () => `${again} comes again, and was committed as finished`)
  const lost = due.find((place) => !handled.has(place))
  check(lost === undefined, () => `${lost} was never handled`)
  const dead: string[] = []
  for await (const { record } of topic.deadLetters('handle').list()) dead.push(record.value!)
  check(dead.sort().join() === poison.join(), () => `dead letters are ${dead.join()}, and poison is ${poison.join()}`)
}

async function open(disk: SimulatedDisk, clock: ManualClock): Promise<{ log: CommitLog; topic: Texts }> {
  const log = await CommitLog.open('/log', { files: disk, clock, random: seededRandom(disk.seed), segmentBytes: 1500 })
  return { log, topic: await log.topic('t', { key: string, value: string, partitions: PARTITIONS }) }
}

function handlingOptions(order: 'key' | 'none' | 'partition'): ConsumeOptions {
  return {
    group: 'handle', order, concurrency: order === 'none' ? 5 : 3, retry: { attempts: 2, delay: 15 }, autoCommitIntervalMs: 20, drainMs: 1000,
  }
}

function committedFor(groups: GroupCoordinator, group: string): number | undefined {
  return groups.offsets.get(group, 't', 0)?.offset
}

function placeOf({ partition, offset }: { readonly partition: number; readonly offset: number }): string {
  return `${partition}@${offset}`
}

function copy({ done, committed, finished, sure, client, together }: Model): Model {
  return {
    done: [...done], committed: [...committed], finished: new Set(finished), sure: new Set(sure),
    client: { ...client, asked: [...client.asked] }, together: { ...together, asked: [...together.asked] },
  }
}

function zeros(): number[] {
  return new Array<number>(PARTITIONS).fill(0)
}

function pick<T>(random: Random, items: readonly T[]): T | undefined {
  return items[random.int(Math.max(1, items.length))]
}

/** A refusal that may be: the partition went to another member. */
function allowed(error: unknown): false {
  if (!isLogError(error)) throw error
  return false
}

function seed32(random: Random): number {
  return random.int(2 ** 31)
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Waits for `work` while time passes slowly; one that never ends is an error. */
async function ended<T>(work: Promise<T>, clock: ManualClock, problem: () => Error | undefined = () => undefined): Promise<T> {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined
  work.then((value) => { outcome = { value } }, (error: unknown) => { outcome = { error } })
  for (let turn = 1; outcome === undefined && turn < MOST_TURNS; turn++) {
    await nextTurn()
    if (turn % TURNS_PER_TICK === 0) await clock.advance(1)
    const found = problem()
    if (found !== undefined) throw found
  }
  check(outcome !== undefined, () => 'it stands still')
  if ('error' in outcome!) throw outcome.error
  return outcome!.value
}

function check(condition: boolean, what: () => string): void {
  if (!condition) throw new Error(what())
}
