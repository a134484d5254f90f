/*
 * Every call to the disk fails once, in turn: while records are appended, flushed, rolled, cut, read, recovered, reopened after a fence and
 * closed, with each durability and with each way in which a call may fail. Whatever was refused is a LogError that does not speak of damage,
 * since there is none; nothing that was acknowledged is lost, neither for this process nor for the next one after a kill or a power cut; no
 * file stays open; and when the disk works again, so does the log, a fenced partition after a reopen.
 *
 * SWEEP=all fails each call in every way with every durability; without it each call fails in some of the ways. SEED=<seed> repeats a run.
 */
import { expect, test } from 'vitest'
import { durabilities, type Durability } from '../../src/log/config.ts'
import { CommitLog, isLogError, type LogErrorCode, string, type Topic } from '../../src/index.ts'
import { type DiskFault } from '../../src/testing/disk-faults.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { check, Ledger } from './ledger.ts'
import { FOLDER, PARTITIONS, quiet, SimulatedLog, smallSettings } from './simulated-log.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const SETTINGS = smallSettings(SEED)
const ALL = process.env['SWEEP'] === 'all'
const TIMEOUT = ALL ? 900_000 : 120_000

/** How a call may fail, alone or with all that come after it. */
const faults: readonly Fault[] = [
  { error: 'EIO' }, { error: 'ENOSPC' }, { error: 'EMFILE' }, { short: true }, { error: 'EIO', lasting: true }, { error: 'ENOSPC', lasting: true },
]

/** What may be told of a disk that failed, and is not damaged. */
const expectedCodes: readonly LogErrorCode[] = [
  'LOG_IO', 'LOG_DISK_FULL', 'LOG_TOO_MANY_FILES', 'LOG_FENCED', 'LOG_APPEND_LOST', 'LOG_SEND_FAILED', 'LOG_CLOSED',
]

type Fault = Pick<DiskFault, 'error' | 'short'> & { readonly lasting?: boolean }

/** What is done while a call fails, and how the folder was left before. */
interface Sweep {
  readonly name: string
  readonly before?: 'nothing' | 'closed' | 'killed' | 'power cut'
  /** Done before calls fail, on an open log. */
  readonly prepare?: (log: SimulatedLog) => Promise<void>
  readonly work: (log: SimulatedLog) => Promise<void>
}

const sweeps: readonly Sweep[] = [
  {
    name: 'append',
    work: async (log) => {
      const offset = log.append(0, log.value(), log.value())
      await Promise.all([offset === undefined ? undefined : log.durable(0, offset), log.send([log.value(), log.value(100), log.value(13), null])])
      log.append(0, log.value(500))
      await log.store(0, ...Array.from({ length: 5 }, () => log.value(150)))
      await log.pass(2500)
      await log.store(1, log.value())
    },
  },
  {
    name: 'flush',
    work: async (log) => {
      log.append(0, log.value(), log.value())
      await log.flush(0)
      log.append(1, ...Array.from({ length: 8 }, () => log.value(150)))
      await log.flush(1)
    },
  },
  {
    name: 'roll',
    work: async (log) => {
      log.append(0, log.value())
      await log.roll(0)
      await log.roll(0)
      await log.store(0, log.value())
    },
  },
  {
    name: 'cut',
    prepare: (log) => log.store(0, log.value()),
    work: async (log) => {
      const { nextOffset } = log.partition(0)
      await log.cut(0, nextOffset - 1)
      await log.store(0, log.value())
      await log.cut(1, 1, 0)
      await log.store(1, log.value())
    },
  },
  {
    name: 'read',
    work: async (log) => {
      await log.read(0)
      await log.read(1)
    },
  },
  {
    name: 'reopen',
    prepare: async (log) => {
      await log.store(0, log.value())
      const heal = log.disk.inject({ verb: 'sync', path: /t-0.*\.log$/, error: 'EIO', times: 1 })
      log.append(0, log.value(), log.value())
      await log.flush(0)
      heal()
      check(log.partition(0).stats().state === 'fenced', () => 'a failed sync does not fence')
    },
    work: (log) => log.reopen(0),
  },
  {
    name: 'close',
    prepare: (log) => log.store(0, log.value()),
    work: async (log) => {
      log.append(0, log.value())
      await log.attempt(() => log.close())
    },
  },
  { name: 'open of a new folder', before: 'nothing', work: async () => {} },
  { name: 'open after a close', before: 'closed', work: async () => {} },
  { name: 'open after a kill', before: 'killed', work: async () => {} },
  { name: 'open after a power cut', before: 'power cut', work: async () => {} },
]

for (const { name, ...sweep } of sweeps) {
  test(`whichever call to the disk fails in ${name}, it is told, nothing is lost, and the log goes on`, async () => {
    let failed = 0
    for (const [number, durability] of durabilities.entries()) {
      const start = await folder(durability, sweep.before ?? 'closed')
      const calls = await new Trial(start, durability, undefined).run(sweep)
      for (let call = 1; call <= calls; call++) {
        for (const [kind, fault] of faults.entries()) {
          if (!ALL && (SEED + call + 5 * kind + 7 * number) % (durability === 'sync' ? 16 : 32) !== 0) continue
          await new Trial(start, durability, { call, ...fault }).run(sweep)
          failed++
        }
      }
    }
    console.log(`${name}: ${failed} calls failed, SEED=${SEED}`)
    expect(failed).toBeGreaterThan(0)
  }, TIMEOUT)
}

test('whichever call to the disk fails while topics are made or grow, the next attempt makes them, and no partition is seen before', async () => {
  let failed = 0
  const start = await folder('sync', 'closed')
  const calls = await makeTopicsTwice(start, undefined)
  for (let call = 1; call <= calls; call++) {
    for (const [kind, fault] of faults.entries()) {
      if (!ALL && (SEED + call + kind) % 6 !== 0) continue
      await makeTopicsTwice(start, { call, ...fault })
      failed++
    }
  }
  console.log(`making topics: ${failed} calls failed, SEED=${SEED}`)
  expect(failed).toBeGreaterThan(20)
}, TIMEOUT)

function makeTopics(log: CommitLog): Promise<Topic<string, string>[]> {
  return Promise.all([log.topic<string, string>('t', { partitions: PARTITIONS + 1 }), log.topic('u', { partitions: 2, value: string })])
}

/** Makes a topic larger, and another one, while a call fails, and once more; gives how many calls that makes. */
async function makeTopicsTwice(start: Start, fault: CallFault | undefined): Promise<number> {
  const disk = start.disk.fork(SEED)
  const what = `SEED=${SEED}, ${JSON.stringify(fault)}`
  let log = await CommitLog.open(FOLDER, { files: disk })
  const old = await log.topic<string, string>('t')
  const before = disk.callCount
  if (fault !== undefined) inject(disk, fault)
  const told = await makeTopics(log).then(() => undefined, (error: unknown) => error)
  await quiet(disk)
  const calls = disk.callCount - before
  disk.heal()
  expect(told === undefined || expectedCodes.some((code) => isLogError(told, code)), `${what}: ${String(told)}`).toBe(true)
  const made = (await log.topics()).map(({ name, partitions }) => `${name} ${partitions}`)
  expect(made, what).toContain(`t ${old.partitionCount}`)
  const topics = await makeTopics(log).catch(async (error: unknown) => {
    if (!isMarkFailure(error)) throw error
    await log.close().catch(() => {})
    log = await CommitLog.open(FOLDER, { files: disk })
    return makeTopics(log)
  })
  for (const topic of topics) for (const { partition } of topic.partitions) await topic.send({ value: 'there', partition })
  const next = await CommitLog.open(FOLDER, { files: disk.fork(SEED, { power: !folderLooksStored(disk) }) })
  for (const { name, partitionCount } of topics) {
    const again = await next.topic<string, string>(name)
    expect(again.partitionCount, what).toBe(partitionCount)
    for (const partition of again.partitions) expect([...partition.read()].at(-1)?.value, `${what}, ${name}`).toBe('there')
  }
  await next.close()
  await log.close()
  expect(disk.openHandles, what).toBe(0)
  return calls
}

/** A folder and what its log promised. */
interface Start {
  readonly disk: SimulatedDisk
  readonly ledgers: readonly Ledger[]
  readonly before: NonNullable<Sweep['before']>
}

/** A folder with some segments in two partitions, unless nothing was there before. */
async function folder(durability: Durability, before: Start['before']): Promise<Start> {
  if (before === 'nothing') return { disk: new SimulatedDisk({ seed: SEED }), ledgers: [new Ledger(), new Ledger()], before }
  const log = new SimulatedLog(new SimulatedDisk({ seed: SEED }), { ...SETTINGS, durability })
  await log.open()
  await log.store(1, log.value(), log.value(), log.value())
  await log.store(0, ...Array.from({ length: 6 }, () => log.value(150)))
  await log.transact(0, 7, [log.value()], 'ABORT')
  await log.transact(1, 7, [log.value()], 'COMMIT')
  await log.flush(0)
  await log.flush(1)
  await log.store(0, log.value(), log.value(400), log.value(200))
  expect(log.failures).toEqual([])
  if (before !== 'closed') return { disk: log.disk.fork(SEED + 1, { power: before === 'power cut' }), ledgers: log.promised(), before }
  await log.close()
  return { disk: log.disk, ledgers: log.promised(), before }
}

/** Which call fails, counted from the first of the work, and how. */
type CallFault = Fault & { readonly call: number }

/** One life with one failure in it. */
class Trial {
  readonly #durability: Durability
  readonly #fault: CallFault | undefined
  readonly #log: SimulatedLog
  readonly #start: Start
  #calls = 0

  constructor(start: Start, durability: Durability, fault: CallFault | undefined) {
    this.#start = start
    this.#durability = durability
    this.#fault = fault
    const disk = start.disk.fork(SEED + (fault?.call ?? 0))
    this.#log = new SimulatedLog(disk, { ...SETTINGS, durability }, start.ledgers.map((ledger) => ledger.copy()))
  }

  /** Lives it, and gives how many calls the work makes. */
  async run(sweep: Omit<Sweep, 'name'>): Promise<number> {
    try {
      if (sweep.before === undefined) await this.#work(sweep)
      else await this.#open()
    } catch (error) {
      const what = `SEED=${SEED}, durability ${this.#durability}, ${JSON.stringify(this.#fault)}`
      throw new Error(`${what}: ${String(error)}\n${this.#log.disk.report()}`, { cause: error })
    }
    return this.#calls
  }

  async #work({ prepare, work }: Omit<Sweep, 'name'>): Promise<void> {
    const log = this.#log
    await log.open()
    log.compareOpened(this.#end(false))
    await prepare?.(log)
    log.failures.length = 0
    await this.#failing(() => work(log))
    await this.#checkNext()
    if (log.closed) return
    await this.#goOn()
  }

  async #open(): Promise<void> {
    const log = this.#log
    await this.#failing(() => log.attempt(() => log.open()).then(() => {}))
    check(!log.closed || log.disk.openHandles === 0, () => `${log.disk.openHandles} files are still open`)
    if (log.closed) {
      await this.#checkNext()
      if (this.#folderLooksStored) return
      await log.open()
    }
    log.compareOpened(this.#end(this.#start.before === 'power cut'))
    await this.#goOn()
  }

  /** Runs `work` while a call fails, and checks what it was told. */
  async #failing(work: () => Promise<void>): Promise<void> {
    const log = this.#log
    const before = log.disk.callCount
    if (this.#fault !== undefined) inject(log.disk, this.#fault)
    await work()
    await log.quiet()
    this.#calls = log.disk.callCount - before
    log.disk.heal()
    for (const error of log.failures) {
      const told = expectedCodes.some((code) => isLogError(error, code))
      if (!told) throw error
    }
    log.failures.length = 0
  }

  /** What a process finds that comes next, after a kill or a power cut at this moment. */
  async #checkNext(): Promise<void> {
    for (const power of ALL ? [false, true] : [this.#log.disk.callCount % 2 === 0]) {
      const disk = this.#log.disk.fork(SEED, { power })
      const next = new SimulatedLog(disk, { ...SETTINGS, durability: this.#durability }, this.#log.promised())
      try {
        await next.open()
        next.compareOpened(this.#end(power || this.#start.before === 'power cut'))
      } catch (error) {
        throw new Error(`after a ${power ? 'power cut' : 'kill'}: ${String(error)}\n${disk.report()}\nbefore:`, { cause: error })
      }
    }
  }

  /** The disk works again: so does the log, if need be after a reopen, or when it is closed and opened. */
  async #goOn(): Promise<void> {
    const log = this.#log
    log.compare()
    for (const number of log.ledgers.keys()) await log.reopen(number)
    await log.pass(2000)
    // What was lost while nobody waited for it is told once.
    for (const number of log.ledgers.keys()) log.append(number, log.value())
    const stored = log.failures.every((error) => isLogError(error, 'LOG_APPEND_LOST')) && (await this.#storesAll())
    const markFailed = log.failures.some(isMarkFailure)
    check(stored || markFailed, () => `the disk works, and the log does not: ${log.failures.map(String).join(', ')}`)
    log.failures.length = 0
    await log.attempt(() => log.close())
    check(log.disk.openHandles === 0, () => `${log.disk.openHandles} files are still open`)
    check(markFailed || log.failures.length === 0, () => `the disk works, and the log does not close: ${log.failures.map(String).join(', ')}`)
    if (this.#durability === 'sync' || !this.#folderLooksStored) await this.#checkNext()
  }

  get #folderLooksStored(): boolean {
    return folderLooksStored(this.#log.disk)
  }

  async #storesAll(): Promise<boolean> {
    const log = this.#log
    const before = log.failures.length
    for (const number of log.ledgers.keys()) await log.store(number, log.value())
    log.compare()
    return log.failures.length === before
  }

  #end(power: boolean): { readonly power: boolean; readonly durability: Durability } {
    return { power, durability: this.#durability }
  }
}

/** When the mark could not be stored, nothing is until the log is opened anew. */
function isMarkFailure(error: unknown): boolean {
  return isLogError(error, 'LOG_IO') && error.message.startsWith('the mark of')
}

/** Makes a call fail, counted from the next one. */
function inject(disk: SimulatedDisk, { call, lasting = false, ...how }: CallFault): void {
  const first = disk.callCount + call
  disk.inject({ ...how, when: ({ number }) => number === first || (lasting && number > first) })
}

/**
 * The system takes a folder whose sync failed for stored from then on, and so does who asks it again: the next process, and with relaxed
 * durability this one, whose acknowledged records lie in files without an entry. A power cut after that is not survived.
 */
function folderLooksStored(disk: SimulatedDisk): boolean {
  return disk.journal.some(({ verb, outcome }) => verb === 'syncFolder' && outcome !== 'ok')
}
