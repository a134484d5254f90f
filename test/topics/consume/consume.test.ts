/*
 * Managed consumption as a user has it: over a log, with groups.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { type CommitLog, type Consumption, type Delivery, string, type Topic } from '../../../src/index.ts'
import { MemoryFileSystem } from '../../../src/files/memory.ts'
import { collect, failure, kinds, memoryLog } from '../harness.ts'

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

test('a long wait survives a restart in the retry topic, with its attempts, and those of its key wait for it', async () => {
  const files = new MemoryFileSystem()
  const log = await memoryLog({ files })
  const topic = await filled(log, 0)
  await topic.send([{ key: 'a', value: 'fails' }, { key: 'a', value: 'behind' }, { key: 'b', value: 'beside' }])
  const options = { group: 'g', order: 'key', retry: { attempts: 3, delay: 100, topic: true, withinMs: 10 } } as const
  const seen: string[] = []
  const handler = async ({ topic: from, value, attempt }: Record): Promise<void> => {
    seen.push(`${from} ${value} ${attempt}`)
    if (value === 'fails') throw new Error('no')
  }
  const running = topic.consume(options, handler)
  await until(() => seen.length >= 2 && running.stats().handled === 1)
  await until(() => log.stats().topics.find(({ name }) => name === 't.g.retry')!.partitions.some(({ nextOffset }) => nextOffset > 0))
  await running.stop()
  await log.close()
  const again = await memoryLog({ files })
  const next = (await again.topic<string, string>('t')).consume(options, handler)
  await until(() => next.stats().deadLetters === 1 && seen.at(-1)!.includes('behind'))
  await next.stop()
  expect(seen.filter((one) => !one.includes('beside'))).toEqual(['t fails 1', 't fails 2', 't fails 3', 't behind 1'])
})

test('whoever joins and leaves when, every record is finished once, poison dies once, and keys keep their order', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = seededRandom(seed)
    const log = await memoryLog()
    const topic = await log.topic<string, string>('t', { partitions: 5, key: string, value: string })
    const count = 400
    const isPoison = (): string => (random.int(20) === 0 ? '-' : '')
    await topic.send(Array.from({ length: count }, (_, index) => ({ key: `k${random.int(30)}`, value: `${isPoison()}${index}` })))
    const times = new Map<string, number>()
    const last = new Map<string, number>()
    const handler = async ({ key, value }: Record): Promise<void> => {
      for (let turn = random.int(3); turn >= 0; turn--) await new Promise<void>((resolve) => setImmediate(resolve))
      if (value!.startsWith('-')) throw new Error('poison')
      times.set(value!, (times.get(value!) ?? 0) + 1)
      expect(Number(value)).toBeGreaterThan(last.get(key!) ?? -1)
      last.set(key!, Number(value))
    }
    const members: Consumption<string, string>[] = []
    const handled = (): number => times.size + [...dead].reduce((sum, [, one]) => sum + one.stats().deadLetters, 0)
    const dead = new Map<number, Consumption<string, string>>()
    const join = (): void => {
      const member = topic.consume({ group: 'g', order: 'key', concurrency: 1 + random.int(6), retry: { attempts: 2, delay: 1 } }, handler)
      dead.set(dead.size, member)
      members.push(member)
    }
    join()
    for (const end = Date.now() + 60_000; handled() < count && Date.now() < end;) {
      for (let turn = random.int(40); turn >= 0; turn--) await new Promise<void>((resolve) => setImmediate(resolve))
      if (members.length < 4 && random.int(2) === 0) join()
      else if (members.length > 1) await members.splice(random.int(members.length), 1)[0]!.stop()
    }
    await Promise.all(members.map((member) => member.stop()))
    const values = topic.partitions.flatMap((partition) => [...partition.read()].map(({ value }) => value))
    const poison = values.filter((value) => value!.startsWith('-'))
    const letters = (await collect(topic.deadLetters('g').list())).map(({ record }) => record.value)
    expect(letters.toSorted(), `seed ${seed}`).toEqual(poison.toSorted())
    expect(times.size, `seed ${seed}`).toBe(count - poison.length)
    expect([...times.values()].every((one) => one === 1), `seed ${seed}`).toBe(true)
  }
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

test('what ends it is told by done, and handled by nobody else', async () => {
  const topic = await filled(await memoryLog(), 3, 1)
  const running = topic.consume({ group: 'g', deadLetter: false, retry: { attempts: 1 } }, async ({ value }) => {
    if (value === '1') throw new Error('no')
  })
  expect(await failure(() => running.done)).toMatchObject({ code: 'LOG_HANDLER_FAILED', detail: { offset: 1 } })
  await running.stop()
  const unhandled: unknown[] = []
  const listener = (reason: unknown): void => void unhandled.push(reason)
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', listener)
  topic.consume({ group: 'g', deadLetter: false, retry: { attempts: 1 } }, async () => { throw new Error('no') })
  await until(() => unhandled.length > 0)
  process.off('unhandledRejection', listener)
  for (const other of others) process.on('unhandledRejection', other)
  expect(unhandled).toEqual([expect.objectContaining({ code: 'LOG_HANDLER_FAILED' })])
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
