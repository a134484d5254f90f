import { expect, test } from 'vitest'
import { forgottenSubject, isForgotten } from '../../src/events/forgotten.ts'
import { shredded } from '../../src/events/shredding.ts'
import { logKeys, memoryKeys } from '../../src/events/subject-keys.ts'
import { defineTopic, json, string } from '../../src/index.ts'
import { afterwards, diskLog, freshFolder, memoryLog } from '../topics/harness.ts'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

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
