/*
 * The regular expressions by which consumers subscribe to topics: RE2's syntax, as Kafka's broker takes it, matched against whole names. The
 * work is linear in pattern times name whatever the pattern, since it may come from anybody: there is no back-tracking, and no RegExp. How a
 * name is matched is in pattern-machine.ts.
 *
 * What differs from RE2: names have ASCII letters only, so nothing else is ever matched and Unicode classes hold their ASCII part; a pattern of
 * more than 1,000 states is refused. Spec: RE2's syntax page; the words of errors are those of Kafka's re2j.
 */
import { PatternMachine, type PatternState } from './pattern-machine.ts'
import { parsePattern, type PatternTree, TopicPatternError } from './topic-pattern-parser.ts'

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
  return compiled(parsePattern(source))
}

/** Built from the end: each part knows where it goes on. */
function compiled(tree: PatternTree): PatternMachine {
  const states: PatternState[] = [{ set: undefined, assertion: undefined, next: [] }]
  const made = (state: PatternState): number => {
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
      const to = [next]
      at = made({ set: undefined, assertion: undefined, next: to })
      to.push(build(part, at))
    } else {
      for (let times = min; times < max; times++) at = made({ set: undefined, assertion: undefined, next: [next, build(part, at)] })
    }
    for (let times = 0; times < min; times++) at = build(part, at)
    return at
  }
  return new PatternMachine(states, build(tree, 0), 0)
}
