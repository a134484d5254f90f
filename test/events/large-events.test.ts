/*
 * Events of any size, read from files one behind the other.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventStore } from '../../src/events/event-store.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { CommitLog } from '../../src/index.ts'

type Noted = { readonly type: 'Noted'; readonly data: string }

test('a stream is read from files again and again, whatever the sizes of its events', async () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1500, max: 2500 }), fc.integer({ min: 3000, max: 30_000 }))
  const appends = fc.array(fc.array(size, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 8 })
  await fc.assert(fc.asyncProperty(appends, async (sizes) => {
    const files = new MemoryFileSystem()
    const log = await CommitLog.open('/log', { files, minFreeBytes: 0 })
    const notes = await eventStore<Noted>(log, { category: 'note' })
    for (const [append, some] of sizes.entries()) {
      await notes.append('a', some.map((length, index) => ({ type: 'Noted', data: `${append}.${index}:`.padEnd(length, 'x') })))
    }
    const written = (await notes.read('a')).events.map(({ data }) => data)
    await log.close()
    // Of a log that was just opened nothing is in memory; the second time each batch is known to be whole, and records are read alone.
    const again = await CommitLog.open('/log', { files, minFreeBytes: 0 })
    const store = await eventStore<Noted>(again, { category: 'note' })
    for (let turn = 0; turn < 3; turn++) expect((await store.read('a')).events.map(({ data }) => data)).toEqual(written)
    await again.close()
  }), { numRuns: 40, verbose: true })
})
