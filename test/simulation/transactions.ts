/*
 * One life of a log with transactions: random ones over several partitions, side by side, committed, aborted, left open, while syncs fail and
 * the disk is full; and a crash at random calls to the disk. What each transaction may have left is known: all of it or nothing, in this process
 * at every moment and after every crash; all of it once its commit was acknowledged, nothing of it once it was aborted.
 */
import { type Random, seededRandom } from '../../src/base/random.ts'
import { isLogError } from '../../src/base/errors.ts'
import { string } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type Topic } from '../../src/topics/topic.ts'
import { type Transaction } from '../../src/topics/transactions/transaction.ts'
import { type DiskCall } from '../../src/testing/disk-faults.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

const QUIET: readonly string[] = ['stat', 'list', 'read', 'readAsync', 'size', 'free', 'lock', 'lockHolder']
const TOPICS = [{ name: 'a', partitions: 2 }, { name: 'b', partitions: 1 }] as const
const STEPS = 24
/** Of the calls to the disk that change something, one in so many is a crash. */
const CRASH_EVERY = 25
const MOST_TURNS = 3000

/** What a transaction, or a plain send, may have left. */
interface Told {
  readonly values: string[]
  /** `open`: nothing was said of its end; `asked`: its commit is under way, or was refused, and a crash may decide either way. */
  fate: 'open' | 'asked' | 'committed' | 'aborted'
}

interface Left {
  readonly disk: SimulatedDisk
  readonly told: readonly Told[]
  readonly what: string
}

type Texts = Topic<string, string>

/** Lives one life; throws when a promise is broken. */
export async function simulate(seed: number): Promise<void> {
  const life = new Life(seed)
  try {
    await life.live()
    for (const left of life.left) await checkLeft(left, seed)
  } catch (error) {
    throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

class Life {
  readonly left: Left[] = []
  readonly #random: Random
  readonly #disk: SimulatedDisk
  readonly #clock = new ManualClock()
  readonly #told: Told[] = []
  readonly #open = new Map<Transaction, Told>()
  #log!: CommitLog
  #topics!: readonly Texts[]
  #values = 0
  #calls = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.#disk = new SimulatedDisk({ seed, onCall: (call, disk) => { if (disk === this.#disk) this.#maybeCrash(call) } })
  }

  async live(): Promise<void> {
    const opened = await ended(open(this.#disk, this.#clock))
    this.#log = opened.log
    this.#topics = opened.topics
    for (let step = 0; step < STEPS; step++) {
      await this.#step()
      this.#look()
    }
    await ended(this.#log.close().catch(allowed))
    for (const told of this.#told) if (told.fate === 'open') told.fate = 'aborted'
    this.left.push({ disk: this.#disk.fork(seed32(this.#random)), told: copy(this.#told), what: 'closed' })
  }

  async #step(): Promise<void> {
    const { length } = this.#topics
    const drawn = this.#random.int(100)
    if (drawn < 30) await this.#begin()
    else if (drawn < 45) await this.#send()
    else if (drawn < 65) await this.#end('commit', this.#random.int(3) > 0)
    else if (drawn < 72) await this.#end('abort', true)
    else if (drawn < 80) await this.#plain()
    else if (drawn < 86) this.#break()
    else if (drawn < 90) await ended(this.#clock.advance(1500))
    else if (drawn < 94) await ended(this.#topics[this.#random.int(length)]!.partitions[0]!.roll().catch(allowed))
    else await this.#reopen()
  }

  async #begin(): Promise<void> {
    const transaction = await ended(this.#log.beginTransaction({ timeoutMs: Infinity }).catch(allowed))
    if (transaction === undefined) return
    const told: Told = { values: [], fate: 'open' }
    this.#told.push(told)
    this.#open.set(transaction, told)
    const sends = 1 + this.#random.int(4)
    for (let send = 0; send < sends; send++) this.#add(transaction, told)
  }

  #add(transaction: Transaction, told: Told): void {
    const topic = this.#topics[this.#random.int(this.#topics.length)]!
    const value = `${++this.#values}`
    told.values.push(value)
    void transaction.send(topic, { value, partition: this.#random.int(topic.partitionCount) })
  }

  async #send(): Promise<void> {
    const picked = this.#pick()
    if (picked === undefined) return
    this.#add(...picked)
    if (this.#random.int(2) === 0) await ended(this.#topics[0]!.flush().catch(allowed))
  }

  async #end(how: 'commit' | 'abort', wait: boolean): Promise<void> {
    const picked = this.#pick()
    if (picked === undefined) return
    const [transaction, told] = picked
    this.#open.delete(transaction)
    if (how === 'commit') told.fate = 'asked'
    const end = transaction[how]().then(() => { told.fate = how === 'commit' ? 'committed' : 'aborted' }, allowed)
    if (wait) await ended(end)
  }

  async #plain(): Promise<void> {
    const topic = this.#topics[this.#random.int(this.#topics.length)]!
    const told: Told = { values: [`${++this.#values}`], fate: 'asked' }
    this.#told.push(told)
    const sent = topic.send({ value: told.values[0]!, partition: this.#random.int(topic.partitionCount) })
    await ended(sent.then(() => { told.fate = 'committed' }, allowed))
  }

  #break(): void {
    const path = [/a-0.*\.log$/, /a-1.*\.log$/, /b-0.*\.log$/, /__transaction_state-0.*\.log$/][this.#random.int(4)]!
    const fault = this.#random.int(2) === 0 ? { verb: 'sync', error: 'EIO' } as const : { verb: 'write', error: 'ENOSPC' } as const
    this.#disk.inject({ ...fault, path, times: 1 })
  }

  async #reopen(): Promise<void> {
    for (const topic of this.#topics) {
      for (const partition of topic.partitions) if (partition.stats().state === 'fenced') await ended(partition.reopen().catch(allowed))
    }
  }

  #pick(): [Transaction, Told] | undefined {
    const open = [...this.#open]
    return open[this.#random.int(Math.max(1, open.length))]
  }

  /** Whoever reads in this process: of each transaction all or nothing, of those that did not commit nothing, of none twice. */
  #look(): void {
    // A partition that fails, or whose markers are on their way again behind a reopen, holds up what others committed.
    const busy = this.#topics.some((topic) => (
      topic.stats().some(({ state, highWatermark, nextOffset }) => state !== 'open' || highWatermark < nextOffset)
    ))
    const seen = read(this.#topics)
    for (const { values, fate } of this.#told) {
      const count = values.filter((value) => seen.has(value)).length
      // Which part of it can be read depends on what stands before it, in each partition: what was seen once stays, though.
      check(fate !== 'aborted' && fate !== 'open' || count === 0, () => `${count} values of a transaction that is ${fate} are seen: ${values}`)
      const blocked = busy || this.#open.size > 0 || this.#told.some((other) => other.fate === 'asked')
      check(fate !== 'committed' || blocked || count === values.length, () => `${count} of ${values.length} values of a committed one are seen`)
    }
  }

  #maybeCrash(call: DiskCall): void {
    if (QUIET.includes(call.verb) || this.#random.int(CRASH_EVERY) > 0) return
    const power = this.#random.int(2) === 0
    const what = `${power ? 'power cut' : 'killed'} at call ${++this.#calls} (${call.verb} ${call.path})`
    this.left.push({ disk: this.#disk.fork(seed32(this.#random), { power }), told: copy(this.#told), what })
  }
}

/** What a crash left is opened: nothing is open any more, and each transaction is there as a whole or not at all. */
async function checkLeft({ disk, told, what }: Left, seed: number): Promise<void> {
  try {
    const { log, topics } = await ended(open(disk, new ManualClock()))
    const seen = read(topics)
    const all = new Set<string>(told.flatMap(({ values }) => values))
    for (const value of seen) check(all.has(value), () => `${value} was never sent`)
    for (const { values, fate } of told) {
      const count = values.filter((value) => seen.has(value)).length
      check(count === 0 || count === values.length, () => `${count} of ${values.length} values of a transaction are there: ${values}`)
      check(fate !== 'committed' || count === values.length, () => `a committed transaction is gone: ${values}`)
      check((fate !== 'aborted' && fate !== 'open') || count === 0, () => `a transaction that is ${fate} is there: ${values}`)
    }
    for (const topic of topics) {
      for (const { lastStableOffset, highWatermark } of topic.stats()) {
        check(lastStableOffset === highWatermark, () => `readers wait at ${lastStableOffset} of ${highWatermark} for a transaction that nobody ends`)
      }
    }
    await ended(log.transaction((tx) => { for (const topic of topics) void tx.send(topic, { value: 'after', partition: 0 }) }))
    check([...read(topics)].includes('after'), () => 'a transaction after it is not seen')
    await ended(log.close())
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)} (SEED=${seed})`, { cause: error })
  }
}

async function open(disk: SimulatedDisk, clock: ManualClock): Promise<{ log: CommitLog; topics: readonly Texts[] }> {
  const log = await CommitLog.open('/log', { files: disk, clock, random: seededRandom(disk.seed), segmentBytes: 1500 })
  const topics: Texts[] = []
  for (const { name, partitions } of TOPICS) topics.push(await log.topic(name, { key: string, value: string, partitions }))
  return { log, topics }
}

/** What readers of committed records get. */
function read(topics: readonly Texts[]): Set<string> {
  const values = topics.flatMap((topic) => topic.partitions.flatMap((partition) => [...partition.read()].map(({ value }) => value!)))
  const seen = new Set(values)
  check(seen.size === values.length - Math.max(0, values.filter((value) => value === 'after').length - 1), () => 'a value is there twice')
  return seen
}

function copy(told: readonly Told[]): Told[] {
  return told.map(({ values, fate }) => ({ values: [...values], fate }))
}

/** A failure that may be: the disk was broken on purpose. */
function allowed(error: unknown): undefined {
  if (!isLogError(error)) throw error
  return undefined
}

function seed32(random: Random): number {
  return random.int(2 ** 31)
}

async function ended<T>(work: Promise<T>): Promise<T> {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined
  work.then((value) => { outcome = { value } }, (error: unknown) => { outcome = { error } })
  for (let turn = 0; outcome === undefined && turn < MOST_TURNS; turn++) await new Promise<void>((resolve) => void setImmediate(resolve))
  check(outcome !== undefined, () => 'it stands still')
  if ('error' in outcome!) throw outcome.error
  return outcome!.value
}

function check(condition: boolean, what: () => string): void {
  if (!condition) throw new Error(what())
}
