import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { type FileStat, type FileSystem, type OpenMode } from '../../src/files/file-system.ts'
import { type LogRecord } from '../../src/log/record.ts'
import { type RecordCursor } from '../../src/log/cursor.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { CompactedLog, type Step } from './compaction-model.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

/** A read that a follower has begun, and how far it is. */
interface Reading {
  readonly cursor: RecordCursor<string, string>
  readonly from: number
  readonly to: number
  readonly seen: { offset: number; key: string; value: string | null }[]
  done: boolean
}

async function takeSome(reading: Reading, count: number): Promise<void> {
  for (let left = count; left > 0 && !reading.done; left--) {
    let record: LogRecord<string, string> | undefined = reading.cursor.take()
    while (record === undefined && reading.cursor.blocked) {
      await reading.cursor.fill()
      record = reading.cursor.take()
    }
    if (record === undefined) reading.done = true
    else reading.seen.push({ offset: record.offset, key: record.key!, value: record.value })
  }
}

function drawStep(random: { int(below: number): number }, number: number): Step {
  const dice = random.int(20)
  const keys = Array.from({ length: 1 + random.int(5) }, () => random.int(10))
  if (dice < 9) return { do: 'append', key: random.int(10), tombstone: random.int(4) === 0 }
  if (dice < 12) return { do: 'batch', keys, compression: random.int(2) === 0 ? 'gzip' : 'none', producer: random.int(3) }
  if (dice < 14) return { do: 'transaction', keys, producer: random.int(2) }
  if (dice < 15) return { do: 'end', producer: random.int(2), type: random.int(2) === 0 ? 'COMMIT' : 'ABORT' }
  if (dice < 17) return { do: 'roll' }
  return number % 7 === 0 ? { do: 'wait', ms: random.int(1500) } : { do: 'clean', whole: true }
}

/** A writer that compacts and readers beside it, as `seed` draws them. */
async function follow(
  seed: number, how: { readonly durability: 'sync' | 'os'; readonly refreshes: boolean; readonly blind?: boolean },
): Promise<void> {
  const random = seededRandom(seed)
  const model = new CompactedLog((clock) => new SimulatedDisk({ seed, clock }), { config: { durability: how.durability } })
  await model.open()
  let follower: Opened | undefined
  const readings: Reading[] = []
  for (let number = 0; number < 150; number++) {
    await model.run(drawStep(random, number))
    if (number === 5) await model.log.flush()
    if (number > 5 && follower === undefined) {
      const files = how.blind === true ? blind(model.disk) : model.disk
      follower = await openLog(files, '/log', model.config, { clock: model.clock, readOnly: true, following: true, create: false })
    }
    if (follower === undefined) continue
    if (how.refreshes || random.int(5) === 0) follower.log.lookAgain()
    if (random.int(3) === 0) readings.push(begin(follower.log, random))
    for (const reading of readings) if (random.int(2) === 0) await takeSome(reading, random.int(8))
  }
  for (const reading of readings) {
    await takeSome(reading, Infinity)
    check(model, reading)
  }
  await follower?.log.close()
  follower?.env.openFiles.closeAll()
  await model.opened.close()
  expect(model.disk.openHandles).toBe(0)
}

function begin(log: PartitionLog, random: { int(below: number): number }): Reading {
  const { startOffset, nextOffset } = log
  const from = startOffset + random.int(nextOffset - startOffset + 1)
  const cursor = random.int(2) === 0 ? log.read(textCodecs, { from }) : log.follow(textCodecs, { from })
  return { cursor, from, to: cursor.end, seen: [], done: false }
}

/** A disk on which every file looks the same: a fault that the test must find. */
function blind(disk: SimulatedDisk): FileSystem {
  return new Proxy(disk, {
    get(target, verb) {
      const value: unknown = Reflect.get(target, verb, target)
      if (verb === 'statSync') return (path: string) => sameFor(target.statSync(path))
      if (verb === 'openSync') {
        return (path: string, mode: OpenMode) => Object.assign(target.openSync(path, mode), { identitySync: () => 'same' })
      }
      return typeof value === 'function' ? (value as (...given: unknown[]) => unknown).bind(target) : value
    },
  })
}

function sameFor(stat: FileStat | undefined): FileStat | undefined {
  return stat === undefined ? undefined : { ...stat, identity: 'same' }
}

test('whoever reads beside a writer that compacts goes on by offset over what is replaced: nothing is skipped, made up or read twice', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(), fc.constantFrom('sync' as const, 'os' as const), fc.boolean(), (seed, durability, refreshes) => (
    follow(seed, { durability, refreshes })
  )), { numRuns: Number(process.env['RUNS'] ?? 15), endOnFailure: true })
}, 120_000)

test('a reader that takes every file of the right name for its own is found out', async () => {
  let found = false
  // Most such readers look again and find their place by offset; 159 is known to show one that does not.
  for (let seed = 150; seed < 180 && !found; seed++) {
    found = await follow(seed, { durability: 'os', refreshes: false, blind: true }).then(() => false, () => true)
  }
  expect(found).toBe(true)
}, 120_000)

/** What was read is what was appended, in its order; of each key the last record is there, if it was in the range. */
function check(model: CompactedLog, { from, to, seen }: Reading): void {
  const all = model.entries.filter(({ transaction }) => transaction?.state !== 'aborted')
  const byOffset = new Map(all.map((entry) => [entry.offset, entry]))
  seen.forEach(({ offset, key, value }, index) => {
    expect(byOffset.get(offset)).toMatchObject({ key, value })
    if (index > 0) expect(offset).toBeGreaterThan(seen[index - 1]!.offset)
  })
  const last = new Map(all.map(({ key, offset }) => [key, offset]))
  const due = all.filter(({ offset, key, value }) => offset >= from && offset < to && last.get(key) === offset && value !== null)
  const given = new Set(seen.map(({ offset }) => offset))
  expect(due.filter(({ offset }) => !given.has(offset))).toEqual([])
}
