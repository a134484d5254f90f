/*
 * Many streams against a version and a hash for each: 20,000 events in 1,000 streams. `node test/tools/many-streams.ts` does the same with ten
 * millions in half a million.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { eventStore } from '../../src/events/event-store.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { Many, ManyStreams } from './many-streams.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test('many streams have their versions and one order, whatever runs into each other, also after a close and a kill', async () => {
  const random = seededRandom(SEED)
  let disk = new SimulatedDisk({ seed: SEED, journalLimit: 10 })
  const streams = new ManyStreams(1000, 20)
  for (const end of ['kill', 'close', 'kill', 'close'] as const) {
    try {
      const log = await CommitLog.open('/log', { files: disk, random: seededRandom(random.int(2 ** 31)), minFreeBytes: 0 })
      const store = await eventStore(log, Many)
      await streams.append(store, random, 5000, { add: () => {} })
      await streams.readSome(store, random, 100)
      if (end === 'kill') {
        let killed = false
        const rest = streams.append(store, random, 500, { add: () => {} }, () => killed)
        await new Promise((resolve) => { setImmediate(resolve) })
        killed = true
        disk = disk.crash({ power: false })
        await rest
      } else await log.close()
      const next = await CommitLog.open('/log', { files: disk, random: seededRandom(random.int(2 ** 31)), minFreeBytes: 0 })
      const reopened = await eventStore(next, Many)
      await streams.check(reopened, end === 'kill')
      await streams.readSome(reopened, random, 500)
      await next.close()
    } catch (error) {
      throw new Error(`SEED=${SEED}: ${(error as Error).message}`, { cause: error })
    }
  }
  expect([streams.counts.conflicts > 50, streams.counts.commands > 50, streams.counts.several > 50]).toEqual([true, true, true])
})
