import { expect, test } from 'vitest'
import {
  checkBoolean, checkFunction, checkInteger, checkNumber, checkOneOf, checkOptions, checkSignal, describe as inWords,
} from '../../src/base/options.ts'

const known = ['segmentBytes', 'segmentMs', 'retentionMs', 'durability', 'readOnly'] as const

test('known options and no options pass', () => {
  checkOptions(undefined, known, 'x')
  checkOptions({}, known, 'x')
  checkOptions({ segmentBytes: 1, readOnly: true }, known, 'x')
})

for (const [given, meant] of [
  ['segmentSize', 'segmentBytes'],
  ['segment.bytes', 'segmentBytes'],
  ['retention_ms', 'retentionMs'],
  ['readonly', 'readOnly'],
  ['durabilty', 'durability'],
] as const) {
  test(`the unknown option ${given} is refused with the suggestion ${meant}`, () => {
    expect(() => checkOptions({ [given]: 1 }, known, 'topic "orders"'))
      .toThrow(new TypeError(`unknown option "${given}" for topic "orders": did you mean "${meant}"?`))
  })
}

test('an unknown option that resembles nothing is refused with the list of known ones', () => {
  expect(() => checkOptions({ colour: 1 }, known, 'CommitLog.open')).toThrow(/unknown option "colour" for CommitLog.open: it takes segmentBytes, /)
})

test('options that are no object are a TypeError', () => {
  for (const given of [null, 5, 'text', [1]]) expect(() => checkOptions(given, known, 'x')).toThrow(TypeError)
})

test('an integer outside its bounds is a RangeError, another type a TypeError', () => {
  checkInteger(undefined, 'n', 1)
  checkInteger(1, 'n', 1, 5)
  checkInteger(5, 'n', 1, 5)
  checkInteger(Infinity, 'n', 1, Infinity)
  expect(() => checkInteger(0, 'n', 1, 5)).toThrow(new RangeError('n is an integer from 1 to 5, not 0'))
  expect(() => checkInteger(1.5, 'n', 1)).toThrow(new RangeError('n is an integer of at least 1, not 1.5'))
  expect(() => checkInteger(NaN, 'n', 1, Infinity)).toThrow(new RangeError('n is an integer of at least 1, or Infinity, not NaN'))
  expect(() => checkInteger(Infinity, 'n', 1)).toThrow(RangeError)
  expect(() => checkInteger('5', 'n', 1)).toThrow(new TypeError('n is an integer, not the string "5"'))
})

test('a value outside a list is refused with the list and a suggestion', () => {
  checkOneOf('sync', 'durability', ['sync', 'os'])
  expect(() => checkOneOf('snyc', 'durability', ['sync', 'os']))
    .toThrow(new TypeError(`durability is one of 'sync', 'os', not the string "snyc": did you mean 'sync'?`))
  expect(() => checkOneOf(1, 'durability', ['sync', 'os'])).toThrow(TypeError)
})

test('booleans, functions and signals are checked by type', () => {
  checkBoolean(false, 'x')
  checkFunction(() => {}, 'x')
  checkSignal(new AbortController().signal)
  expect(() => checkBoolean(1, 'readOnly')).toThrow(new TypeError('readOnly is true or false, not the number 1'))
  expect(() => checkFunction({}, 'onEvent')).toThrow(new TypeError('onEvent is a function, not an object'))
  expect(() => checkSignal(new AbortController())).toThrow(new TypeError('signal is an AbortSignal, not an object of class AbortController'))
})

test('values are described in a few words', () => {
  expect([null, undefined, true, 5, 5n, 'a', [1, 2], {}, new Date(0), Symbol('x')].map(inWords)).toEqual([
    'null', 'undefined', 'true', 'the number 5', 'the bigint 5n', 'the string "a"', 'an array of 2', 'an object', 'an object of class Date',
    'a symbol',
  ])
  expect(inWords('x'.repeat(100))).toBe('a string of 100 characters')
})

test('a number outside its bounds is a RangeError, another type a TypeError', () => {
  for (const value of [undefined, 0, 0.5, 1]) checkNumber(value, 'n', 0, 1)
  for (const value of [-0.1, 1.01, NaN, Infinity]) expect(() => checkNumber(value, 'n', 0, 1)).toThrow(RangeError)
  expect(() => checkNumber('0.5', 'n', 0, 1)).toThrow(new TypeError('n is a number, not the string "0.5"'))
})
