/*
 * A process that stood still so long that another one took its folder, and then goes on: whatever it is asked to do, it changes nothing of
 * what the other one wrote.
 */
import { expect, test } from 'vitest'
import { CommitLog, defineTopic, json, type Topic } from '../../src/index.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { type SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Durability } from '../../src/log/config.ts'
import { freshDisk } from '../tools/fresh-disk.ts'
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
  'sends': (_, topic) => topic.send({ value: 100 }),
  'appends and flushes': async (_, topic) => {
    for (let value = 100; value < 110; value++) topic.partition(0).append({ value })
    await topic.partition(0).flush()
  },
  'starts a segment': (_, topic) => topic.partition(0).roll(),
  'cuts the log': (_, topic) => topic.partition(0).truncate(1),
  'reopens a partition': (_, topic) => topic.partition(0).reopen(),
  'makes a topic': (log) => log.topic('other'),
  'opens a topic': (log) => log.topic('second'),
  'closes': (log) => log.close(),
}

for (const durability of ['sync', 'os'] as const) {
  for (const [what, act] of Object.entries(acts)) {
    test(`${durability}: who lost the lock changes nothing when it ${what}`, async () => {
      const disk = freshDisk()
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
      await stopped.log.close().catch(() => {})
      expect(disk.paths().map((path) => [path, Buffer.from(disk.bytes(path)).toString('base64')])).toEqual(before)
      await next.topic.send({ value: 8 })
      const after = await opened(disk.crash({ power: false }), durability)
      expect((await collect(after.topic.consumer({ until: 'end' }))).map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
      expect((await after.log.topics()).map(({ name }) => name)).toEqual(['numbers', 'second', 'third'])
    })
  }
}

for (const durability of ['sync', 'os'] as const) {
  test(`${durability}: a lock that cannot be read rejects who waits, and a reopen goes on`, async () => {
    const disk = freshDisk()
    let doubt = false
    let fails = false
    const files: FileSystem = new Proxy(elsewhere(disk), {
      get: (target, name) => (name === 'lock' ? locked : (Reflect.get(target, name) as unknown)),
    })
    const locked: FileSystem['lock'] = async (folder, options) => {
      const lock = await disk.lock(folder, options)
      return {
        holder: lock.holder,
        get confirmed() { return !doubt },
        confirm: async () => {
          if (fails) throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE', syscall: 'open' })
          doubt = false
          return true
        },
        release: () => lock.release(),
      }
    }
    const { topic } = await opened(files, durability)
    await topic.send({ value: 0 })
    doubt = fails = true
    await expect(topic.send({ value: 1 })).rejects.toMatchObject({ code: 'LOG_FENCED', cause: expect.objectContaining({ code: 'EMFILE' }) })
    fails = false
    await topic.partition(0).reopen()
    await topic.send({ value: 2 })
    expect((await collect(topic.consumer({ until: 'end' }))).map(({ value }) => value)).toEqual([0, 2])
  })
}
