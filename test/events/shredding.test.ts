import { expect, test } from 'vitest'
import { defineEvents, eventStore } from '../../src/events/index.ts'
import { forgottenSubject, isForgotten } from '../../src/events/forgotten.ts'
import { shredded } from '../../src/events/shredding.ts'
import { logKeys, memoryKeys } from '../../src/events/subject-keys.ts'
import { CommitLog, defineTopic, json, string } from '../../src/index.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { afterwards, diskLog, freshFolder, memoryLog } from '../topics/harness.ts'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

type Met = { readonly type: 'T'; readonly data: Person }
interface Person { readonly id?: string; readonly name: string; readonly city?: string }

const subject = (data: Person): string | undefined => data.id
const ada = { id: 'ada', name: 'Ada Lovelace', city: 'London' }

test('data is encrypted for its subject, read with its key, and forgotten without', async () => {
  const log = await memoryLog()
  const keys = memoryKeys()
  await keys.create('ada')
  const people = await log.topic(defineTopic('people', { key: string, value: shredded<Person>({ keys, subject }) }))
  await people.send([{ key: 'ada', value: ada }, { key: 'ada', value: { name: 'nobody' } }])
  const read = (): (Person | null)[] => [...people.partition(0).read()].map(({ value }) => value)
  const stored = [...people.partition(0).read()].map(({ valueBytes }) => valueBytes!.toString())
  expect(stored[0]).not.toContain('Lovelace')
  expect(stored[1]).toBe('{"name":"nobody"}')
  expect(read()).toEqual([ada, { name: 'nobody' }])
  await keys.forget('ada')
  const [first, second] = read()
  expect([isForgotten(first), forgottenSubject(first), JSON.stringify(first)]).toEqual([true, 'ada', '{}'])
  expect([isForgotten(second), second]).toEqual([false, { name: 'nobody' }])
})

test('only the fields that are named are encrypted, and the others are left when it is forgotten', async () => {
  const log = await memoryLog()
  const keys = memoryKeys()
  await keys.create('ada')
  const value = shredded<Person>({ keys, subject, fields: ['name', 'phone'] })
  const people = await log.topic(defineTopic('people', { value }))
  await people.send({ key: 'k', value: ada })
  const [record] = people.partition(0).read()
  expect(record!.valueBytes!.toString()).toMatch(/^\{"id":"ada","city":"London","cl-shredded":\["ada","[\da-f]{16}","[\w+/=]+"\]\}$/)
  expect(record!.value).toEqual(ada)
  await keys.forget('ada')
  const [again] = people.partition(0).read()
  expect({ ...again!.value }).toEqual({ id: 'ada', city: 'London' })
  expect(isForgotten(again!.value)).toBe(true)
})

test('a subject that was forgotten and gets another key is not remembered by it', async () => {
  const log = await memoryLog()
  const keys = memoryKeys()
  const people = await log.topic(defineTopic('people', { value: shredded<Person>({ keys, subject }) }))
  const first = await keys.create('ada')
  expect(await keys.create('ada')).toBe(first)
  await people.send({ key: 'k', value: ada })
  await keys.forget('ada')
  await keys.create('ada')
  await people.send({ key: 'k', value: { ...ada, name: 'Augusta' } })
  const values = [...people.partition(0).read()].map(({ value }) => value!)
  expect(values.map((one) => isForgotten(one))).toEqual([true, false])
  expect(values[1]!.name).toBe('Augusta')
})

test('nothing is encrypted with a key that is not there', async () => {
  const log = await memoryLog()
  const people = await log.topic(defineTopic('people', { value: shredded<Person>({ keys: memoryKeys(), subject }) }))
  expect(() => people.partition(0).append({ key: 'k', value: ada })).toThrow(expect.objectContaining({ code: 'LOG_KEY_MISSING' }))
})

test('what was encrypted and is damaged is an error, and not forgotten', async () => {
  const log = await memoryLog()
  const keys = memoryKeys()
  const { id } = await keys.create('ada')
  const plain = await log.topic(defineTopic('people', { value: json() }))
  await plain.send({ key: 'k', value: { 'cl-shredded': ['ada', id, Buffer.alloc(40).toString('base64'), 'whole'] } })
  const people = await log.topic(defineTopic('people', { value: shredded<Person>({ keys, subject }) }))
  const [record] = people.partition(0).read()
  expect(() => record!.value).toThrow(expect.objectContaining({ code: 'LOG_DECODE_FAILED' }))
})

test('keys in a log outlive it, and the bytes of one that was destroyed are gone', async () => {
  const folder = freshFolder('keys')
  const first = await diskLog(folder)
  const keys = await logKeys(first)
  const kept = await keys.create('bob')
  const gone = await keys.create('ada')
  expect(keys.subjects()).toEqual(['bob', 'ada'])
  expect(await keys.forget('ada')).toBe(true)
  expect(await keys.forget('ada')).toBe(false)
  await keys.close()
  await first.close()
  const bytes = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
  expect(bytes.some((content) => content.includes(Buffer.from(gone.key)))).toBe(false)
  expect(bytes.some((content) => content.includes(Buffer.from(kept.key)))).toBe(true)
  const second = await diskLog(folder)
  const again = await logKeys(second)
  afterwards(() => again.close())
  expect([again.get('ada'), again.get('bob')?.id, again.subjects()]).toEqual([undefined, kept.id, ['bob']])
})

test('all who open the keys of one topic share them', async () => {
  const log = await memoryLog()
  const [one, two] = [await logKeys(log), await logKeys(log)]
  const key = await one.create('ada')
  expect((await two.create('ada')).id).toBe(key.id)
  await one.close()
  expect(await two.forget('ada')).toBe(true)
  expect(one.get('ada')).toBeUndefined()
  await two.close()
})

test('wherever a crash comes in the way of a key that is destroyed, its bytes are gone when that is asked for again', async () => {
  const forks: SimulatedDisk[] = []
  let watched = false
  const disk: SimulatedDisk = new SimulatedDisk({
    seed: 1, onCall: (_, called) => { if (watched && called === disk) forks.push(disk.fork(1, { power: false })) },
  })
  const log = await CommitLog.open('/keys', { files: disk, minFreeBytes: 0 })
  const keys = await logKeys(log)
  const { key } = await keys.create('ada')
  await keys.create('bob')
  watched = true
  await keys.forget('ada')
  watched = false
  await log.close()
  for (const fork of forks) {
    const again = await CommitLog.open('/keys', { files: fork, minFreeBytes: 0 })
    const found = await logKeys(again)
    await found.forget('ada')
    await again.close()
    const left = fork.paths().filter((path) => path.endsWith('.log') && Buffer.from(fork.bytes(path)).includes(Buffer.from(key)))
    expect(left).toEqual([])
  }
})

test('a store of shredded data keeps no snapshots in the clear', async () => {
  const store = await eventStore(await memoryLog(), defineEvents<Met>('person', { value: shredded<Person>({ keys: memoryKeys(), subject }) }))
  const fold = { initial: () => 0, evolve: (count: number) => count + 1 }
  expect(() => store.aggregate({ ...fold, snapshot: { every: 10 } })).toThrow('in the clear')
  expect(await store.aggregate(fold).load('ada')).toEqual({ state: 0, version: 0 })
})

test('data cannot pass for what was encrypted', async () => {
  const log = await memoryLog()
  const value = shredded<Person>({ keys: memoryKeys(), subject })
  const people = await log.topic(defineTopic('people', { key: string, value }))
  const plain = await eventStore(log, defineEvents<Met>('person', { value }))
  for (const forged of [5, ['nobody', 'x', 'y'], null]) {
    const data = { 'cl-shredded': forged, name: 'x' }
    await expect(plain.append('a', { type: 'T', data })).rejects.toMatchObject({ code: 'LOG_EVENT_INVALID' })
  }
  await people.close()
  const other = await eventStore(log, defineEvents('other'))
  for (const forged of [5, ['a'], ['a', 'b'], ['a', 'b', 5], {}]) await other.append('a', { type: 'T', data: { 'cl-shredded': forged } })
  const shred = await eventStore(log, defineEvents<Met>('other', { value }))
  const { events } = await shred.read('a')
  for (const event of events) expect(() => event.data).toThrow(expect.objectContaining({ code: 'LOG_DECODE_FAILED' }))
})
