/*
 * Reads a regular expression in RE2's syntax to a tree: topic-pattern.ts runs it. Names of groups and flags that make no difference to whether
 * a whole name matches are read and forgotten. Spec: RE2's syntax page; the words of errors are those of Kafka's re2j.
 */
import { add, ASCII, type CharSet, lower, negated, perlClasses, posixClasses, range, unicodeClasses } from './char-sets.ts'

/** Why a pattern is none: `message` in the words that Kafka's clients see. */
export class TopicPatternError extends Error {}

/** What holds at a place, and takes no character. */
export type Assertion = 'begin' | 'end' | 'word' | 'no-word'

/** A pattern, or a part of one. */
export type PatternTree =
  | { readonly is: 'chars'; readonly set: CharSet }
  | { readonly is: 'assert'; readonly what: Assertion }
  | { readonly is: 'all'; readonly parts: readonly PatternTree[] }
  | { readonly is: 'any'; readonly parts: readonly PatternTree[] }
  | { readonly is: 'repeat'; readonly part: PatternTree; readonly min: number; readonly max: number }

const MAX_DEPTH = 200
const MAX_REPEAT = 1000

const controls: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }

/**
 * Reads a pattern.
 *
 * @throws TopicPatternError
 */
export function parsePattern(source: string): PatternTree {
  return new Parser(source).parse()
}

class Parser {
  readonly #source: string
  #at = 0
  #depth = 0
  #foldCase = false

  constructor(source: string) {
    this.#source = source
  }

  parse(): PatternTree {
    const tree = this.#alternatives()
    if (this.#at < this.#source.length) throw new TopicPatternError('missing closing )')
    return tree
  }

  #alternatives(): PatternTree {
    const parts = [this.#sequence()]
    while (this.#take('|')) parts.push(this.#sequence())
    return parts.length === 1 ? parts[0]! : { is: 'any', parts }
  }

  #sequence(): PatternTree {
    const parts: PatternTree[] = []
    while (this.#at < this.#source.length && !this.#sees('|') && !this.#sees(')')) {
      const part = this.#part()
      if (part !== undefined) parts.push(this.#repeated(part))
    }
    return { is: 'all', parts }
  }

  /** One thing that may be repeated; undefined for what stands for nothing, such as flags. */
  #part(): PatternTree | undefined {
    const char = this.#next()
    switch (char) {
      case '(': return this.#group()
      case '[': return { is: 'chars', set: this.#class() }
      case '.': return { is: 'chars', set: range(0, 127) }
      case '^': return { is: 'assert', what: 'begin' }
      case '$': return { is: 'assert', what: 'end' }
      case '\\': return this.#escape()
      case '*': case '+': case '?': throw new TopicPatternError('missing argument to repetition operator')
      default:
        if (char === '{' && this.#bounds() !== undefined) throw new TopicPatternError('missing argument to repetition operator')
        return this.#literal(char)
    }
  }

  #repeated(part: PatternTree): PatternTree {
    let tree = part
    for (let times = 0; ; times++) {
      const bounds = this.#operator()
      if (bounds === undefined) return tree
      if (times > 0) throw new TopicPatternError('invalid nested repetition operator')
      if (bounds.min > MAX_REPEAT || (bounds.max !== Infinity && (bounds.max > MAX_REPEAT || bounds.min > bounds.max))) {
        throw new TopicPatternError('invalid repeat count')
      }
      this.#take('?')                      // the shortest match is a match as well
      tree = { is: 'repeat', part: tree, ...bounds }
    }
  }

  #operator(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity }
    if (this.#take('+')) return { min: 1, max: Infinity }
    if (this.#take('?')) return { min: 0, max: 1 }
    return this.#take('{') ? this.#boundsOrBack() : undefined
  }

  #boundsOrBack(): { readonly min: number; readonly max: number } | undefined {
    const bounds = this.#bounds()
    if (bounds === undefined) this.#at--
    return bounds
  }

  /** What stands behind a brace; undefined, and nothing read, when that are no numbers: then the brace is itself. */
  #bounds(): { readonly min: number; readonly max: number } | undefined {
    const found = /^(\d+)(,(\d*))?\}/.exec(this.#source.slice(this.#at, this.#at + 32))
    if (found === null) return undefined
    this.#at += found[0].length
    const min = Number(found[1])
    return { min, max: found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3]) }
  }

  #group(): PatternTree | undefined {
    const foldCase = this.#foldCase
    if (this.#take('?') && this.#flagsOnly()) return undefined
    if (++this.#depth > MAX_DEPTH) throw new TopicPatternError('expression nests too deeply')
    const tree = this.#alternatives()
    if (!this.#take(')')) throw new TopicPatternError('missing closing )')
    this.#depth--
    this.#foldCase = foldCase
    return tree
  }

  /** What stands behind `(?`: a name, or flags; whether that was all of the group. */
  #flagsOnly(): boolean {
    const rest = this.#source.slice(this.#at)
    if (/^P?</.test(rest)) {
      if (/^<[=!]/.test(rest)) throw new TopicPatternError('invalid or unsupported Perl syntax')
      const name = /^P?<(\w+)>/.exec(rest)
      if (name === null) throw new TopicPatternError('invalid named capture')
      this.#at += name[0].length
      return false
    }
    const flags = /^([imsU]*)(-[imsU]+)?([:)])/.exec(rest)
    if (flags === null || flags[0] === ')') {
      throw new TopicPatternError(/^[imsU-]*$/.test(rest) ? 'missing closing )' : 'invalid or unsupported Perl syntax')
    }
    this.#at += flags[0].length
    if (flags[1]!.includes('i')) this.#foldCase = true
    if (flags[2]?.includes('i') === true) this.#foldCase = false
    return flags[3] === ')'
  }

  #escape(): PatternTree {
    const letter = this.#peek()
    if (letter === undefined) throw new TopicPatternError('trailing backslash at end of expression')
    if (this.#take('A')) return { is: 'assert', what: 'begin' }
    if (this.#take('z')) return { is: 'assert', what: 'end' }
    if (this.#take('b')) return { is: 'assert', what: 'word' }
    if (this.#take('B')) return { is: 'assert', what: 'no-word' }
    if (this.#take('Q')) return this.#quoted()
    const set = this.#classEscape()
    return set === undefined ? this.#charTree(this.#charEscape()) : { is: 'chars', set }
  }

  /** Up to `\E`, or to the end; a repetition behind it is of the last character. */
  #quoted(): PatternTree {
    const end = this.#source.indexOf('\\E', this.#at)
    const text = this.#source.slice(this.#at, end < 0 ? undefined : end)
    this.#at = end < 0 ? this.#source.length : end + 2
    const parts = [...text].map((char) => this.#literal(char))
    const last = parts.pop()
    return last === undefined ? { is: 'all', parts } : { is: 'all', parts: [...parts, this.#repeated(last)] }
  }

  /** `\d`, `\pL`, `\p{Lu}` and their like behind a backslash; undefined, and nothing read, for others. */
  #classEscape(): CharSet | undefined {
    const letter = this.#peek()!
    if (Object.hasOwn(perlClasses, letter)) {
      this.#at++
      return perlClasses[letter]
    }
    const found = /^[pP](\{(\^?)([^}]*)\}|(.))/s.exec(this.#source.slice(this.#at, this.#at + 64))
    if (found === null) {
      if (letter === 'p' || letter === 'P') throw new TopicPatternError('invalid character class range')
      return undefined
    }
    this.#at += found[0].length
    const name = found[3] ?? found[4]!
    if (!/^[A-Z][A-Za-z_]*$/.test(name)) throw new TopicPatternError('invalid character class range')
    const set = Object.hasOwn(unicodeClasses, name) ? unicodeClasses[name]! : new Uint8Array(ASCII)
    return this.#folded((letter === 'P') === (found[2] === '^') ? set : negated(set))
  }

  /** The character behind a backslash. */
  #charEscape(): number {
    const letter = this.#next()
    if (Object.hasOwn(controls, letter)) return controls[letter]!
    if (letter.charCodeAt(0) < ASCII && !/[0-9A-Za-z]/.test(letter)) return letter.charCodeAt(0)
    const code = letter === 'x' ? this.#matched(/^([0-9A-Fa-f]{2})/, 16) ?? this.#matched(/^\{([0-9A-Fa-f]{1,6})\}/, 16) : this.#octal(letter)
    if (code === undefined || code > 0x10_ffff) throw new TopicPatternError('invalid escape sequence')
    return code
  }

  /** One digit from 1 to 7 alone would refer back to a group, which RE2 does not know. */
  #octal(letter: string): number | undefined {
    if (!/[0-7]/.test(letter) || (letter !== '0' && !/[0-7]/.test(this.#peek() ?? ''))) return undefined
    this.#at--
    return this.#matched(/^([0-7]{1,3})/, 8)
  }

  #matched(form: RegExp, base: number): number | undefined {
    const found = form.exec(this.#source.slice(this.#at, this.#at + 16))
    if (found === null) return undefined
    this.#at += found[0].length
    return Number.parseInt(found[1]!, base)
  }

  /** Behind the opening bracket. */
  #class(): CharSet {
    const set = new Uint8Array(ASCII)
    const negate = this.#take('^')
    for (let first = true; first || !this.#sees(']'); first = false) {
      if (this.#peek() === undefined) throw new TopicPatternError('missing closing ]')
      const named = this.#namedClass()
      if (named !== undefined) add(set, named)
      else add(set, this.#classRange(first))
    }
    this.#at++
    const all = this.#folded(set)
    return negate ? negated(all) : all
  }

  #namedClass(): CharSet | undefined {
    if (this.#sees('\\') && this.#source.length > this.#at + 1) {
      this.#at++
      const set = this.#classEscape()
      if (set === undefined) this.#at--
      return set
    }
    const found = /^\[:(\^?)(\w+):\]/.exec(this.#source.slice(this.#at, this.#at + 16))
    if (found === null) return undefined
    const set = Object.hasOwn(posixClasses, found[2]!) ? posixClasses[found[2]!] : undefined
    if (set === undefined) throw new TopicPatternError('invalid character class range')
    this.#at += found[0].length
    return found[1] === '' ? set : negated(set)
  }

  #classRange(first: boolean): CharSet {
    // A hyphen is itself only at the ends.
    if (!first && this.#sees('-') && !/^-\]/.test(this.#source.slice(this.#at)) && !/^-[^\]]-/.test(this.#source.slice(this.#at))) {
      throw new TopicPatternError('invalid character class range')
    }
    const from = this.#classChar()
    if (!this.#sees('-') || (this.#source[this.#at + 1] ?? ']') === ']') return range(from, from)
    this.#at++
    const to = this.#classChar()
    if (to < from) throw new TopicPatternError('invalid character class range')
    return range(from, to)
  }

  #classChar(): number {
    if (this.#peek() === undefined) throw new TopicPatternError('missing closing ]')
    if (!this.#take('\\')) return this.#next().codePointAt(0)!
    if (this.#peek() === undefined) throw new TopicPatternError('trailing backslash at end of expression')
    return this.#charEscape()
  }

  #literal(char: string): PatternTree {
    return this.#charTree(char.codePointAt(0)!)
  }

  #charTree(code: number): PatternTree {
    return { is: 'chars', set: this.#folded(range(code, code)) }
  }

  #folded(set: CharSet): CharSet {
    if (!this.#foldCase) return set
    const folded = set.slice()
    for (const letter of lower) {
      const [small, large] = [letter.charCodeAt(0), letter.toUpperCase().charCodeAt(0)]
      if (set[small] === 1 || set[large] === 1) folded[small] = folded[large] = 1
    }
    return folded
  }

  #peek(): string | undefined {
    return this.#source[this.#at]
  }

  #sees(char: string): boolean {
    return this.#source[this.#at] === char
  }

  #take(char: string): boolean {
    if (!this.#sees(char)) return false
    this.#at++
    return true
  }

  /** The next character, whole where it takes two code units. */
  #next(): string {
    const char = String.fromCodePoint(this.#source.codePointAt(this.#at)!)
    this.#at += char.length
    return char
  }
}
