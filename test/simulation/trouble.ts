/*
 * What goes wrong in a life: calls that fail, a disk that fills up, a lock in doubt or lost, and, between processes, damage to files that
 * can be made again.
 */
import { type DiskCall } from '../../src/testing/disk-faults.ts'
import { type SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Draw } from './draw.ts'
import { type Process } from './process.ts'
import { ROOT, type World } from './world.ts'

/** Files that are derived from the log, or from each other. */
const disposable = /\.(?:index|timeindex|snapshot)$|leader-epoch-checkpoint$/

/** Calls that a file system refuses that became read-only. */
const changing: ReadonlySet<DiskCall['verb']> = new Set(['write', 'writeAsync', 'sync', 'syncFolder', 'truncate', 'rename', 'remove'])

/** Makes some of the next calls fail. */
export function fail(process: Process): void {
  const { draw, settings, counts } = process.world
  if (!settings.faults) return
  counts.faults++
  process.faulty = true
  process.healthy = false
  const { disk } = process
  const kind = draw.weighted([[3, 'sync'], [1, 'write'], [2, 'short'], [2, 'full'], [2, 'anything'], [1, 'handles'], [2, 'room'], [1, 'read-only']])
  process.world.note(`  fault: ${kind}`)
  if (kind === 'sync') disk.inject({ verb: 'sync', path: /\.log$/, error: draw.pick('EIO', 'ENOSPC'), times: 1 })
  if (kind === 'write') disk.inject({ verb: 'write', path: /\.log$/, error: 'EIO', times: 1 })
  if (kind === 'short') disk.inject({ verb: 'write', short: true, times: 5 })
  if (kind === 'full') disk.inject({ verb: 'write', path: /\.log$/, error: 'ENOSPC', times: 1 + draw.int(3) })
  if (kind === 'handles') disk.inject({ verb: 'open', error: 'EMFILE', times: 1 + draw.int(3) })
  if (kind === 'room') disk.capacity = used(disk) + draw.int(30_000)
  if (kind === 'read-only') {
    // As a file system does that could not store its own journal: only a new start of the machine helps.
    disk.inject({ when: ({ verb, detail }) => changing.has(verb) || detail === 'create', error: 'EROFS', times: Infinity })
    process.losesPower = true
  }
  if (kind === 'anything') {
    const verb = ['write', 'writeAsync', 'sync', 'truncate', 'open', 'rename', 'remove', 'stat'] as const
    disk.inject({ verb, when: ({ path }) => !isMark(path), nth: 1 + draw.int(4), error: draw.pick('EIO', 'ENOSPC'), times: 1 })
  }
}

/** Makes one of the next calls fail while the folder is opened. It is opened again after that, and would not notice a folder's failed sync. */
export function failOpening(process: Process): void {
  const { draw, counts } = process.world
  counts.faults++
  process.faulty = true
  process.healthy = false
  const when = ({ verb, path }: DiskCall): boolean => verb !== 'syncFolder' && path !== ROOT
  process.disk.inject({ when, nth: 1 + draw.int(60), error: draw.pick('EIO', 'ENOSPC', 'EMFILE'), times: 1 })
}

/** The mark cannot be stored: nothing can be acknowledged until a partition is opened again. */
export function failMark(process: Process): void {
  const { draw, settings, counts } = process.world
  if (!settings.faults || !draw.once(4)) return
  counts.faults++
  process.faulty = true
  process.healthy = false
  process.world.note('  fault: mark')
  process.disk.inject({ verb: draw.pick('write', 'sync'), path: /mark-[ab]$/, error: 'EIO', times: 1 })
}

/** The disk works again. */
export function heal(process: Process): void {
  process.heal()
}

/** The process stood still for long: its lock is in doubt until it was confirmed. */
export function doubt(process: Process): void {
  process.disk.doubtLock(ROOT)
}

/** Another process took the lock: from now on nothing is acknowledged here. */
export async function rob(process: Process): Promise<void> {
  const { draw, settings } = process.world
  if (!settings.faults || !draw.once(4) || process.robbed) return
  // Nobody steals a lock that was confirmed just now: who is about to act on that does so first.
  await process.world.turns(1)
  process.world.note('  the lock is stolen')
  process.robbed = true
  process.disk.stealLock(ROOT)
  for (const partition of process.partitions) partition.robbedAt = partition.log.highWatermark
}

/** Damages or removes files that must not matter. */
export function damageDisposable(world: World): void {
  const { disk, draw } = world
  for (const path of disk.paths().filter((one) => disposable.test(one))) {
    if (!draw.once(3)) continue
    if (path.endsWith('leader-epoch-checkpoint')) {
      if (!draw.once(4)) continue
      world.epochsDamaged = true
    }
    const how = damage(disk, draw, path)
    world.note(`damage: ${path} ${how}`)
  }
}

function damage(disk: SimulatedDisk, draw: Draw, path: string): string {
  const size = disk.bytes(path).length
  // Nothing in a time index tells that a whole entry is missing, or another number in it.
  const how = path.endsWith('.timeindex')
    ? draw.pick('removed', 'longer')
    : draw.pick('removed', 'emptied', 'cut', 'zeroed', 'garbled', 'flipped', 'longer')
  if (how === 'removed') disk.removeSync(path)
  if (how === 'emptied') disk.cut(path, size)
  if (how === 'cut') disk.cut(path, draw.int(size + 1))
  if (how === 'longer') disk.overwrite(path, size, new Uint8Array(1 + draw.int(40)).fill(draw.pick(0, 0, 255)))
  if (size === 0) return how
  // The first line of the epochs is their version, and another version is refused.
  const first = path.endsWith('leader-epoch-checkpoint') ? 2 : 0
  const at = first + draw.int(size - first)
  if (how === 'zeroed') disk.zero(path, at, size - at)
  if (how === 'garbled') disk.overwrite(path, at, Uint8Array.from({ length: draw.int(Math.min(20, size - at)) }, () => draw.int(256)))
  if (how === 'flipped') disk.flip(path, at, draw.int(8))
  return how
}

function isMark(path: string): boolean {
  return /mark-[ab]$/.test(path)
}

function used(disk: SimulatedDisk): number {
  return disk.capacity - disk.freeBytesSync(ROOT)
}
