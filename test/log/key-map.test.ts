import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadHash } from '../../src/base/hash.ts'
import { KeyMap } from '../../src/log/key-map.ts'

const hash = await loadHash()
const bytes = (text: string): Buffer => Buffer.from(text)

function put(map: KeyMap, key: Buffer, offset: number): boolean {
  return map.put(Buffer.concat([bytes('<'), key, bytes('>')]), 1, 1 + key.length, offset)
}

function get(map: KeyMap, key: Buffer): number {
  return map.get(key, 0, key.length)
}

test('the offset that was put last is the one that is there, whatever the keys', () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 6 }), { maxLength: 500 }), (keys) => {
    const map = new KeyMap(hash, Infinity)
    const model = new Map<string, number>()
    keys.forEach((key, offset) => {
      expect(put(map, Buffer.from(key), offset)).toBe(true)
      model.set(Buffer.from(key).toString('hex'), offset)
    })
    expect(map.size).toBe(model.size)
    for (const [key, offset] of model) expect(get(map, Buffer.from(key, 'hex'))).toBe(offset)
    expect(get(map, bytes('no such key'))).toBe(-1)
  }))
})

test('keys with the same hash are not taken for one another', () => {
  const map = new KeyMap(() => 42, Infinity)
  for (let key = 0; key < 100; key++) put(map, bytes(`key ${key}`), key)
  for (let key = 0; key < 100; key++) expect(get(map, bytes(`key ${key}`))).toBe(key)
})

test('100,000 keys of 16 bytes take no more than 64 bytes each', () => {
  const map = new KeyMap(hash, Infinity)
  for (let key = 0; key < 100_000; key++) {
    put(map, bytes(String(key).padStart(16, 'k')), key)
    if (key > 1000) expect(map.bytes / map.size).toBeLessThanOrEqual(64)
  }
})

test('keys of every length find room, a chunk of their own if they need it', () => {
  const map = new KeyMap(hash, Infinity)
  const keys = [0, 1, 4000, 5000, 1_048_575, 1_048_576, 1_048_577, 3_000_000, 7].map((length) => Buffer.alloc(length, String(length % 10)))
  keys.forEach((key, offset) => expect(put(map, key, offset)).toBe(true))
  keys.forEach((key, offset) => expect(get(map, key)).toBe(offset))
})

test('a full map takes no new key, but goes on with those that it has', () => {
  const map = new KeyMap(hash, 20_000)
  let keys = 0
  while (put(map, bytes(`key ${keys}`), keys)) keys++
  expect(map.bytes).toBeLessThanOrEqual(20_000)
  expect(keys).toBeGreaterThan(200)
  expect(put(map, bytes('key 0'), 1_000_000)).toBe(true)
  expect(get(map, bytes('key 0'))).toBe(1_000_000)
})

test('one key finds room in any map, so that every cleaning gets on', () => {
  const map = new KeyMap(hash, 0)
  expect(put(map, Buffer.alloc(100_000), 1)).toBe(true)
  expect(put(map, bytes('another'), 2)).toBe(false)
})
