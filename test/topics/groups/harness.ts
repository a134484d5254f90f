/*
 * What tests of groups share: open folders without the handles of users, and turns of the event loop.
 */
import { type Clock } from '../../../src/base/clock.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { type FileSystem } from '../../../src/files/file-system.ts'
import { MemoryFileSystem } from '../../../src/files/memory.ts'
import { type CoreOptions, LogCore } from '../../../src/topics/log-core.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { afterwards } from '../harness.ts'

/** Opens a folder; in memory unless another file system is given. */
export async function openCore(options: Partial<CoreOptions> & { readonly files?: FileSystem; readonly clock?: Clock } = {}): Promise<LogCore> {
  const clock = options.clock ?? new ManualClock()
  const core = await LogCore.open({
    files: new MemoryFileSystem({ clock }), folder: '/memory', clock, random: seededRandom(1), readOnly: false, create: true, waitMs: 0,
    signal: undefined, settings: {}, bufferBytes: 1 << 20, windowBytes: 1 << 20, minFreeBytes: 0, ...options,
  })
  afterwards(() => core.close().catch(() => {}))
  return core
}

/** A folder in memory with topics of so many partitions. */
export async function folder(topics: Record<string, number>, clock = new ManualClock()): Promise<LogCore> {
  const core = await openCore({ clock })
  for (const [name, partitions] of Object.entries(topics)) await addTopic(core, name, partitions)
  return core
}

/** Makes a topic, or adds partitions. */
export async function addTopic(core: LogCore, name: string, partitions: number): Promise<void> {
  await core.openTopic({
    name, partitions, key: undefined, value: undefined, settings: {}, create: true, newKey: 'string', newValue: 'bytes',
  })
}

/** Lets the event loop turn. */
export async function turns(count = 30): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
