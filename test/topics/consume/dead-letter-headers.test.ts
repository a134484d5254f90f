/*
 * What is said of dead letters, and that it comes back.
 */
import { expect, test } from 'vitest'
import { type DeadLetterCause, deadLetterHeaders, originalHeaders, readDeadLetter } from '../../../src/topics/consume/dead-letter-headers.ts'

const cause: DeadLetterCause = {
  topic: 'orders', partition: 2, offset: 41, group: 'mail', deliveryCount: 5, error: new RangeError('too far'), stage: 'handle', timestamp: 7,
}

/** Headers as a reader gets them. */
function stored(headers: Iterable<readonly [string, Uint8Array | string | null]>): [string, Buffer | null][] {
  return [...headers].map(([name, value]) => [name, value === null ? null : Buffer.from(value)])
}

test('a dead letter says where it came from and why, in the words of Kafka 4.4', () => {
  const headers = stored(deadLetterHeaders([['trace', Buffer.from('x')]], cause))
  const texts = Object.fromEntries(headers.map(([name, value]) => [name, value!.toString()]))
  expect(texts).toMatchObject({
    trace: 'x', '__dlq.errors.topic': 'orders', '__dlq.errors.partition': '2', '__dlq.errors.offset': '41', '__dlq.errors.group': 'mail',
    '__dlq.errors.delivery.count': '5', '__dlq.errors.message': 'too far', '__dlq.errors.timestamp': '7',
    '__dlq.errors.exception.class.name': 'RangeError', '__dlq.errors.stage': 'handle',
  })
  expect(texts['__dlq.errors.exception.stacktrace']).toContain('too far')
  expect(readDeadLetter(headers)).toMatchObject({
    topic: 'orders', partition: 2, offset: 41, group: 'mail', deliveryCount: 5, message: 'too far', timestamp: 7, errorClass: 'RangeError',
    stage: 'handle',
  })
})

test('the record keeps its own headers in their order, and those of an earlier death go', () => {
  const own = stored([['a', '1'], ['b', null], ['a', '2']])
  const first = stored(deadLetterHeaders(own, cause))
  const second = stored(deadLetterHeaders(first, { ...cause, offset: 99 }))
  expect(second.filter(([name]) => name === '__dlq.errors.offset').map(([, value]) => value!.toString())).toEqual(['99'])
  expect(originalHeaders(second)).toEqual(own)
})

test('anything that can be thrown can be told of', () => {
  const awkward = { toString: () => { throw new Error('no') } }
  for (const error of ['text', 5, null, undefined, Symbol('s'), {}, awkward, Object.create(null), Object.assign(new Error('x'), { stack: 5 })]) {
    const { message, errorClass } = readDeadLetter(stored(deadLetterHeaders([], { ...cause, error })))
    expect(typeof message).toBe('string')
    expect(typeof errorClass).toBe('string')
  }
  const long = readDeadLetter(stored(deadLetterHeaders([], { ...cause, error: new Error('x'.repeat(1e6)) })))
  expect(long.message!.length + long.stack!.length).toBeLessThan(10_000)
})

test('dead letters of Connect and Streams are understood, and headers that make no sense count as missing', () => {
  const connect = stored([['__connect.errors.topic', 'a'], ['__connect.errors.offset', '3'], ['__connect.errors.exception.message', 'm']])
  expect(readDeadLetter(connect)).toMatchObject({ topic: 'a', offset: 3, message: 'm', partition: undefined })
  const streams = stored([['__streams.errors.exception', 'E'], ['__streams.errors.partition', '1']])
  expect(readDeadLetter(streams)).toMatchObject({ errorClass: 'E', partition: 1 })
  const wrong = stored([['__dlq.errors.offset', '-1'], ['__dlq.errors.partition', 'x'], ['__dlq.errors.stage', 'y'], ['__dlq.errors.topic', null]])
  expect(readDeadLetter(wrong)).toMatchObject({ offset: undefined, partition: undefined, stage: undefined, topic: undefined })
})
