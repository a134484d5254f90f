/*
 * Read, process, write, commit: a pipeline whose outputs and offsets go in one transaction, with a crash at every call to the disk. Whatever the
 * crash, and whatever crashes again while the next process recovers, each input has its effect once.
 *
 * CRASHES=<n> makes n of them at each call; SEED=<seed> repeats a run.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { CommitLog, string, type Topic } from '../../../src/index.ts'
import { type DiskCall } from '../../../src/testing/disk-faults.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.ts'
import { ended } from '../simulated-log.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const CRASHES = Number(process.env['CRASHES'] ?? 1)
const INPUTS = 9
const QUIET: readonly string[] = ['stat', 'list', 'read', 'readAsync', 'size', 'free', 'lock', 'lockHolder']

interface Opened {
  readonly log: CommitLog
  readonly input: Topic<string, string>
  readonly output: Topic<string, string>
}

async function open(disk: SimulatedDisk, clock = new ManualClock()): Promise<Opened> {
  const log = await CommitLog.open('/log', { files: disk, clock, random: seededRandom(disk.seed) })
  const input = await log.topic('input', { key: string, value: string, partitions: 2 })
  const output = await log.topic('output', { key: string, value: string, partitions: 2 })
  return { log, input, output }
}

/** Everything that is there is read, and leaves one output each. */
async function runPipeline({ log, input, output }: Opened): Promise<void> {
  const consumer = input.consumer({ group: 'pipeline', autoCommit: false, until: 'end' })
  for await (const batch of consumer.batches()) {
    await log.transaction(async (tx) => {
      for (const { key, value } of batch) void tx.send(output, { key, value: `done ${value}` })
      await tx.commitOffsets(consumer, batch)
    })
  }
  await consumer.close()
}

const outputs = ({ output }: Opened): string[] => output.partitions.flatMap((partition) => [...partition.read()].map(({ value }) => value!)).sort()

async function committed({ log }: Opened): Promise<number> {
  const groups = await log.core.groups()
  return groups.offsets.fetch('pipeline').reduce((sum, { offset }) => sum + Math.max(0, offset), 0)
}

const expected = Array.from({ length: INPUTS }, (_, index) => `done ${index}`).sort()

interface Left {
  readonly what: string
  readonly disk: SimulatedDisk
}

/** What a crash leaves at each call of `disk` from now on that changes something. */
function crashAtEachCall(left: Left[], before: string): (call: DiskCall, disk: SimulatedDisk) => void {
  let calls = 0
  return (call, disk) => {
    if (QUIET.includes(call.verb)) return
    calls++
    for (let crash = 0; crash < CRASHES; crash++) {
      const power = (calls + crash) % 2 === 0
      const what = `${before}${power ? 'power cut' : 'killed'} at call ${calls} (${call.verb} ${call.path})`
      left.push({ what, disk: disk.fork(SEED + calls * 31 + crash, { power }) })
    }
  }
}

test('each input has its effect once, whichever call to the disk a crash comes at', async () => {
  let listen: ((call: DiskCall, disk: SimulatedDisk) => void) | undefined
  const disk = new SimulatedDisk({ seed: SEED, onCall: (call, of) => { if (of === disk) listen?.(call, of) } })
  const first = await ended(open(disk))
  for (let index = 0; index < INPUTS; index++) await ended(first.input.send({ key: `k${index}`, value: `${index}`, partition: index % 2 }))
  const left: Left[] = []
  listen = crashAtEachCall(left, '')
  await ended(runPipeline(first))
  await ended(first.log.close())
  listen = undefined
  for (const { what, disk: after } of left) {
    try {
      const next = await ended(open(after))
      // Outputs and offsets agree: all of a transaction or nothing.
      expect(outputs(next).length).toBe(await ended(committed(next)))
      await ended(runPipeline(next))
      expect(outputs(next)).toEqual(expected)
      await ended(next.log.close())
      expect(after.openHandles).toBe(0)
    } catch (error) {
      throw new Error(`SEED=${SEED}, ${what}: ${String(error)}\n${after.report()}`, { cause: error })
    }
  }
  console.log(`exactly once: ${left.length} crashes, SEED=${SEED}`)
  expect(left.length).toBeGreaterThan(50)
}, 120_000)

test('a transaction that fails leaves neither outputs nor offsets, and the next try has both', async () => {
  const one = await open(new SimulatedDisk({ seed: SEED }))
  await one.input.send({ key: 'k', value: '0' })
  const consumer = one.input.consumer({ group: 'pipeline', autoCommit: false, until: 'end' })
  for await (const record of consumer) {
    await expect(one.log.transaction(async (tx) => {
      await tx.send(one.output, { value: 'half' })
      await tx.commitOffsets(consumer, record)
      throw new Error('mine')
    })).rejects.toThrow('mine')
    expect([outputs(one), await committed(one)]).toEqual([[], 0])
    // What is in hand is what a transaction commits when nothing is named.
    await one.log.transaction(async (tx) => {
      await tx.send(one.output, { value: 'whole' })
      await tx.commitOffsets(consumer)
    })
  }
  expect([outputs(one), await committed(one)]).toEqual([['whole'], 1])
  await expect(one.log.transaction((tx) => tx.commitOffsets(one.input.consumer({ group: 'other' }) as never))).rejects.toThrow(TypeError)
  await one.log.transaction((tx) => tx.commitOffsets('by hand', [{ topic: 'input', partition: 0, offset: 1, metadata: 'm' }]))
  const groups = await one.log.core.groups()
  expect(groups.offsets.fetch('by hand')).toMatchObject([{ topic: 'input', partition: 0, offset: 1, metadata: 'm' }])
  await one.log.close()
})
