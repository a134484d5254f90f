/*
 * The portable examples, run on a log that is empty, and what comes of each wherever the log lives.
 */
import { expect } from 'vitest'
import { type PortableLog } from '../../src/index.ts'
import { groups, lists, positions, produces, reads, readsBatches, sends, transacts } from '../types/portable-examples.ts'

export async function expectPortableExamples(log: PortableLog): Promise<void> {
  expect(await sends(log)).toBe(3)
  expect(await reads(log)).toBe(15)
  expect(await readsBatches(log)).toBe(7)
  expect(await positions(log)).toEqual([expect.any(Number), expect.any(Number)])
  expect(await produces(log)).toBe(1)
  expect(await groups(log)).toEqual(['portable-group', '0', '0', '0', expect.any(String)])
  expect(await transacts(log)).toEqual(['1'])
  expect(await lists(log)).toEqual(['orders 3'])
}
