/*
 * A process that stood still so long that another one took its folder, and then goes on: whatever it is asked to do, it changes nothing of
 * what the other one wrote.
 */
import { expect, test } from 'vitest'
import { CommitLog, defineTopic, json, type Topic } from '../../src/index.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Durability } from '../../src/log/config.ts'
import { afterwards, collect } from './harness.ts'

const Numbers = defineTopic('numbers', { value: json<number>() })

/** The same disk as another process sees it: what is open is not shared with it. */
function elsewhere(disk: SimulatedDisk): FileSystem {
  return new Proxy(disk, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

async function opened(files: FileSystem, durability: Durability): Promise<{ log: CommitLog; topic: Topic<string, number> }> {
  const log = await CommitLog.open('/data', { files, durability })
  afterwards(() => void log.close().catch(() => {}))
  return { log, topic: await log.topic(Numbers) }
}

const acts: Readonly<Record<string, (log: CommitLog, topic: Topic<string, number>) => Promise<unknown>>> = {
  'makes a topic': (log) => log.topic('other'),
  'opens a topic': (log) => log.topic('second'),
}

for (const durability of ['sync', 'os'] as const) {
  for (const [what, act] of Object.entries(acts)) {
    test(`${durability}: who lost the lock changes nothing when it ${what}`, async () => {
      const disk = new SimulatedDisk()
      const first = await opened(disk, durability)
      await (await first.log.topic('second')).send({ value: 0 })
      await first.log.close()
      const stopped = await opened(disk, durability)
      for (let value = 0; value < 3; value++) await stopped.topic.send({ value })
      disk.stealLock('/data')
      const next = await opened(elsewhere(disk), durability)
      const second = await next.log.topic('second')
      await second.send({ value: 1 })
      await next.log.topic('third')
      for (let value = 3; value < 8; value++) await next.topic.send({ value })
      const before = disk.paths().map((path) => [path, Buffer.from(disk.bytes(path)).toString('base64')])
      await act(stopped.log, stopped.topic).catch(() => {})
      expect(disk.paths().map((path) => [path, Buffer.from(disk.bytes(path)).toString('base64')])).toEqual(before)
      await next.topic.send({ value: 8 })
      const after = await opened(disk.crash({ power: false }), durability)
      expect((await collect(after.topic.consumer({ until: 'end' }))).map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
      expect((await after.log.topics()).map(({ name }) => name)).toEqual(['numbers', 'second', 'third'])
    })
  }
}
