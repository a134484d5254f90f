import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { type LogConfig } from '../../src/log/config.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { CompactedLog, type Step } from './compaction-model.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

const small: Partial<LogConfig> = { cleanupPolicy: 'compact', segmentBytes: 400, batchSize: 150, indexIntervalBytes: 100 }

async function opened(config: Partial<LogConfig> = {}): Promise<Opened & { clock: ManualClock; files: MemoryFileSystem }> {
  const clock = new ManualClock()
  const files = new MemoryFileSystem({ clock })
  files.createFolderSync('/log')
  return { ...(await openLog(files, '/log', { ...small, ...config }, { clock })), clock, files }
}

async function put(log: PartitionLog, key: string, value: string | null): Promise<number> {
  const offset = log.append(textCodecs, { key, value })
  await log.durable(offset)
  return offset
}

function all(log: PartitionLog): string[] {
  return [...log.read(textCodecs)].map(({ offset, key, value }) => `${offset} ${key}=${value}`)
}

test('the last record of each key stays, at its offset and in its place', async () => {
  const { log, close } = await opened()
  for (let offset = 0; offset < 100; offset++) await put(log, `k${offset % 7}`, `v${offset}`)
  await log.roll()
  const before = all(log)
  const report = await log.clean()
  expect(all(log)).toEqual(before.slice(93))
  expect(report).toMatchObject({ from: 0, to: 100, complete: true, keys: 7, recordsBefore: 100, recordsAfter: 7 })
  expect([log.startOffset, log.nextOffset]).toEqual([0, 100])
  await close()
})

const key = fc.nat(9)
const keys = fc.array(key, { minLength: 1, maxLength: 6 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('append' as const), key, tombstone: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('batch' as const), keys, compression: fc.constantFrom('none' as const, 'gzip' as const, 'lz4' as const), producer: fc.nat(2),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('transaction' as const), keys, producer: fc.nat(2) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('end' as const), producer: fc.nat(2), type: fc.constantFrom('COMMIT' as const, 'ABORT' as const) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('roll' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('clean' as const), whole: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(1500) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('disturbed' as const), calls: fc.nat(60), by: fc.constantFrom('kill' as const, 'power cut' as const, 'failure' as const),
    }),
  },
)

test('whatever is appended, aborted, cleaned and disturbed in between, readers get what a naive model keeps', async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), fc.constantFrom(Infinity, Infinity, 1500, 5000), fc.nat(),
    async (steps, bufferBytes, seed) => {
      const model = new CompactedLog((clock) => new SimulatedDisk({ seed, clock }), { bufferBytes })
      await model.open()
      for (const one of [...steps, { do: 'roll' } as const, { do: 'clean', whole: true } as const]) {
        await model.run(one)
        expect(model.problem(model.read())).toBe(undefined)
      }
      const cleaned = model.log.dirtiness(model.clock.now())
      expect(cleaned.cleanableBytes).toBe(0)
      const end = model.entries.find(({ transaction }) => transaction?.state === 'open') === undefined ? model.log.nextOffset : 0
      expect(model.problem(model.read(), end)).toBe(undefined)
      await model.opened.close()
      expect(await model.damage()).toEqual([])
      expect(model.disk.openHandles).toBe(0)
    },
  ), { numRuns: Number(process.env['RUNS'] ?? 60), timeout: 5000, endOnFailure: true })
}, 120_000)
