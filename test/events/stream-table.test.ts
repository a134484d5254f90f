/*
 * The table of streams against a Map: what it finds, what it keeps on disk, and its hash.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { halfSipHash, type StreamHash, StreamTable } from '../../src/events/stream-table.ts'
import { IdWindow } from '../../src/events/id-window.ts'

/** Every other one is too long for a row of the table. */
function idOf(number: number): string {
  return `stream-${number}${number % 2 === 1 ? '-and-more'.repeat(5) : ''}`
}

function filled(count: number, hash?: StreamHash): StreamTable {
  const table = new StreamTable(0x01020304, 0xfffefdfc, hash)
  for (let number = 0; number < count; number++) table.set(table.findOrAdd(idOf(number)), number + 1, number * 3, 7, 8, 9)
  return table
}

test('finds each of many streams, and none that never was', () => {
  const table = filled(20_000)
  expect(table.count).toBe(20_000)
  for (let number = 0; number < 20_000; number += 7) {
    const slot = table.find(idOf(number))
    expect([slot, table.idOf(slot), table.head(slot)])
      .toEqual([number, idOf(number), { version: number + 1, offset: number * 3, position: 7, at: 8, size: 9 }])
  }
  expect([table.find(idOf(20_000)), table.find(''), table.find('x'.repeat(2000))]).toEqual([-1, -1, -1])
})

test('takes up what it gave to be kept, and refuses parts that do not fit', () => {
  const table = filled(5000)
  const dump = table.dump()
  const again = new StreamTable(1, 2)
  expect(again.load(dump)).toBe(true)
  for (const number of [0, 1, 77, 4999]) expect(again.head(again.find(idOf(number)))).toEqual(table.head(number))
  expect([again.findOrAdd('another'), again.findOrAdd('another'.repeat(9))]).toEqual([5000, 5001])
  expect([4998, 4999].map((number) => again.find(idOf(number)))).toEqual([4998, 4999])
  expect([4998, 4999, 5001].map((slot) => again.idOf(slot))).toEqual([idOf(4998), idOf(4999), 'another'.repeat(9)])
  expect(new StreamTable(1, 2).load({ ...dump, count: 4999 })).toBe(false)
  expect(new StreamTable(1, 2).load({ ...dump, parts: dump.parts.slice(1) })).toBe(false)
  expect(new StreamTable(1, 2).load({ ...dump, parts: [...dump.parts.slice(0, 2), dump.parts[2]!.subarray(1)] })).toBe(false)
})

test('is a Map, whatever the ids and whatever the hash', () => {
  const hashes: readonly StreamHash[] = [halfSipHash, () => 0, (buffer, _, to) => buffer[to - 1]! & 3]
  fc.assert(fc.property(fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }), { maxLength: 300 }), fc.nat(2), (ids, kind) => {
    const table = new StreamTable(5, 6, hashes[kind])
    const map = new Map<string, number>()
    for (const id of ids) {
      if (!map.has(id)) map.set(id, map.size)
      expect(table.findOrAdd(id)).toBe(map.get(id))
    }
    for (const [id, slot] of map) expect([table.find(id), table.idOf(slot)]).toEqual([slot, id])
  }), { verbose: true })
})

test('half a SipHash is that of its authors', () => {
  // Keyed with 00 01 … 07, over 00 01 … of growing length; one round a word and three at the end, as a plain transcription of the paper gives it.
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => index)
  const lengths = [0, 1, 2, 3, 4, 5, 8, 15]
  const hashes = lengths.map((length) => halfSipHash(bytes, 0, length, 0x03020100, 0x07060504))
  expect(hashes).toEqual(lengths.map((length) => plainHash(bytes.subarray(0, length))))
})

test('remembers the last ids, and forgets the oldest', () => {
  const window = new IdWindow(1000, [1, 2])
  for (let number = 0; number < 2500; number++) window.add(number % 1700, number)
  expect(window.find(1600)).toEqual([1600])
  expect(window.find(5)).toEqual([1705])
  expect(window.find(1400)).toEqual([])
  expect(window.find(799)).toEqual([2499])
  const again = new IdWindow(1000, [1, 2])
  const { hashes, offsets } = window.dump()
  hashes.forEach((hash, index) => again.add(hash, offsets[index]!))
  for (let hash = 0; hash < 1700; hash++) expect(again.find(hash)).toEqual(window.find(hash))
})

test('nobody can make ids that collide', () => {
  // Two pairs that FNV-1a gives one hash each (of bytes).
  const collide = ['costarring', 'liquid', 'declinate', 'macallums']
  for (const key of [[1, 2], [3, 4]] as const) {
    const window = new IdWindow(1000, key)
    expect(new Set(collide.map((id) => window.hash(id))).size).toBe(4)
  }
  expect(new IdWindow(10, [1, 2]).hash('a')).not.toBe(new IdWindow(10, [1, 3]).hash('a'))
})

function plainHash(bytes: Uint8Array): number {
  const mask = 0xffff_ffffn
  const rotate = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (32n - by))) & mask
  let [v0, v1, v2, v3] = [0x03020100n, 0x07060504n, 0x6c796765n ^ 0x03020100n, 0x74656462n ^ 0x07060504n]
  const round = (): void => {
    v0 = (v0! + v1!) & mask; v1 = rotate(v1!, 5n) ^ v0; v0 = rotate(v0, 16n)
    v2 = (v2! + v3!) & mask; v3 = rotate(v3!, 8n) ^ v2
    v0 = (v0 + v3) & mask; v3 = rotate(v3, 7n) ^ v0
    v2 = (v2 + v1) & mask; v1 = rotate(v1, 13n) ^ v2; v2 = rotate(v2, 16n)
  }
  const padded = Buffer.concat([bytes, Buffer.alloc(4 - (bytes.length % 4))])
  padded[padded.length - 1] = bytes.length
  for (let at = 0; at < padded.length; at += 4) {
    const word = BigInt(padded.readUInt32LE(at))
    v3 ^= word
    round()
    v0 ^= word
  }
  v2 ^= 0xffn
  for (let count = 0; count < 3; count++) round()
  return Number(v1 ^ v3)
}
