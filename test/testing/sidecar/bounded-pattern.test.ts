/*
 * Patterns from outside: they fit what those of JavaScript fit, and end in time.
 */
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { BoundedPattern, wrongPattern } from '../../../src/testing/sidecar/bounded-pattern.ts'

// What a turn of the event loop may take is shared by all that run in it.
afterEach(() => new Promise<void>((resolve) => void setImmediate(resolve)))

test('a pattern is given up where it would take years, and not tried again; all that run in one turn share the time', () => {
  for (const [source, text] of [
    ['^(a+)+$', `${'a'.repeat(60)}!`], ['^(a|a)*$', `${'a'.repeat(60)}!`], ['(\\w+\\s?)*$', `${'a'.repeat(60)}!`], ['^(a*)*\\1b', 'a'.repeat(60)],
    [`^${'a*'.repeat(12)}$`, `${'a'.repeat(300)}!`],
  ] as const) {
    const pattern = new BoundedPattern(source)
    expect(() => pattern.test(text)).toThrow(`the pattern ${source} takes too long with a text of ${text.length} letters`)
    expect(() => text.search(pattern)).toThrow(`the pattern ${source} takes too long with a text of ${text.length} letters`)
    expect(new BoundedPattern(source).test('')).toBe(new RegExp(source, 'u').test(''))
  }
})

test('patterns that end fit what those of JavaScript fit', () => {
  const piece = fc.constantFrom(
    'a', 'b', '.', '\\d', '[a-c]', '[^b]', '\\bb', '^', '$', '(a|b)', '(?:ab)?', '(?<n>a)', '(?=b)', '(?<!a)', 'a*', 'b+?', 'a{1,2}', '|', '\\p{L}',
  )
  const source = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')).filter((one) => wrongPattern(one).length === 0)
  fc.assert(fc.property(source, fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '\n'), maxLength: 12 }), (pattern, text) => {
    expect(new BoundedPattern(pattern).test(text)).toBe(new RegExp(pattern, 'u').test(text))
    expect(text.search(new BoundedPattern(pattern, 'im'))).toBe(text.search(new RegExp(pattern, 'im')))
  }))
})

test('what is no pattern, or a machine too large, is told', () => {
  expect(wrongPattern('^o-\\d+$')).toEqual([])
  expect(wrongPattern('(')).toEqual([expect.stringContaining('is no pattern: Invalid regular expression')])
  expect(wrongPattern('a'.repeat(2000))).toEqual(['is a pattern of at most 1000 letters, not 2000'])
  const nested = '(?:'.repeat(6) + 'a?b?' + '){20}'.repeat(6)
  expect(wrongPattern(nested)).toEqual([expect.stringContaining('is no pattern')])
})
