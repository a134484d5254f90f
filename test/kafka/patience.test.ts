/*
 * What a peer owes, and until when.
 */
import { expect, test } from 'vitest'
import { Patience } from '../../src/kafka/patience.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

test('what is owed last counts: sooner or later than what was owed before, or nothing at all', async () => {
  const clock = new ManualClock()
  const lost: string[] = []
  const patience = new Patience(clock, (owed) => void lost.push(owed))
  patience.wait(1000, 'a request')
  patience.wait(100, 'the rest of it')
  await clock.advance(99)
  patience.wait(1000, 'another request')
  await clock.advance(999)
  patience.rest()
  await clock.advance(5000)
  expect(lost).toEqual([])
  patience.wait(10, 'a third')
  await clock.advance(9)
  expect(lost).toEqual([])
  await clock.advance(1)
  expect(lost).toEqual(['a third'])
  patience.wait(10, 'a fourth')
  patience.end()
  await clock.advance(10)
  expect(lost).toEqual(['a third'])
})
