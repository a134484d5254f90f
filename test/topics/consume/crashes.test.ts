/*
 * A crash at every call to the disk while records are handled, given up, handed to the dead letters and committed: the process is killed, or
 * the power cut, and the next one goes on. No record is lost, none is among the dead letters twice, and none that was committed comes again.
 *
 * SEED=<seed> repeats a run.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { CommitLog, isLogError, string, type Topic } from '../../../src/index.ts'
import { type DiskCall } from '../../../src/testing/disk-faults.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.ts'
import { type ConsumeOptions } from '../../../src/topics/consume/options.ts'
import { collect } from '../harness.ts'
import { ended, quiet } from '../simulated-log.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const VALUES = ['a', '-1', 'b', 'c', '-2', 'd', '-3', 'e']
const READS: readonly string[] = ['stat', 'list', 'read', 'readAsync', 'size', 'free', 'lock', 'lockHolder']

interface Opened {
  readonly log: CommitLog
  readonly clock: ManualClock
  readonly topic: Topic<string, string>
}

async function opened(disk: SimulatedDisk): Promise<Opened> {
  const clock = new ManualClock({ settle: () => quiet(disk) })
  const log = await ended(CommitLog.open('/log', { files: disk, clock, random: seededRandom(disk.seed + disk.callCount) }))
  return { log, clock, topic: await ended(log.topic<string, string>('t', { partitions: 2, key: string, value: string })) }
}

/** Waits in memory, and waits in a retry topic. */
const kinds: readonly { readonly name: string; readonly options: ConsumeOptions }[] = [
  { name: 'a wait in memory', options: { group: 'g', order: 'key', retry: { attempts: 2, delay: 50 }, autoCommitIntervalMs: 20 } },
  {
    name: 'a wait in the retry topic',
    options: { group: 'g', order: 'key', retry: { attempts: 2, delay: 50, topic: true, withinMs: 10 }, autoCommitIntervalMs: 20 },
  },
]

/** Consumes until everything ended somewhere, and stops. */
async function consumed(
  { topic, clock }: Opened, options: ConsumeOptions, handled: Set<string>, again: ReadonlySet<string> = new Set(),
): Promise<void> {
  const running = topic.consume(options, async ({ value, attempt }) => {
    expect(again.has(value!), `${value} was committed as finished and comes again, attempt ${attempt}`).toBe(false)
    if (value!.startsWith('-')) throw new Error('never')
    handled.add(value!)
  })
  let failure: { readonly error: unknown } | undefined
  running.done.catch((error: unknown) => { failure = { error } })
  for (let step = 0; step < 30; step++) await ended(clock.advance(20))
  let isOver = false
  const stopped = running.stop().then(() => { isOver = true })
  await ended(clock.advance(1))
  for (let second = 0; !isOver && second < 40; second++) await ended(clock.advance(1000))
  await ended(stopped)
  if (failure !== undefined) throw failure.error
}

/** The values of the dead letters. */
async function dead({ topic }: Opened): Promise<(string | null)[]> {
  return (await collect(topic.deadLetters('g').list())).map(({ record }) => record.value).sort()
}

for (const { name, options } of kinds) {
  test(`with ${name}, whichever call to the disk a crash comes at, nothing is lost and nothing is there twice`, async () => {
    const left: { readonly disk: SimulatedDisk; readonly what: string; readonly handled: ReadonlySet<string> }[] = []
    const handled = new Set<string>()
    let watching = false
    const onCall = ({ number, verb, path }: DiskCall, disk: SimulatedDisk): void => {
      if (!watching || disk !== first || READS.includes(verb)) return
      const power = number % 2 === 0
      const what = `SEED=${SEED}, call ${number}: ${verb} ${path}, ${power ? 'power cut' : 'killed'}`
      left.push({ disk: disk.fork(SEED + number, { power }), what, handled: new Set(handled) })
    }
    const first: SimulatedDisk = new SimulatedDisk({ seed: SEED, onCall })
    const log = await opened(first)
    await ended(log.topic.send(VALUES.map((value, index) => ({ key: `k${index}`, value, partition: index % 2 }))))
    watching = true
    await consumed(log, options, handled)
    watching = false
    expect(await dead(log)).toEqual(['-1', '-2', '-3'])
    await ended(log.log.close())
    expect(left.length).toBeGreaterThan(20)
    for (const { disk, what, handled: before } of left) {
      const next = await opened(disk)
      const all = new Set(before)
      await consumed(next, options, all)
      expect([...all].sort(), what).toEqual(['a', 'b', 'c', 'd', 'e'])
      expect(await dead(next), what).toEqual(['-1', '-2', '-3'])
      // And everything is committed: nothing comes again.
      await consumed(next, options, new Set(), new Set(VALUES))
      await ended(next.log.close())
    }
  }, 240_000)
}

test('whichever call to the disk a crash comes at while dead letters are replayed, each goes back once', async () => {
  const left: { readonly disk: SimulatedDisk; readonly what: string }[] = []
  let watching = false
  const onCall = ({ number, verb, path }: DiskCall, disk: SimulatedDisk): void => {
    if (!watching || disk !== first || READS.includes(verb)) return
    const power = number % 2 === 0
    const what = `SEED=${SEED}, call ${number}: ${verb} ${path}, ${power ? 'power cut' : 'killed'}`
    left.push({ disk: disk.fork(SEED + number, { power }), what })
  }
  const first: SimulatedDisk = new SimulatedDisk({ seed: SEED, onCall })
  const log = await opened(first)
  await ended(log.topic.send(VALUES.map((value, index) => ({ key: `k${index}`, value, partition: index % 2 }))))
  await consumed(log, kinds[0]!.options, new Set())
  watching = true
  await ended(log.topic.deadLetters('g').replay({ where: ({ record }) => record.value !== '-1' }))
  await ended(log.topic.deadLetters('g').replay())
  watching = false
  expect(backOf(log)).toEqual(['-1', '-2', '-3'])
  await ended(log.log.close())
  expect(left.length).toBeGreaterThan(5)
  for (const { disk, what } of left) {
    const next = await opened(disk)
    await ended(next.topic.deadLetters('g').replay())
    expect(backOf(next), what).toEqual(['-1', '-2', '-3'])
    await ended(next.log.close())
  }
}, 240_000)

/** What lies behind the records that were there at first. */
function backOf({ topic }: Opened): (string | null)[] {
  return [0, 1].flatMap((partition) => [...topic.partition(partition).read({ from: VALUES.length / 2 })].map(({ value }) => value)).sort()
}

test('whichever call to the disk fails, a consumption goes on or says why it ends, and the next one finds everything once', async () => {
  let failed = 0
  let endedBy = 0
  for (let call = SEED % 5; call < 300; call += 5) {
    const disk = new SimulatedDisk({ seed: SEED })
    const log = await opened(disk)
    await ended(log.topic.send(VALUES.map((value, index) => ({ key: `k${index}`, value, partition: index % 2 }))))
    const handled = new Set<string>()
    const heal = disk.failCall(1 + call)
    const { options } = kinds[call % 2]!
    try {
      await consumed(log, options, handled)
    } catch (error) {
      expect(isLogError(error), `SEED=${SEED}, call ${call}: ${String(error)}`).toBe(true)
      endedBy++
    }
    if (disk.journal.some(({ outcome }) => outcome !== 'ok')) failed++
    heal()
    await ended(log.log.close()).catch(() => {})
    const next = await opened(disk)
    await consumed(next, options, handled)
    expect([...handled].sort(), `SEED=${SEED}, call ${call}`).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(await dead(next), `SEED=${SEED}, call ${call}`).toEqual(['-1', '-2', '-3'])
    await ended(next.log.close())
  }
  expect(failed).toBeGreaterThan(20)
  expect(endedBy).toBeGreaterThan(0)
}, 240_000)
