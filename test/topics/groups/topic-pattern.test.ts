import fc from 'fast-check'
import { expect, test } from 'vitest'
import { topicPattern } from '../../../src/topics/groups/topic-pattern.ts'
import { TopicPatternError } from '../../../src/topics/groups/topic-pattern-parser.ts'

const cases: readonly (readonly [pattern: string, matching: readonly string[], others: readonly string[]])[] = [
  ['orders', ['orders'], ['orders2', 'my-orders', '']],
  ['orders-.*', ['orders-', 'orders-eu'], ['orders', 'xorders-']],
  ['', [''], ['a']],
  ['a|bc|', ['a', 'bc', ''], ['abc', 'b']],
  ['(a|b)+c?', ['a', 'bab', 'abc'], ['c', 'acb']],
  ['[a-c_.-]{2,3}', ['ab', 'a.b', '--'], ['a', 'abca', 'ad']],
  ['[^a-c]+', ['xyz'], ['xa', '']],
  ['[]a]', ['a', ']'], ['b']],
  ['[a\\-c]+', ['a-c'], ['b']],
  ['\\d{3}', ['123'], ['12', '12a', '1234']],
  ['\\w+\\.\\S+', ['a_1.b-c'], ['ab', 'a.']],
  ['(?i)ORDERS-[X]', ['orders-x', 'Orders-X'], ['orders']],
  ['(?i:A)b', ['ab', 'Ab'], ['aB']],
  ['(?P<name>a)(?:b)(?<other>c)', ['abc'], ['ab']],
  ['^a$', ['a'], ['b']],
  ['a$b', [], ['ab', 'a']],
  ['\\Aab\\z', ['ab'], ['abc']],
  ['a\\b-b', ['a-b'], ['ab']],
  ['a\\Bb', ['ab'], ['a-b']],
  ['\\Qa.b*\\E*', ['a.b', 'a.b*', 'a.b**'], ['axb']],
  ['[[:alpha:]]+[[:^digit:]]', ['ab', 'a-'], ['a1']],
  ['\\pL\\p{Nd}\\P{L}', ['a1-', 'a11'], ['a1b', '111']],
  ['a{,2}', ['a{,2}'], ['a', 'aa']],
  ['a{0}b', ['b'], ['ab']],
  ['(a*)*b', ['b', 'aaab'], ['a']],
  ['\\x61\\x{62}\\141', ['aba'], ['abb']],
  ['a*?b+?', ['ab', 'abb'], ['a']],
  ['ж', [], ['a']],
]
for (const [pattern, matching, others] of cases) {
  test(`the pattern ${pattern} matches whole names as RE2 does`, () => {
    const compiled = topicPattern(pattern)
    for (const name of matching) expect(compiled.matches(name), name).toBe(true)
    for (const name of others) expect(compiled.matches(name), name).toBe(false)
  })
}

const broken: readonly (readonly [pattern: string, message: string])[] = [
  ['a(b', 'missing closing )'], ['a)b', 'missing closing )'], ['[ab', 'missing closing ]'], ['*a', 'missing argument to repetition operator'],
  ['a**', 'invalid nested repetition operator'], ['a{2}{3}', 'invalid nested repetition operator'], ['a{1001}', 'invalid repeat count'],
  ['a{3,2}', 'invalid repeat count'], ['\\', 'trailing backslash at end of expression'], ['\\y', 'invalid escape sequence'],
  ['(a)\\1', 'invalid escape sequence'], ['a(?=b)', 'invalid or unsupported Perl syntax'], ['(?!a)', 'invalid or unsupported Perl syntax'],
  ['(?<=a)b', 'invalid or unsupported Perl syntax'], ['[b-a]', 'invalid character class range'], ['[[:nothing:]]', 'invalid character class range'],
  ['(?P<a b>c)', 'invalid named capture'], ['(((((a{50}){50}){50}){50}){50})', 'expression too large'],
  ['('.repeat(500) + ')'.repeat(500), 'expression nests too deeply'], ['((((){1000}){1000}){1000}){1000}', 'expression too large'],
  ['((((a{0}){1000}){1000}){1000}){1000}', 'expression too large'], ['a|'.repeat(5001), 'expression too large'],
]
for (const [pattern, message] of broken) {
  test(`the pattern ${pattern.slice(0, 40)} is refused: ${message}`, () => {
    expect(() => topicPattern(pattern)).toThrow(new TopicPatternError(message))
  })
}

test('patterns that a RegExp understands too match what it matches', () => {
  const atom = fc.oneof(fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '-', '\\.'), fc.constantFrom('a{0,2}', 'b+', 'a*', 'b?', '[a-]{2}'))
  const pattern = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, atom, fc.array(tie('tree'), { maxLength: 4 }).map((parts) => parts.join('')),
      fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((parts) => `(${parts.join('|')})`), tie('tree').map((part) => `(?:${part})*`)),
  })).tree
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.', '_'), maxLength: 8 })
  fc.assert(fc.property(pattern, fc.array(name, { maxLength: 12 }), (source, names) => {
    const [ours, theirs] = [topicPattern(source), new RegExp(`^(?:${source})$`)]
    for (const one of names) expect([one, ours.matches(one)]).toEqual([one, theirs.test(one)])
  }), { numRuns: 400 })
})

test('a pattern that makes others try for ever is done at once, and bytes of any kind end in an answer or an error', () => {
  const name = `${'a'.repeat(248)}!`
  for (const source of ['(a+)+', '(a|aa)+', '(.*a){12}', '((a*)*)*b', '(a?){200}a{200}']) topicPattern(source).matches(name)
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (source) => {
    try {
      topicPattern(source).matches('orders-1')
    } catch (error) {
      expect(error).toBeInstanceOf(TopicPatternError)
    }
  }), { numRuns: 2000 })
  const noise = fc.string({ unit: fc.constantFrom(...'ab(){}[]|*+?^$\\.-:<>P=!0123,dwpQEx'.split('')), maxLength: 30 })
  fc.assert(fc.property(noise, (source) => {
    try {
      topicPattern(source).matches('ab')
    } catch (error) {
      expect(error).toBeInstanceOf(TopicPatternError)
    }
  }), { numRuns: 5000 })
})

test('a pattern of very many states costs little for a name like those that it saw', () => {
  const pattern = topicPattern('.*'.repeat(240))
  const names = Array.from({ length: 1000 }, (_, index) => `name-${index}`.padEnd(218, 'abcdefgh'))
  const began = performance.now()
  expect(names.every((name) => pattern.matches(name))).toBe(true)
  // State by state each takes some ms.
  expect(performance.now() - began).toBeLessThan(500)
})

test('a machine that forgets its nodes goes on rightly', () => {
  // Which of the last characters were an a: more sets of states than are kept.
  const source = '[ab]*a[ab]{12}(?:\\b|_)[.-]?'
  const [ours, theirs] = [topicPattern(source), new RegExp(`^(?:${source})$`)]
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'b', 'a', 'a', '.', '-', '_'), minLength: 13, maxLength: 60 })
  const plain = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 13, maxLength: 249 })
  fc.assert(fc.property(fc.oneof(name, plain), (one) => { expect([one, ours.matches(one)]).toEqual([one, theirs.test(one)]) }), { numRuns: 2000 })
})
