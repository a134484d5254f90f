import { expect, test } from 'vitest'
import { encodeCleanShutdown, parseCleanShutdown } from '../../src/format/clean-shutdown.ts'

test('the file is what a Kafka broker leaves', () => {
  expect(String(encodeCleanShutdown(111))).toBe('{"version":0,"brokerEpoch":111}')
  expect(parseCleanShutdown(Buffer.from('{"version":0,"brokerEpoch":216}'))).toBe(216)
})

test('a file that says nothing is no less clean', () => {
  expect(parseCleanShutdown(encodeCleanShutdown())).toBe(-1)
  for (const text of ['', '{', '{"version":0}', '{"brokerEpoch":"x"}', '{"brokerEpoch":9999999999999999999}']) {
    expect(parseCleanShutdown(Buffer.from(text))).toBe(-1)
  }
})
