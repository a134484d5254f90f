/*
 * Patterns from outside. Most are done in microseconds; one like `^(a+)+$` takes longer with some texts than anybody lives, while the event loop, and
 * the broker with it, waits. Node ends a pattern only within a script that has a time-out, which costs some 0.1 ms for each text: so just those run
 * there that may take long. Who is handed one sees a RegExp.
 */
import { createContext, Script } from 'node:vm'
import { realClock } from '../../base/clock.ts'
import { Refusal } from './problem.ts'

/** Longer patterns are nobody's. */
const MOST_LETTERS = 1000
/** Of slow runs, in one turn of the event loop: so long nobody else is answered. */
const MOST_MS = 1000
/** What takes less is not slow. */
const SLOW_MS = 1
/** Whoever comes when others have spent all of it. */
const LEAST_MS = 100
/** Ways to try a pattern with a text that are over within a millisecond or so. */
const FEW_WAYS = 100_000

/** A pattern that ends in time. */
export class BoundedPattern extends RegExp {
  readonly #ways: (length: number) => number
  /** It took too long once, and is not tried again. */
  #refusal: Refusal | undefined

  /** @throws SyntaxError for what is no pattern */
  constructor(source: string, flags = 'u') {
    super(source, flags)
    this.#ways = waysOf(source, flags)
  }

  /**
   * As of any RegExp, whose other methods call it.
   *
   * @throws a Refusal when it takes too long
   */
  override exec(text: string): RegExpExecArray | null {
    if (this.#refusal !== undefined) throw this.#refusal
    if (this.#ways(text.length) <= FEW_WAYS) return super.exec(text)
    try {
      return inTime(() => super.exec(text))
    } catch {
      // Too long, or so often back and forth that its stack is full.
      const message = `the pattern ${this.source} takes too long with a text of ${text.length} letters: make it simpler`
      throw (this.#refusal = new Refusal('PATTERN_TOO_SLOW', message))
    }
  }
}

/** What is wrong with a pattern from somebody else; nothing when it can be run. */
export function wrongPattern(source: string, flags = 'u'): string[] {
  if (source.length > MOST_LETTERS) return [`is a pattern of at most ${MOST_LETTERS} letters, not ${source.length}`]
  try {
    // Those that are too large are found when they are first used.
    new BoundedPattern(source, flags).test('')
    return []
  } catch (error) {
    return [`is no pattern: ${(error as Error).message}`]
  }
}

/**
 * In how many ways, at most, a pattern is tried with a text of so many letters: from each place, each repeat as often as it goes, each choice by
 * itself. Infinity where groups are repeated, or looked for again.
 */
function waysOf(source: string, flags: string): (length: number) => number {
  const plain = source.replaceAll(/\\[^]/g, 'x').replaceAll(/\[[^\]]*\]/g, 'x')
  if (/\\(?:[1-9]|k<)/.test(source) || /\)[*+?{]/.test(plain)) return () => Infinity
  const repeats = plain.replaceAll(/\(\?(?:<?[=!]|:|<\w+>)/g, '(').match(/[*+?{]/g)?.length ?? 0
  const choices = plain.match(/\|/g)?.length ?? 0
  const begins = plain.startsWith('^') && choices === 0 && !flags.includes('m') ? 0 : 1
  return (length) => (length + 1) ** (repeats + begins) * 2 ** choices
}

const script = new Script('run()')
let sandbox: { run: () => unknown } | undefined
/** Ms of slow runs in this turn of the event loop. */
let spentMs = 0

/** What `run` gives, unless that takes too long: then it is ended, wherever it is, so it may change nothing. */
function inTime<T>(run: () => T): T {
  sandbox ??= createContext({ run }) as { run: () => unknown }
  sandbox.run = run
  const began = realClock.monotonic()
  try {
    return script.runInContext(sandbox, { timeout: Math.max(LEAST_MS, Math.round(MOST_MS - spentMs)) }) as T
  } finally {
    const tookMs = realClock.monotonic() - began
    if (tookMs > SLOW_MS) {
      if (spentMs === 0) realClock.defer(() => { spentMs = 0 })
      spentMs += tookMs
    }
  }
}
