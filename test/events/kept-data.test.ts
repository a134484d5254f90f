/*
 * What is read again and again is decoded once and copied: to whoever reads it, it is as if it had been decoded for him.
 */
import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Codec } from '../../src/base/codec.ts'
import { json } from '../../src/topics/codecs.ts'
import { KeptData } from '../../src/events/kept-data.ts'
import { memoryLog } from '../topics/harness.ts'
import { added, carts } from './harness.ts'

/** What an event says when it is read several times. */
function readings(text: string, times: number): unknown[] {
  const bytes = Buffer.from(text)
  const kept = new KeptData()
  return Array.from({ length: times }, () => kept.read(bytes, 0, bytes.length))
}

test('each reading of data that is kept is what JSON.parse makes of it', () => {
  fc.assert(fc.property(fc.json(), (text) => {
    for (const read of readings(text, 3)) deepStrictEqual(read, JSON.parse(text))
  }))
  for (const text of ['{"__proto__":{"a":[{}]}}', '{"1":{},"0":[[]]}', '[[],[null,[1]]]', '"text"', 'null', `[${'"long",'.repeat(2000)}0]`]) {
    for (const read of readings(text, 3)) deepStrictEqual(read, JSON.parse(text))
  }
})

test('data that is deep is decoded each time', () => {
  const text = '['.repeat(1500) + ']'.repeat(1500)
  for (const read of readings(text, 3)) expect(JSON.stringify(read)).toBe(text)
})

test('only plain JSON is kept: what another codec gives may be no data that can be copied, or be another the next time', () => {
  const own: Codec<unknown> = { ...json() }
  const always = { '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value }) } }
  expect([json(), own, json(always)].map((codec) => KeptData.isFor(codec))).toEqual([true, false, false])
})

test('what one reader does to the events of a stream that is read again and again, no other sees', async () => {
  const store = await carts(await memoryLog())
  for (let quantity = 1; quantity <= 3; quantity++) await store.append('a', added('x', quantity))
  for (let round = 0; round < 6; round++) {
    if (round === 4) await store.append('a', added('x', 4))
    const { events } = await store.read('a')
    expect(events.map(({ data }) => data)).toEqual([1, 2, 3, 4].slice(0, events.length).map((quantity) => ({ sku: 'x', quantity })))
    for (const { data } of events) Object.assign(data, { sku: 'spoiled', quantity: -1 })
    expect(events[0]!.data).toEqual({ sku: 'spoiled', quantity: -1 })
  }
})
