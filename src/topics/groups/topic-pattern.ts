/*
 * The regular expressions by which consumers subscribe to topics: RE2's syntax, as Kafka's broker takes it, matched against whole names. The
 * work is linear in pattern times name whatever the pattern, since it may come from anybody: there is no back-tracking, and no RegExp.
 *
 * What differs from RE2: names have ASCII letters only, so nothing else is ever matched and Unicode classes hold their ASCII part; a pattern of
 * more than 1,000 states is refused. Spec: RE2's syntax page; the words of errors are those of Kafka's re2j.
 */
import { ASCII, type CharSet, wordChars } from './char-sets.ts'
import { type Assertion, parsePattern, type PatternTree, TopicPatternError } from './topic-pattern-parser.ts'

/** A pattern that can be asked. */
export interface TopicPattern {
  /** Whether the whole name matches. */
  matches(name: string): boolean
}

const MAX_STATES = 1000
/** Of a pattern: what is longer has more states, or says nothing with many words. */
const MAX_LENGTH = 10_000
/** Parts that are built, each as often as it is repeated: those that match nothing make no states, and may be repeated repeatedly. */
const MAX_PARTS = 10_000

/**
 * Reads a pattern.
 *
 * @throws TopicPatternError
 */
export function topicPattern(source: string): TopicPattern {
  if (source.length > MAX_LENGTH) throw new TopicPatternError('expression too large')
  const program = compiled(parsePattern(source))
  return { matches: (name) => run(program, name) }
}

/** A state of the machine: a character to go on by, an assertion, or states to go on to without one. The last one, without any, is the end. */
interface State {
  readonly set: CharSet | undefined
  readonly assertion: Assertion | undefined
  /** Numbers of states. */
  readonly next: number[]
}

interface Program {
  readonly states: readonly State[]
  readonly start: number
  readonly end: number
}

/** Built from the end: each part knows where it goes on. */
function compiled(tree: PatternTree): Program {
  const states: State[] = [{ set: undefined, assertion: undefined, next: [] }]
  const made = (state: State): number => {
    if (states.length >= MAX_STATES) throw new TopicPatternError('expression too large')
    return states.push(state) - 1
  }
  let parts = 0
  const build = (part: PatternTree, next: number): number => {
    if (++parts > MAX_PARTS) throw new TopicPatternError('expression too large')
    switch (part.is) {
      case 'chars': return made({ set: part.set, assertion: undefined, next: [next] })
      case 'assert': return made({ set: undefined, assertion: part.what, next: [next] })
      case 'all': return part.parts.reduceRight((to, one) => build(one, to), next)
      case 'any': return made({ set: undefined, assertion: undefined, next: part.parts.map((one) => build(one, next)) })
      case 'repeat': return buildRepeat(part, next)
    }
  }
  const buildRepeat = ({ part, min, max }: Extract<PatternTree, { is: 'repeat' }>, next: number): number => {
    let at = next
    if (max === Infinity) {
      const loop: State = { set: undefined, assertion: undefined, next: [next] }
      at = made(loop)
      loop.next.push(build(part, at))
    } else {
      for (let times = min; times < max; times++) at = made({ set: undefined, assertion: undefined, next: [next, build(part, at)] })
    }
    for (let times = 0; times < min; times++) at = build(part, at)
    return at
  }
  const start = build(tree, 0)
  return { states, start, end: 0 }
}

/** All states that the name may have led to, character by character. */
function run({ states, start, end }: Program, name: string): boolean {
  let now: number[] = []
  let seen = new Uint8Array(states.length)
  enter(states, start, name, 0, now, seen)
  for (let at = 0; at < name.length && now.length > 0; at++) {
    const code = name.charCodeAt(at)
    const next: number[] = []
    seen = new Uint8Array(states.length)
    for (const state of now) {
      const { set, next: to } = states[state]!
      if (set !== undefined && code < ASCII && set[code] === 1) enter(states, to[0]!, name, at + 1, next, seen)
    }
    now = next
  }
  return seen[end] === 1 && now.includes(end)
}

/** Adds a state, and those that follow from it without a character. */
function enter(states: readonly State[], first: number, name: string, at: number, into: number[], seen: Uint8Array): void {
  const waiting = [first]
  while (waiting.length > 0) {
    const number = waiting.pop()!
    if (seen[number] === 1) continue
    seen[number] = 1
    const { set, assertion, next } = states[number]!
    if (assertion !== undefined && !holds(assertion, name, at)) continue
    if (set !== undefined || next.length === 0) into.push(number)
    else waiting.push(...next)
  }
}

function holds(assertion: Assertion, name: string, at: number): boolean {
  if (assertion === 'begin') return at === 0
  if (assertion === 'end') return at === name.length
  return (isWord(name, at - 1) !== isWord(name, at)) === (assertion === 'word')
}

function isWord(name: string, at: number): boolean {
  return at >= 0 && at < name.length && wordChars[name.charCodeAt(at)] === 1
}
