/*
 * The door of managed consumption: what it lets pass, and what it says to the rest.
 */
import { expect, test } from 'vitest'
import { checkConsumeOptions, type ConsumeOptions, deadLetterTopic } from '../../../src/topics/consume/options.ts'

test('a group is enough: the rest has defaults', () => {
  expect(checkConsumeOptions('t', { group: 'g' })).toMatchObject({
    group: 'g', from: 'earliest', order: 'partition', attempts: 5, deadLetter: 't.g.dlq', concurrency: 16, maxInFlight: 4096,
    handlerTimeoutMs: Infinity, autoCommitIntervalMs: 100, ref: true,
  })
  expect(checkConsumeOptions('t', { group: 'g', deadLetter: false })).toMatchObject({ attempts: Infinity, deadLetter: undefined })
  expect(checkConsumeOptions('t', { group: 'g', deadLetter: false, retry: { attempts: 2 } }).attempts).toBe(2)
})

for (const [name, options, message] of [
  ['no options', undefined, 'takes options'],
  ['no group', {}, 'group'],
  ['an empty group', { group: '' }, 'group'],
  ['an option that nobody knows', { group: 'g', parallel: 3 }, 'unknown option "parallel"'],
  ['a misspelt retry', { group: 'g', retry: { attempt: 3 } }, 'did you mean "attempts"'],
  ['no attempt', { group: 'g', retry: { attempts: 0 } }, 'retry.attempts'],
  ['an order that is none', { group: 'g', order: 'keys' }, 'did you mean \'key\''],
  ['no hands', { group: 'g', concurrency: 0 }, 'concurrency'],
  ['more in flight than a commit can tell of', { group: 'g', maxInFlight: 30_000 }, 'maxInFlight'],
  ['a dead-letter topic that is no name', { group: 'g', deadLetter: 5 }, 'deadLetter'],
  ['a dead-letter topic that no topic can be called', { group: 'g', deadLetter: 'a/b' }, 'a/b'],
  ['a group that no dead-letter topic can be called after', { group: 'a group' }, 'name one, as deadLetter'],
  ['a retry topic with the order of partitions', { group: 'g', retry: { topic: true } }, 'gives up the order'],
  ['a retry topic without dead letters', { group: 'g', order: 'key', retry: { topic: true }, deadLetter: false }, 'goes with dead letters'],
  ['one topic for both', { group: 'g', order: 'key', retry: { topic: 'a' }, deadLetter: 'a' }, 'both "a"'],
] as const) {
  test(`${name} is refused`, () => {
    expect(() => checkConsumeOptions('t', options as unknown as ConsumeOptions)).toThrow(message)
  })
}

test('a topic does not take its own dead letters', () => {
  expect(() => deadLetterTopic('t', 'g', 't')).toThrow(expect.objectContaining({ code: 'LOG_DEAD_LETTER_TOPIC' }) as Error)
})
