/*
 * Each keyword of JSON Schema that is checked: a value that passes, and one that does not, with what is said of it.
 */
import { expect, test } from 'vitest'
import { violations } from '../../../src/testing/sidecar/check.ts'
import { schemaViolations } from '../../../src/testing/sidecar/json-schema.ts'
import { type Schema } from '../../../src/testing/sidecar/schema.ts'

const tag = (kind: string, extra: Schema): Schema => (
  { type: 'object', properties: { kind: { const: kind }, n: extra }, required: ['kind'], additionalProperties: false }
)

for (const [schema, right, wrong, said] of [
  [{ type: 'string' }, 'a', 1, 'is text, not the number 1'],
  [{ type: 'integer' }, 3, 3.5, 'is an integer, not the number 3.5'],
  [{ type: 'number' }, 3.5, '3', 'is a number, not the string "3"'],
  [{ type: 'boolean' }, false, 0, 'is true or false, not the number 0'],
  [{ type: 'object' }, {}, [], 'is an object, not an array of 0'],
  [{ type: 'array' }, [], {}, 'is a list, not an object'],
  [{ type: ['string', 'null'] }, null, 1, 'is text or null, not the number 1'],
  [{ const: { a: 1 } }, { a: 1 }, { a: 2 }, 'is {"a":1}, not an object'],
  [{ enum: ['keep', 'drop'] }, 'keep', 'kep', 'is one of "keep", "drop", not the string "kep": did you mean "keep"?'],
  [{ minimum: 1 }, 1, 0, 'is at least 1, not 0'],
  [{ maximum: 1 }, 1, 2, 'is at most 1, not 2'],
  [{ exclusiveMinimum: 1 }, 2, 1, 'is above 1, not 1'],
  [{ exclusiveMaximum: 1 }, 0, 1, 'is below 1, not 1'],
  [{ multipleOf: 5 }, 10, 7, 'is a multiple of 5, not 7'],
  [{ minLength: 2 }, '👍👍', '👍', 'has at least 2 letters, not 1'],
  [{ minLength: 1 }, 'a', '', 'is empty'],
  [{ maxLength: 1 }, '👍', 'ab', 'has at most 1 letters, not 2'],
  [{ pattern: '^o-' }, 'o-1', 'x', 'the string "x" does not fit ^o-'],
  [{ minItems: 1 }, [1], [], 'has at least 1 items, not 0'],
  [{ maxItems: 1 }, [1], [1, 2], 'has at most 1 items, not 2'],
  [{ uniqueItems: true }, [{ a: 1 }, { a: 2 }], [{ a: 1 }, { a: 1 }], '/1 is in the list twice'],
  [{ items: { type: 'integer' } }, [1], [1, 'x'], '/1 is an integer, not the string "x"'],
  [{ required: ['id'] }, { id: 1 }, {}, 'lacks "id"'],
  [{ properties: { total: {} }, additionalProperties: false }, { total: 1 }, { totl: 1 }, 'has an unknown field "totl": did you mean "total"?'],
  [{ additionalProperties: { type: 'integer' } }, { a: 1 }, { 'a/b': 'x' }, '/a~1b is an integer, not the string "x"'],
  [{ minProperties: 1 }, { a: 1 }, {}, 'has 0 fields'],
  [{ anyOf: [{ type: 'string' }, { minimum: 5, type: 'number' }] }, 'a', 4, 'is at least 5, not 4'],
  [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, null, 4, 'is string, or null, not the number 4'],
  [{ anyOf: [tag('a', { type: 'null' }), tag('b', { type: 'integer' })] }, { kind: 'b', n: 1 }, { kind: 'b', n: null }, '/n is an integer, not null'],
  [{ anyOf: [tag('a', {}), tag('two', {})] }, { kind: 'a' }, { kind: 'tw' }, '/kind is one of "a", "two", not the string "tw": did you mean "two"?'],
  [{ oneOf: [{ minimum: 1 }, { maximum: 3 }] }, 5, 2, 'is as 2 schemas say, and may be so by one'],
  [{ allOf: [{ minimum: 1 }, { maximum: 3 }] }, 2, 5, 'is at most 3, not 5'],
  [{ not: { type: 'null' } }, 1, null, 'is what it may not be'],
  [{ $defs: { id: { pattern: '^o-' } }, $ref: '#/$defs/id' } as object, 'o-1', 'x', 'the string "x" does not fit ^o-'],
] as const satisfies readonly (readonly [object, unknown, unknown, string])[]) {
  test(`${JSON.stringify(schema)} refuses ${JSON.stringify(wrong)}`, () => {
    expect(schemaViolations(schema)).toEqual([])
    expect(violations(schema, right)).toEqual([])
    expect(violations(schema, wrong).map(({ at, reason }) => `${at} ${reason}`.trim())).toEqual([said])
  })
}

test('a schema may refer to itself, but not without end', () => {
  const tree: Schema = { type: 'object', properties: { left: { $ref: '#' } }, additionalProperties: false }
  expect(violations(tree, { left: { left: {} } })).toEqual([])
  expect(violations(tree, { left: { left: { right: 1 } } })).toMatchObject([{ at: '/left/left' }])
  expect(violations({ $ref: '#' }, 1)).toEqual([{ at: '', reason: 'the schema refers to itself without end' }])
  expect(() => violations({ $ref: '#/nowhere' }, 1)).toThrow('the schema refers to #/nowhere, which is not in it')
})

test('a schema with a keyword that nobody would check is none', () => {
  for (const [schema, said] of [
    [{ patternProperties: {} }, 'has an unknown field "patternProperties": there are $ref'], [{ type: 'text' }, '/type'],
    [{ properties: { a: { itms: {} } } }, '/properties/a has an unknown field "itms": did you mean "items"?'],
    [{ pattern: '(' }, '/pattern is no pattern'],
    [{ pattern: 'a'.repeat(2000) }, '/pattern is a pattern of at most 1000 letters, not 2000'], [{ anyOf: [] }, '/anyOf has at least 1 items, not 0'],
    [{ required: 'id' }, '/required is a list'], ['text', 'is an object'],
    [{ items: { $ref: '#/$defs/id' } }, '/items/$ref refers to #/$defs/id, which is not in the schema'],
  ] as const) {
    expect(schemaViolations(schema).map(({ at, reason }) => `${at} ${reason}`.trim())[0]).toContain(said)
  }
})

test('a schema that would be checked for ever is given up', () => {
  const $ref = '#/$defs/a'
  const endless = { $ref, $defs: { a: { anyOf: [{ $ref }, { $ref }] } } } as Schema
  expect(schemaViolations(endless)).toEqual([])
  expect(violations(endless, {}, endless, 10_000)).toEqual([{ at: '', reason: 'takes more than 10000 steps to check by this schema' }])
  const doubled = Object.fromEntries(Array.from({ length: 50 }, (_, index) => {
    const next = { $ref: `#/$defs/s${index + 1}` }
    return [`s${index}`, { allOf: [next, next] }]
  }))
  const long = { $ref: '#/$defs/s0', $defs: { ...doubled, s50: {} } } as Schema
  expect(violations(long, 1, long, 10_000)).toHaveLength(1)
})
