/*
 * One process of a life: it opens every partition, does what it is told, and closes them, or dies at some call to the disk. What it learns
 * goes into the models; from the moment it died nothing of it counts any more.
 */
import { isLogError } from '../../src/base/errors.ts'
import { type FolderLock } from '../../src/files/file-system.ts'
import { systemCode } from '../../src/files/system-error.ts'
import { type LogEnvironment, type LogEvent } from '../../src/log/environment.ts'
import { PartitionLog } from '../../src/log/partition-log.ts'
import { type SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { environment, TOPIC_ID } from '../log/harness.ts'
import { compareOpened } from './compare.ts'
import { Partition } from './partition.ts'
import { PLENTY } from './settings.ts'
import { nextTurn, ROOT, type World } from './world.ts'

/** What waits longer than so many turns of the event loop stands still: nothing in a life takes a tenth of them. */
const MOST_TURNS = 20_000

/** How something ended: with a value, with an error, or not at all, because the process died meanwhile. */
export type Outcome<T> = { readonly value: T } | { readonly error: unknown } | undefined

export class Process {
  readonly world: World
  readonly disk: SimulatedDisk
  readonly partitions: Partition[] = []
  env!: LogEnvironment
  alive = true
  /** Some fault was injected, so that calls may fail. */
  faulty = false
  /** No fault is switched on. */
  healthy = true
  /** Its disk takes nothing any more until the power is cut, with which it ends, whatever else was planned. */
  losesPower = false
  /** The lock went to somebody else: nothing may be acknowledged any more. */
  robbed = false

  constructor(world: World) {
    this.world = world
    this.disk = world.disk
    this.disk.capacity = world.settings.capacity
  }

  /**
   * Opens everything and compares it with the models; false when the process died meanwhile.
   *
   * @param fault  switched on while it opens for the first time; after a failure it opens once more on a healthy disk
   */
  async open(fault?: (process: Process) => void): Promise<boolean> {
    fault?.(this)
    for (let attempt = 0; ; attempt++) {
      const opened = await this.settled(this.#openAll())
      if (opened === undefined || 'error' in opened) this.world.closed = false
      if (opened === undefined) return false
      if ('value' in opened) break
      this.world.note(`opening failed: ${String(opened.error)}`)
      this.world.check(this.faulty && attempt === 0 && this.explained(opened.error), () => `a folder does not open: ${told(opened.error)}`)
      this.world.check(this.disk.openHandles === 0, () => `${this.disk.openHandles} files are still open after a failed open`)
      this.heal()
    }
    this.heal()
    const compared = this.whileAlive(() => this.partitions.forEach((partition) => compareOpened(this, partition)))
    this.world.closed = false
    if (compared) this.world.powerLost = false
    return compared
  }

  /** Closes everything in good order; false when the process died meanwhile, or something could not be stored. */
  async close(): Promise<boolean> {
    this.heal()
    this.noteSeen()
    const unhurt = this.partitions.map((partition) => partition.log.state === 'open' && partition.loss === 'none')
    const closed = await this.settled(this.#closeAll())
    if (closed === undefined) return false
    const failures = 'value' in closed ? closed.value : [closed.error]
    for (const error of failures) this.world.check(isLogError(error), () => `close failed: ${told(error)}`)
    this.world.check(failures.length === 0 || this.robbed || this.faulty || unhurt.includes(false), () => `close failed: ${told(failures[0])}`)
    this.world.check(this.disk.openHandles === 0, () => `${this.disk.openHandles} files are still open after close`)
    for (const [number, { model, log }] of this.partitions.entries()) {
      if (!unhurt[number] || failures.length > 0) continue
      model.flushed = model.acknowledged = Math.max(model.acknowledged, log.durableOffset)
      model.units = model.units.filter((unit) => !unit.refused)
    }
    this.alive = false
    this.world.closed = failures.length === 0 && !unhurt.includes(false)
    this.world.counts.closes++
    // What was closed in good order is durable: a power cut right after takes nothing.
    const power = this.losesPower || this.world.draw.once(2)
    this.world.disk = this.disk.crash({ power })
    this.world.powerLost ||= power
    this.world.clock.forgetTimers()
    await this.world.turns(1)
    return true
  }

  /** Dies at once, alone or with the power of the machine. */
  die(withPower: boolean): void {
    if (!this.alive) return
    const { world } = this
    const power = withPower || this.losesPower
    try {
      this.noteSeen()
    } catch (error) {
      world.fail(error)       // this may be called from inside the log, which must not see it
    }
    this.alive = false
    world.note(power ? 'the power is cut' : 'the process is killed')
    world.disk = this.disk.crash({ power })
    for (const note of world.disk.crashNotes) world.note(`    ${note}`)
    world.clock.forgetTimers()
    world.powerLost ||= power
    world.counts[power ? 'powerCuts' : 'kills']++
  }

  /** Switches all faults off that can be. */
  heal(): void {
    if (this.losesPower) return
    this.disk.heal()
    this.disk.capacity = this.world.settings.capacity
    this.healthy = true
  }

  /** What readers can see now must be there later: they may act on it. */
  noteSeen(): void {
    if (!this.alive) return
    for (const partition of this.partitions) partition.noteSeen()
  }

  /** Whether an error is one that a failing disk may cause. */
  explained(error: unknown): boolean {
    return isLogError(error) || systemCode(error) !== undefined
  }

  /** Waits for `work`, but not beyond the death of this process. */
  async settled<T>(work: Promise<T>): Promise<Outcome<T>> {
    let outcome: Outcome<T>
    work.then((value) => { outcome = { value } }, (error: unknown) => { outcome = { error } })
    for (let turn = 0; turn < MOST_TURNS; turn++) {
      await nextTurn()
      this.world.look()
      if (!this.alive) return undefined
      if (outcome !== undefined) return outcome
    }
    throw new Error(`it stands still: ${this.disk.underWay.length} calls are under way`)
  }

  /** Runs `work`; false when the process died meanwhile, and what came of it does not count. */
  whileAlive(work: () => void): boolean {
    try {
      work()
    } catch (error) {
      if (this.alive) throw error
    }
    return this.alive
  }

  /** Watches over `work` that nobody waits for. */
  track(work: Promise<unknown>): void {
    work.then(undefined, (error: unknown) => {
      if (this.alive) this.world.fail(error)
    })
  }

  async #openAll(): Promise<void> {
    const { disk, world } = this
    this.partitions.length = 0
    disk.createFolderSync(ROOT)
    await disk.syncFolder('/')
    const lock = await disk.lock(ROOT)
    let opened: PromiseSettledResult<PartitionLog>[] = []
    let env: LogEnvironment | undefined
    try {
      const { bufferBytes, windowBytes, minFreeBytes, roomAheadBytes } = world.settings
      const options = { clock: world.clock, bufferBytes, windowBytes, minFreeBytes, roomAheadBytes }
      env = { ...(await environment(disk, ROOT, { ...options, emit: (event) => this.#note(event) })), lock }
      this.env = env
      opened = await Promise.allSettled(world.models.map((_, number) => this.#openPartition(number)))
      for (const result of opened) if (result.status === 'rejected') throw result.reason
    } catch (error) {
      await undo(opened, env, lock)
      throw error
    }
    for (const [number, result] of opened.entries()) {
      if (result.status === 'fulfilled') this.partitions.push(new Partition(this, number, result.value))
    }
  }

  async #openPartition(number: number): Promise<PartitionLog> {
    const folder = folderOf(number)
    const known = this.disk.statSync(`${folder}/partition.metadata`) !== undefined
    return PartitionLog.open(this.env, {
      folder, topic: 't', partition: number, topicId: TOPIC_ID, config: this.world.settings.config, create: !known,
    })
  }

  async #closeAll(): Promise<unknown[]> {
    const jobs = this.partitions.map(({ log }) => log.close())
    const results = await Promise.allSettled([...jobs])
    results.push(...(await Promise.allSettled([this.env.mark.close()])))
    this.env.openFiles.closeAll()
    await this.env.lock?.release()
    return results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  }

  #note(event: LogEvent): void {
    if (!this.alive) return
    if (event.type === 'disk-full' || event.type === 'fenced') {
      this.world.note(`  t-${event.partition} ${event.type}: ${event.from}..${event.end - 1} (${String(event.cause)})`)
      const partition = this.partitions[event.partition]
      const expected = this.faulty || this.robbed || this.world.settings.capacity < PLENTY
      if (!expected || !this.explained(event.cause)) {
        this.world.fail(new Error(`t-${event.partition} is ${event.type} without a reason: ${told(event.cause)}`))
      }
      partition?.lost(event)
    }
  }
}

/** The folder of a partition. */
export function folderOf(partition: number): string {
  return `${ROOT}/t-${partition}`
}

/** An error for the message of a failure, with where it comes from. */
export function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? (error.stack ?? error.message) : `${error.stack ?? error.message}\n  because ${told(error.cause)}`
}

async function undo(opened: readonly PromiseSettledResult<PartitionLog>[], env: LogEnvironment | undefined, lock: FolderLock): Promise<void> {
  await Promise.allSettled(opened.map((result) => (result.status === 'fulfilled' ? result.value.close() : undefined)))
  await env?.mark.close().catch(() => {})
  env?.openFiles.closeAll()
  await lock.release()
}
