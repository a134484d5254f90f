/*
 * Sets of ASCII characters, as regular expressions name them: names of topics have no others. Spec: RE2's syntax page.
 */

/** By code of a character: 1 for those that are in it. */
export type CharSet = Uint8Array

/** Codes of characters that a set has room for. */
export const ASCII = 128

const digits = '0123456789'
/** The small letters. */
export const lower = 'abcdefghijklmnopqrstuvwxyz'
const upper = lower.toUpperCase()
const punctuation = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
/** Letters, digits and the low line. */
export const wordChars = charsOf(`${digits}${lower}${upper}_`)

/** Classes behind a backslash, by their letter. */
export const perlClasses: Readonly<Record<string, CharSet>> = {
  d: charsOf(digits), D: negated(charsOf(digits)), s: charsOf('\t\n\f\r '), S: negated(charsOf('\t\n\f\r ')), w: wordChars, W: negated(wordChars),
}
/** Classes within brackets and colons. */
export const posixClasses: Readonly<Record<string, CharSet>> = {
  alnum: charsOf(digits + lower + upper), alpha: charsOf(lower + upper), ascii: range(0, 127), blank: charsOf('\t '), digit: charsOf(digits),
  cntrl: union(range(0, 31), range(127, 127)), graph: range(33, 126), lower: charsOf(lower), print: range(32, 126), punct: charsOf(punctuation),
  space: charsOf('\t\n\v\f\r '), upper: charsOf(upper), word: wordChars, xdigit: charsOf(`${digits}abcdefABCDEF`),
}
/** The ASCII part of Unicode's classes, and nothing of scripts that have none. */
export const unicodeClasses: Readonly<Record<string, CharSet>> = {
  Any: range(0, 127), L: charsOf(lower + upper), Ll: charsOf(lower), Lu: charsOf(upper), Latin: charsOf(lower + upper), N: charsOf(digits),
  Nd: charsOf(digits), P: charsOf('!"#%&\'()*,-./:;?@[\\]_{}'), Pc: charsOf('_'), Pd: charsOf('-'), Ps: charsOf('([{'), Pe: charsOf(')]}'),
  Po: charsOf('!"#%&\'*,./:;?@\\'), S: charsOf('$+<=>^`|~'), Sc: charsOf('$'), Sk: charsOf('^`'), Sm: charsOf('+<=>|~'), Z: charsOf(' '),
  Zs: charsOf(' '), C: union(range(0, 31), range(127, 127)), Cc: union(range(0, 31), range(127, 127)),
}

/** The characters of a text. */
function charsOf(text: string): CharSet {
  const set = new Uint8Array(ASCII)
  for (const char of text) set[char.charCodeAt(0)] = 1
  return set
}

/** All from one code to another, as far as they are ASCII. */
export function range(from: number, to: number): CharSet {
  const set = new Uint8Array(ASCII)
  if (from < ASCII) set.fill(1, from, Math.min(to + 1, ASCII))
  return set
}

/** All others. */
export function negated(set: CharSet): CharSet {
  return set.map((in_) => 1 - in_)
}

/** Those of both. */
export function union(a: CharSet, b: CharSet): CharSet {
  return a.map((in_, code) => in_ | b[code]!)
}

/** Adds those of another one. */
export function add(set: CharSet, more: CharSet): void {
  for (let code = 0; code < ASCII; code++) set[code]! |= more[code]!
}
