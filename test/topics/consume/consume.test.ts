/*
 * Managed consumption as a user has it: over a log, with groups.
 */
import { expect, test } from 'vitest'
import { type CommitLog, type Delivery, string, type Topic } from '../../../src/index.ts'
import { MemoryFileSystem } from '../../../src/files/memory.ts'
import { failure, kinds, memoryLog } from '../harness.ts'

type Record = Delivery<string, string>

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !condition() && Date.now() < end;) await new Promise<void>((resolve) => setImmediate(resolve))
  expect(condition()).toBe(true)
}

async function filled(log: CommitLog, count: number, partitions = 3): Promise<Topic<string, string>> {
  const topic = await log.topic<string, string>('t', { partitions, key: string, value: string })
  if (count > 0) await topic.send(Array.from({ length: count }, (_, index) => ({ key: `k${index % 7}`, value: String(index) })))
  return topic
}

for (const { kind, open } of kinds) {
  test(`every record of a topic in ${kind} is handled once, by key in order, and the next consumption goes on where this one stopped`, async () => {
    const topic = await filled(await open(), 500)
    const handled: Record[] = []
    const running = topic.consume({ group: 'g', order: 'key', concurrency: 8 }, async (record) => {
      await new Promise<void>((resolve) => setImmediate(resolve))
      handled.push(record)
    })
    await until(() => handled.length === 500)
    await running.stop()
    await running.done
    for (let key = 0; key < 7; key++) {
      const values = handled.filter((record) => record.key === `k${key}`).map(({ value }) => Number(value))
      expect(values).toEqual(values.toSorted((a, b) => a - b))
    }
    expect(new Set(handled.map(({ value }) => value)).size).toBe(500)
    await topic.send({ key: 'k', value: 'new' })
    const later: (string | null)[] = []
    const next = topic.consume({ group: 'g' }, ({ value }) => void later.push(value))
    await until(() => later.length > 0)
    await next.stop()
    expect(later).toEqual(['new'])
    expect(next.stats()).toMatchObject({ handled: 1, failures: 0, partitions: 0 })
  })
}

test('members share the partitions, and what one has in hand is not handed to another when they move', async () => {
  const topic = await filled(await memoryLog(), 300)
  const inHand = new Set<string>()
  const times = new Map<string, number>()
  const handler = async (record: Record): Promise<void> => {
    const name = `${record.partition} ${record.offset}`
    expect(inHand.has(name)).toBe(false)
    inHand.add(name)
    for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
    inHand.delete(name)
    times.set(name, (times.get(name) ?? 0) + 1)
  }
  const options = { group: 'g', order: 'none', concurrency: 4 } as const
  const first = topic.consume(options, handler)
  await until(() => times.size > 20)
  const second = topic.consume(options, handler)
  await until(() => second.stats().handled > 5 && first.stats().partitions < 3)
  await first.stop()
  await until(() => times.size === 300)
  await second.stop()
  expect([...times.values()].every((count) => count === 1)).toBe(true)
})

test('a restart hands out exactly what was not finished, however far above the committed offset the rest was', async () => {
  const files = new MemoryFileSystem()
  const log = await memoryLog({ files })
  const topic = await filled(log, 100, 1)
  const release: (() => void)[] = []
  const running = topic.consume({ group: 'g', order: 'none', concurrency: 100 }, async ({ value }) => {
    if (Number(value) % 10 === 3) await new Promise<void>((resolve) => release.push(resolve))
  })
  await until(() => running.stats().handled === 90)
  await running.stop({ deadlineMs: 0 })
  await log.close()
  const again = await memoryLog({ files })
  const next = await again.topic<string, string>('t')
  const handled: number[] = []
  const second = next.consume({ group: 'g' }, ({ value }) => void handled.push(Number(value)))
  await until(() => handled.length >= 10)
  await second.stop()
  expect(handled).toEqual([3, 13, 23, 33, 43, 53, 63, 73, 83, 93])
})

test('closing the log ends a consumption, and what finished is committed', async () => {
  const files = new MemoryFileSystem()
  const log = await memoryLog({ files })
  const topic = await filled(log, 10, 1)
  const seen: AbortSignal[] = []
  const running = topic.consume({ group: 'g', order: 'none' }, async ({ value, signal }) => {
    if (value !== '4') return
    seen.push(signal)
    await new Promise(() => {})
  })
  await until(() => running.stats().handled === 9)
  await log.close()
  await running.done
  expect(seen[0]!.aborted).toBe(true)
  const again = await memoryLog({ files })
  const handled: (string | null)[] = []
  const second = (await again.topic<string, string>('t')).consume({ group: 'g' }, ({ value }) => void handled.push(value))
  await until(() => handled.length > 0)
  await second.stop()
  expect(handled).toEqual(['4'])
})

test('an aborted signal stops it, also one that was aborted before', async () => {
  const topic = await filled(await memoryLog(), 5)
  const controller = new AbortController()
  let handled = 0
  const running = topic.consume({ group: 'g', signal: controller.signal }, () => void handled++)
  await until(() => handled === 5)
  controller.abort()
  await running.done
  await topic.consume({ group: 'g', signal: controller.signal }, () => void handled++).done
  expect(handled).toBe(5)
})

test('what is wrong with a call is said at once', async () => {
  const topic = await filled(await memoryLog(), 0)
  expect(() => topic.consume({ group: 'g' }, undefined as never)).toThrow(TypeError)
  expect(() => topic.consume({ group: 'g', deadLetter: 't' }, () => {})).toThrow(expect.objectContaining({ code: 'LOG_DEAD_LETTER_TOPIC' }) as Error)
  const internal = { group: 'g', deadLetter: '__consumer_offsets' }
  expect(() => topic.consume(internal, () => {})).toThrow(expect.objectContaining({ code: 'LOG_DEAD_LETTER_TOPIC' }) as Error)
  await topic.close()
  expect((await failure(async () => topic.consume({ group: 'g' }, () => {}))).code).toBe('LOG_CLOSED')
})
