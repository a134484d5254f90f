/*
 * A crash at every single call to the disk, in turn: a script of everything that a log does runs once over a simulated disk, and at each of
 * its calls the disk is copied as a kill, and as power cuts with several seeds, would leave it. Each copy is opened, compared with what was
 * promised until then, and written to again. Some of them crash once more at every call of that recovery.
 *
 * CRASHES=<n> makes n of them at each call, and lets more of them crash once more; SEED=<seed> repeats a run.
 */
import { expect, test } from 'vitest'
import { durabilities, type Durability } from '../../src/log/config.ts'
import { type DiskCall } from '../../src/testing/disk-faults.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Ledger } from './ledger.ts'
import { SimulatedLog, smallSettings } from './simulated-log.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const SETTINGS = smallSettings(SEED)
/** Crashes at each call, kills and power cuts in turn; half as many with relaxed durability. */
const CRASHES = Number(process.env['CRASHES'] ?? 2)
/** One of so many of them crashes once more, at every call of its recovery. */
const AGAIN_EVERY = Math.max(1, Math.floor(160 / CRASHES))

/** What a crash left, and what was promised until then. */
interface Left {
  readonly what: string
  readonly disk: SimulatedDisk
  readonly ledgers: readonly Ledger[]
  readonly power: boolean
}

for (const durability of durabilities) {
  test(`whichever call to the disk a crash comes at, durability '${durability}' keeps its promises`, async () => {
    const first = await crashed(durability, SEED)
    let second = 0
    const from = SEED % AGAIN_EVERY
    for (const [number, left] of first.entries()) {
      const leftAgain = await recover(left, durability, { again: number % AGAIN_EVERY === from })
      for (const one of leftAgain) await recover(one, durability)
      second += leftAgain.length
    }
    console.log(`${durability}: ${first.length} crashes, and ${second} during recoveries, SEED=${SEED}`)
    expect(first.length).toBeGreaterThan(200)
    expect(second).toBeGreaterThan(50)
  }, CRASHES * 100_000)
}

/** Runs the script, and gives what a crash at each of its calls leaves. */
async function crashed(durability: Durability, seed: number): Promise<Left[]> {
  const left: Left[] = []
  const count = durability === 'sync' ? CRASHES : Math.ceil(CRASHES / 2)
  let log: SimulatedLog | undefined
  const onCall = (call: DiskCall, disk: SimulatedDisk): void => {
    if (!changes(call)) return
    const { number, verb, path } = call
    if (disk !== log?.disk) return listeners.get(disk)?.(number)
    const ledgers = log.promised()
    const what = `durability ${durability}, call ${number}: ${verb} ${path}`
    for (let crash = 0; crash < count; crash++) {
      const power = (crash + number + seed) % 2 === 0
      const fork = disk.fork(seed + number * count + crash, { power })
      left.push({ what: `${what}, ${power ? 'power cut' : 'killed'}`, disk: fork, ledgers, power })
    }
  }
  log = new SimulatedLog(new SimulatedDisk({ seed, onCall }), { ...SETTINGS, durability })
  await script(log)
  return left
}

/** Who listens to the calls of copies, which tell the same listener as the disk that they were made of. */
const listeners = new WeakMap<SimulatedDisk, (call: number) => void>()

/** Everything that a log does, some of it at the same time. */
async function script(log: SimulatedLog): Promise<void> {
  await log.open()
  await log.store(0, log.value())
  await log.store(1, log.value(), log.value(13), null)
  await log.store(1, log.value(250), log.value(200))
  const waits = [log.durable(0, log.append(0, log.value())!), log.send([log.value(), log.value(), log.value(200), log.value()])]
  await log.store(0, log.value(), log.value(500), log.value())
  await Promise.all(waits)
  await log.roll(0)
  await log.transact(0, 7, [log.value(), log.value()], 'COMMIT')
  await log.transact(0, 8, [log.value()], 'ABORT')
  await Promise.all([log.store(0, ...Array.from({ length: 9 }, () => log.value(150))), log.store(1, log.value(20))])
  await log.pass(3000)
  log.append(1, log.value())
  await log.flush(1)
  await log.store(0, log.value())
  // A record in a batch of its own, and then one in the middle of a batch.
  const { nextOffset } = log.partition(0)
  await log.cut(0, nextOffset - 1, nextOffset - 1)
  await log.store(0, log.value(), log.value())
  await log.cut(1, 2, 0)
  await log.store(1, log.value(), log.value())
  // Into records that come while the cut waits for those before them.
  const { nextOffset: end } = log.partition(1)
  const cut = log.cut(1, end + 1, end)
  log.append(1, log.value(), log.value(), log.value())
  await cut
  await log.store(1, log.value())
  await log.roll(1)
  await log.transact(1, 9, [log.value()], undefined)
  await log.store(1, log.value(), log.value(400), log.value(400))
  expect(log.failures).toEqual([])
  await fail(log)
  log.append(0, log.value())
  await log.close()
}

/** Syncs, writes and cuts fail, and what is fenced by that is opened again. */
async function fail(log: SimulatedLog): Promise<void> {
  const { disk } = log
  disk.inject({ verb: 'sync', path: /t-0.*\.log$/, error: 'EIO', times: 1 })
  log.append(0, log.value(), log.value(300), log.value())
  await log.flush(0)
  await log.reopen(0)
  await log.store(0, log.value(), log.value())
  // The sync of a segment that was just sealed, and had room behind its end.
  disk.inject({ verb: 'sync', path: /t-0.*\.log$/, error: 'EIO', times: 1 })
  await log.roll(0)
  await log.reopen(0)
  await log.store(0, log.value())
  disk.inject({ verb: 'write', path: /t-1.*\.log$/, error: 'ENOSPC', times: 1 })
  await log.store(1, log.value(), log.value())
  await log.pass(2000)
  await log.store(1, log.value())
  disk.inject({ verb: 'truncate', path: /t-1.*\.log$/, error: 'EIO', times: 1 })
  await log.cut(1, log.partition(1).nextOffset - 1)
  await log.reopen(1)
  await log.store(1, log.value())
  for (const number of log.ledgers.keys()) expect(log.partition(number).stats().state).toBe('open')
  expect(log.failures.length).toBeGreaterThan(2)
}

/** What a crash before a call leaves that only looks is what one before the next call leaves that changes something. */
function changes({ verb, detail }: DiskCall): boolean {
  return verb === 'open' ? detail === 'create' : !['stat', 'list', 'read', 'readAsync', 'size', 'free', 'lock', 'lockHolder'].includes(verb)
}

/** Opens what a crash left, compares, and goes on. With `again` it gives what crashes at each call of that opening leave. */
async function recover({ what, disk, ledgers, power }: Left, durability: Durability, { again = false } = {}): Promise<Left[]> {
  const left: Left[] = []
  const log = new SimulatedLog(disk, { ...SETTINGS, durability }, ledgers.map((ledger) => ledger.copy()))
  if (again) {
    listeners.set(disk, (call) => {
      const cut = call % 3 !== 0
      const fork = disk.fork(disk.seed + call, { power: cut })
      left.push({ what: `${what}, then ${cut ? 'power cut' : 'killed'} at call ${call}`, disk: fork, ledgers, power: power || cut })
    })
  }
  try {
    await log.open()
    listeners.delete(disk)
    log.compareOpened({ power, durability })
    for (const number of log.ledgers.keys()) await log.store(number, log.value())
    expect(log.failures).toEqual([])
    log.compare()
    await log.close()
    expect(disk.openHandles).toBe(0)
  } catch (error) {
    throw new Error(`SEED=${SEED}, ${what}: ${String(error)}\n${disk.report()}`, { cause: error })
  }
  return left
}
