/*
 * What happens to a partition in a life beside appends and reads: flushes, rolls, cuts, a reopen after a fence, and time that passes.
 */
import { type Partition } from './partition.ts'
import { compare } from './compare.ts'
import { folderOf, type Outcome, type Process } from './process.ts'
import { storedBatches } from './stored-batches.ts'

/** Makes everything appended so far durable, while other things go on. */
export function flush(process: Process, partition: Partition): void {
  const { log, model } = partition
  const end = log.nextOffset
  const epoch = log.leaderEpoch
  const units = model.live()
  process.track(partition.everything(() => log.flush()).then((flushed) => {
    if (!flushed || !process.alive || log.leaderEpoch !== epoch) return
    const lost = units.find(({ refused, lastOffset }) => refused || lastOffset >= log.durableOffset)
    partition.check(lost === undefined, () => `a flush of everything below ${end} succeeds, and offset ${lost?.baseOffset} is not acknowledged`)
    model.flushed = Math.max(model.flushed, end)
    model.acknowledged = Math.max(model.acknowledged, end)
  }))
}

export function roll(process: Process, partition: Partition): void {
  process.track(partition.everything(() => partition.log.roll()))
}

/** Cuts somewhere; appends that come meanwhile are lost. */
export async function cut(process: Process, partition: Partition): Promise<void> {
  const { world } = process
  const { log, model } = partition
  if (log.state !== 'open' || log.nextOffset === log.startOffset || process.robbed) return
  const offset = Math.max(log.startOffset, log.nextOffset - world.draw.int(world.draw.pick(3, 20, log.nextOffset + 1)))
  const keeps = batchStart(process, partition, offset)
  // Of a transaction that the cut opens again and whose records were deleted, nobody knows how much is left.
  if ([...model.producers(offset).producers.values()].some(({ openFrom }) => openFrom >= 0 && openFrom < model.starting)) return
  world.note(`  cut to ${offset}`)
  world.counts.cuts++
  const epoch = log.leaderEpoch
  model.cutting = Math.min(model.cutting, keeps)
  const done = partition.everything(() => log.truncateTo(offset))
  const cutting = await process.settled(done)
  if (cutting === undefined) return
  if ('error' in cutting) throw cutting.error
  if (log.leaderEpoch === epoch) {
    // It was refused, or had nothing to cut. One that failed half-way has fenced the log: a reopen tells what is left.
    if (log.state === 'open') model.cutting = Infinity
    return
  }
  forgetReaders(partition)
  partition.seenFrom = log.nextOffset
  if (!process.whileAlive(() => compare(process, partition, { keeps, endsBelow: offset }))) return
  partition.check(log.nextOffset === offset, () => `after a cut to ${offset} the next offset is ${log.nextOffset}`)
}

/** Deletes records up to anywhere that readers see, but no transaction that is open. */
export async function deleteRecords(process: Process, partition: Partition): Promise<void> {
  const { log } = partition
  if (log.state !== 'open' || partition.loss !== 'none') return
  const end = Math.min(log.highWatermark, log.lastStableOffset)
  const offset = process.world.draw.int(process.world.draw.pick(5, end + 1, end + 1))
  if (offset <= end) await startsAt(process, partition, offset, () => log.deleteRecords(offset))
}

/** Looks for segments that are too old or too many. Where transactions are open their records may go, and nobody knows who wrote them. */
export async function retain(process: Process, partition: Partition): Promise<void> {
  const { log } = partition
  const settled = log.lastStableOffset === log.highWatermark && log.nextOffset === log.highWatermark
  if (log.state !== 'open' || !settled || partition.loss !== 'none') return
  await startsAt(process, partition, log.nextOffset, () => log.applyRetention(process.world.clock.now()))
}

/** Runs what may raise the start of the log, at most to `most`. */
async function startsAt(process: Process, partition: Partition, most: number, work: () => Promise<number>): Promise<void> {
  const { log, model } = partition
  const before = log.startOffset
  model.starting = Math.max(model.starting, most)
  let outcome: Outcome<number>
  // What was lost before is told by it, as by a flush.
  await partition.everything(async () => {
    outcome = await process.settled(work())
    if (outcome !== undefined && 'error' in outcome) throw outcome.error
  })
  if (outcome === undefined || !process.alive) return
  const { startOffset } = log
  partition.check(startOffset >= before && startOffset <= Math.max(before, most), () => `the log began at ${before}, and begins at ${startOffset}`)
  model.start = startOffset
  if ('value' in outcome) model.starting = startOffset
  process.world.note(`  begins at ${startOffset}, ${log.segmentCount} segments`)
  process.world.counts.deletions++
}

/** Opens a fenced partition again, at first perhaps while the disk still fails. */
export async function reopen(process: Process, partition: Partition): Promise<void> {
  const { world } = process
  const { log, model } = partition
  if (log.state !== 'fenced') return
  if (world.draw.once(2)) process.heal()
  const healthy = process.healthy
  const keeps = Math.min(log.durableOffset, model.cutting)
  const endsBelow = log.durableOffset
  const { given } = model
  const opened = await process.settled(log.reopen())
  if (opened === undefined) return
  if ('error' in opened) {
    partition.check(process.explained(opened.error), () => `a reopen failed: ${String(opened.error)}`)
    partition.check(!healthy || process.robbed, () => `a reopen failed on a healthy disk: ${String(opened.error)}`)
    partition.check(log.state === 'fenced', () => `a reopen failed, and the log is ${log.state}`)
    return
  }
  partition.check(!process.robbed, () => 'a log without its lock was opened again')
  world.counts.reopens++
  forgetReaders(partition)
  partition.seenFrom = log.nextOffset
  partition.check(log.nextOffset >= given, () => `offset ${log.nextOffset} is the next one, and was given out before: up to ${given}`)
  process.whileAlive(() => compare(process, partition, { keeps, endsBelow }))
}

/** Lets time pass: what waits for it happens. */
export async function passTime(process: Process): Promise<void> {
  const { world, partitions } = process
  const { durability, flushIntervalMs } = world.settings.config
  const before = partitions.map(({ log }) => ({ acknowledged: log.durableOffset, epoch: log.leaderEpoch }))
  const ms = world.draw.int(world.draw.pick(20, 3000))
  await world.clock.advance(ms)
  if (!process.alive || durability !== 'interval' || ms <= flushIntervalMs) return
  for (const [number, { log, model }] of partitions.entries()) {
    const { acknowledged, epoch } = before[number]!
    if (log.state === 'open' && log.leaderEpoch === epoch) model.flushed = Math.max(model.flushed, acknowledged)
  }
}

/** A batch goes whole: below where the one that holds `offset` begins nothing may go, as far as it can be told from what is written. */
function batchStart(process: Process, partition: Partition, offset: number): number {
  const { batches } = storedBatches(process.disk, folderOf(partition.number))
  const holder = batches.find(({ header }) => header.lastOffset >= offset)
  if (holder !== undefined) return Math.min(offset, holder.header.baseOffset)
  const written = batches.at(-1)?.header.lastOffset ?? -1
  return Math.min(offset, written + 1)
}

function forgetReaders(partition: Partition): void {
  partition.readers.fill(undefined)
}
