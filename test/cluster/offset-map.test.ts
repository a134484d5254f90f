import fc from 'fast-check'
import { expect, test } from 'vitest'
import { joined, lastOf, OffsetMap, type Run, runsOf } from '../../src/cluster/mirror/offset-map.ts'

/** Pairs that rise on both sides, with steps and gaps as logs have them. */
const pairs = fc.array(fc.tuple(fc.constantFrom(1, 1, 1, 2, 5), fc.constantFrom(1, 1, 2, 3)), { maxLength: 60 }).map((steps) => {
  let [source, target] = [3, 7]
  return steps.map(([one, other]): readonly [number, number] => [(source += one), (target += other)])
})

const mapOf = (runs: Iterable<Run>): OffsetMap => {
  const map = new OffsetMap()
  for (const run of runs) map.add(run)
  return map
}

test('every offset is translated to the first record mirrored from there on, and what is behind the last one to behind it', () => {
  fc.assert(fc.property(pairs, fc.integer({ min: 1, max: 9 }), (list, cut) => {
    // In pieces, as transactions bring them.
    const pieces = list.flatMap((_, index) => (index % cut === 0 ? [list.slice(index, index + cut)] : []))
    const map = mapOf(pieces.flatMap((piece) => runsOf(piece)))
    const end = list.at(-1)
    expect(map.nextSource).toBe(end === undefined ? 0 : end[0] + 1)
    for (let source = 0; source <= (end?.[0] ?? 0) + 3; source++) {
      const expected = list.find(([one]) => one >= source)?.[1] ?? (end === undefined ? undefined : end[1] + 1)
      expect(map.translate(source), `offset ${source}`).toBe(expected)
    }
  }))
})

test('what was stored in one go is one run, and so are transactions of one record each', () => {
  const inOneGo = Array.from({ length: 1000 }, (_, index): [number, number] => [index, 50 + index])
  expect(runsOf(inOneGo)).toEqual([[0, 1, 50, 1, 1000]])
  const withMarkers = Array.from({ length: 1000 }, (_, index): [number, number] => [index, 2 * index])
  const map = mapOf(withMarkers.flatMap((pair) => runsOf([pair])))
  expect(map.last).toEqual([0, 1, 0, 2, 1000])
})

test('runs are joined when the second goes on as the first does, and not otherwise', () => {
  expect(joined([0, 1, 0, 1, 5], [5, 1, 5, 1, 3])).toEqual([0, 1, 0, 1, 8])
  expect(joined([0, 1, 0, 1, 5], [5, 1, 6, 1, 3])).toBeUndefined()
  expect(joined([0, 1, 0, 1, 1], [5, 5, 6, 6, 3])).toEqual([0, 5, 0, 6, 4])
  expect(joined([0, 1, 0, 1, 2], [2, 7, 2, 7, 1])).toEqual([0, 1, 0, 1, 3])
  expect(lastOf([4, 2, 10, 3, 5])).toEqual([12, 22])
})
