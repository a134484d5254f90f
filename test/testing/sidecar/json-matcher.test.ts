/*
 * Each operator of a matcher in JSON: what it holds for, and what it does not.
 */
import { expect, test } from 'vitest'
import { checkMatcher, contains, isLike } from '../../../src/testing/sidecar/json-matcher.ts'

for (const [matcher, held, not] of [
  [{ a: 1 }, [{ a: 1 }], [{ a: 1, b: 2 }, { a: 2 }, {}, null, 1]],
  [[1, { a: 2 }], [[1, { a: 2 }]], [[1], [{ a: 2 }, 1], { 0: 1 }]],
  [null, [null], [undefined, 0, '']],
  [{}, [{}], [{ a: 1 }, []]],
  [{ $any: true }, [0, '', false, {}, []], [null, undefined]],
  [{ $type: 'integer' }, [1, -1], [1.5, '1', null]],
  [{ $type: 'object' }, [{}], [[], null]],
  [{ $type: 'array' }, [[]], [{}, 'a']],
  [{ $type: 'null' }, [null], [undefined, 0]],
  [{ $matches: '^o-\\d+$' }, ['o-1'], ['o-', 'x', 1, null]],
  [{ $containing: 'ell' }, ['hello'], ['helo', 1, ['ell x']]],
  [{ $containing: { a: { b: 1 } } }, [{ a: { b: 1, c: 2 }, d: 3 }], [{ a: { b: 2 } }, { a: 1 }, {}, null]],
  [{ $containing: [2, { a: { $gt: 1 } }] }, [[{ a: 2, b: 1 }, 1, 2]], [[2], [{ a: 1 }, 2], 2]],
  [{ $in: [1, { $matches: '^a' }] }, [1, 'abc'], [2, 'b', [1]]],
  [{ $not: { $in: [1, 2] } }, [3, null], [1, 2]],
  [{ $gt: 1, $lte: 3 }, [2, 3], [1, 4, '2', null]],
  [{ $gte: 'b', $lt: 'd' }, ['b', 'c'], ['a', 'd', 3]],
  [{ $length: 2 }, ['ab', [1, 2]], ['a', [1], 2, { length: 2 }]],
  [{ $length: { $gt: 1 } }, ['ab'], ['a']],
  [{ $equals: { $gt: 1 } }, [{ $gt: 1 }], [2, {}]],
  [{ id: { $matches: '^o-' }, lines: [{ n: { $type: 'integer' } }] }, [{ id: 'o-1', lines: [{ n: 1 }] }], [{ id: 'o-1', lines: [] }]],
] as const) {
  test(JSON.stringify(matcher), () => {
    checkMatcher(matcher, 'value')
    for (const value of held) expect(isLike(value, matcher), JSON.stringify(value)).toBe(true)
    for (const value of not) expect(isLike(value, matcher), JSON.stringify(value)).toBe(false)
  })
}

test('fields that every object has by its class are not there', () => {
  expect(isLike({}, { constructor: { $any: true } })).toBe(false)
  expect(contains({}, { toString: { $any: true } })).toBe(false)
})

test('bytes are compared with bytes', () => {
  expect(isLike(Buffer.from('a'), Buffer.from('a'))).toBe(true)
  expect(isLike('a', Buffer.from('a'))).toBe(false)
})

test('operators that there are not, or that are given what they cannot take, are told with their place', () => {
  for (const [matcher, said] of [
    [{ a: [{ $matchs: 'x' }] }, 'value/a/0 has an unknown operator "$matchs": did you mean "$matches"?'],
    [{ $matches: '(' }, 'value/$matches is no pattern'], [{ $matches: 1 }, 'value/$matches is a pattern, not the number 1'],
    [{ $any: 1 }, 'value/$any takes true'], [{ $type: 'text' }, 'value/$type is one of string'], [{ $in: 1 }, 'value/$in is a list'],
    [{ $gt: null }, 'value/$gt is a number or a text, not null'], [{ $not: { $foo: 1 } }, 'value/$not has an unknown operator "$foo"'],
    [{ $gt: 1, a: 2 }, 'value has operators and fields'], [{ $constructor: 1 }, 'value has an unknown operator "$constructor"'],
  ] as const) {
    expect(() => checkMatcher(matcher, 'value')).toThrow(said)
  }
})
