/*
 * A writer process on the real disk is killed with SIGKILL again and again, while it appends and while it recovers, and the next one goes on
 * in the same folder. A kill takes no power away: with every durability what was acknowledged must be there. Values say where their record
 * belongs and which process wrote it, so whoever reads can tell what is lost, twice, out of order or invented.
 *
 * KILLS=<n> kills so many processes with each durability; SEED=<seed> draws the same moments, as far as processes keep to that.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { diskFileSystem } from '../../src/files/disk.ts'
import { type Durability } from '../../src/log/config.ts'
import { type PartitionStats } from '../../src/topics/partition.ts'
import { allFindings, verifyLog } from '../../src/topics/verify-log.ts'
import { diskLog, freshFolder } from './harness.ts'
import { type LogChild, LogWorkshop } from './log-children.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const KILLS = Number(process.env['KILLS'] ?? 10)
const PARTITIONS = [0, 1]
/** A process is killed at the latest when it has acknowledged so many appends. */
const MOST_APPENDS = 250
/** One that opens the folder, at the latest after so many turns of our event loop. */
const MOST_TURNS = 20_000

let workshop: LogWorkshop

beforeAll(async () => { workshop = await LogWorkshop.make() })
afterEach(() => workshop.killAll())
afterAll(() => workshop.remove())

/** The records from an offset on, up to the next one's, were written by a process. */
interface Shift {
  readonly from: number
  readonly pid: number
}

for (const durability of ['sync', 'interval', 'os'] as const) {
  test(`what a process acknowledged before its SIGKILL is there once and in order, durability '${durability}'`, async () => {
    const random = seededRandom(SEED)
    const folder = freshFolder()
    const shifts: Shift[][] = PARTITIONS.map(() => [])
    let acknowledged = PARTITIONS.map(() => 0)
    let next = workshop.start()
    for (let kill = 0; kill < KILLS; kill++) {
      const child = await next
      next = workshop.start()
      if (kill % 4 === 3) await killedOpening(child, folder, random.int(MOST_TURNS))
      else {
        for (const { partition, nextOffset } of await opened(child, folder, durability)) {
          expect(nextOffset, `SEED=${SEED}, kill ${kill}, partition ${partition}`).toBeGreaterThanOrEqual(acknowledged[partition]!)
          shifts[partition]!.push({ from: nextOffset, pid: child.pid })
        }
        await killedWriting(child, 1 + random.int(MOST_APPENDS))
        acknowledged = PARTITIONS.map((partition) => Math.max(acknowledged[partition]!, child.acknowledged(partition)))
      }
      expect(await damage(folder), `SEED=${SEED}, kill ${kill}`).toEqual([])
    }
    await next
    const records = await checkRecords(folder, shifts, acknowledged)
    console.log(`${durability}: ${KILLS} kills, ${records} records, SEED=${SEED}`)
  }, 60_000 + KILLS * 2000)
}

/** Opens the topic, and tells how far its partitions go. */
async function opened(child: LogChild, folder: string, durability: Durability): Promise<PartitionStats[]> {
  await child.open(folder, 't', { partitions: PARTITIONS.length, settings: { durability, segmentBytes: 4096, indexIntervalBytes: 200 } })
  return Promise.all(PARTITIONS.map((partition) => child.stats('t', partition)))
}

/** Kills a process while it opens the folder: what it is told to do never ends. */
async function killedOpening(child: LogChild, folder: string, turns: number): Promise<void> {
  void child.open(folder, 't')
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
  await child.kill()
}

/** Lets a process write, and kills it in the middle of that. */
async function killedWriting(child: LogChild, appends: number): Promise<void> {
  for (const partition of PARTITIONS) await child.tell('write', { topic: 't', partition })
  await child.until((said) => said.length > appends / 2)
  void child.tell('roll', { topic: 't', partition: 0 })
  await child.until((said) => said.length > appends)
  await child.kill()
}

async function damage(folder: string): Promise<unknown[]> {
  return allFindings(await verifyLog(diskFileSystem, folder, { clock: systemClock })).filter(({ kind }) => kind === 'damage')
}

/** Opens the folder a last time and reads everything; gives how many records there are. */
async function checkRecords(folder: string, shifts: readonly (readonly Shift[])[], acknowledged: readonly number[]): Promise<number> {
  const log = await diskLog(folder)
  const topic = await log.topic<string, string>('t')
  let count = 0
  for (const partition of PARTITIONS) {
    const found = [...topic.partition(partition).read()].map(({ offset, value }) => `${offset}: ${value}`)
    const writer = (offset: number): number => shifts[partition]!.findLast(({ from }) => from <= offset)!.pid
    expect(found, `SEED=${SEED}`).toEqual(found.map((_, offset) => `${offset}: ${partition}/${offset}/${writer(offset)}`))
    expect(found.length, `SEED=${SEED}`).toBeGreaterThanOrEqual(acknowledged[partition]!)
    count += found.length
  }
  await log.close()
  expect(await damage(folder)).toEqual([])
  return count
}
