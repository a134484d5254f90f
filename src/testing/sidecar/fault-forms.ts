/*
 * Faults as JSON: those of src/testing/faults/spec.ts, with matchers in the place of functions, patterns as text, and lengths of time in words.
 */
import { type Fault } from '../faults/fault.ts'
import { faultMs, type FaultAction, type FaultMoment, type FaultSpec, type FaultTarget } from '../faults/spec.ts'
import { answerChange } from './answer-changes.ts'
import { asJson } from './json-values.ts'
import { checkMatcher, contains, matcher } from './json-matcher.ts'
import { BoundedPattern, wrongPattern } from './bounded-pattern.ts'
import {
  anything, byName, type Described, described, either, flag, integer, list, name, object, oneOf, type Schema, text, titled, word,
} from './schema.ts'
import { duration } from './waits.ts'

const moment: Schema<FaultMoment> = oneOf('before-apply', 'after-apply')
const when = { when: described(moment, 'Default before-apply: as if the request had never come.') }

/** What a fault does. */
const action = titled('FaultAction', either(
  object({ type: word('error'), error: name }, when),
  object({ type: word('delay'), ms: duration }, when),
  object({ type: word('close') }, when),
  object({ type: word('reset') }, when),
  object({ type: word('half-close') }, when),
  object({ type: word('silence') }, when),
  object({ type: word('throttle'), ms: duration }),
  object({ type: word('corrupt') }, { what: described(oneOf('bytes', 'length', 'correlation-id', 'crc'), 'Default bytes.') }),
  object({ type: word('truncate'), bytes: integer(0) }),
  object({ type: word('split') }, { bytes: described(integer(1), 'Default 1.') }),
  object({ type: word('duplicate') }),
  object({ type: word('stale-metadata') }),
  object({ type: word('shift-epoch'), by: integer() }),
  object({ type: word('answer'), change: byName(anything) }),
), 'What a fault does, by Kafka\'s names of errors. `answer` changes fields of the answer: objects field by field, lists item by item.')

const pattern = object({ pattern: name }, { flags: text })

/** A client id, or a pattern of them. */
export const clientPattern = either(text, pattern)

/** A fault to ask for. */
export const faultInput = titled('FaultInput', object({
  api: described(either(name, list(name, { minItems: 1 })), 'Kafka\'s names of APIs: `Produce`; or `*` for all.'),
  actions: list(action, { minItems: 1 }),
}, {
  target: object({}, {
    topic: name, partition: integer(0), group: name, client: described(clientPattern, 'The client id, or a pattern of it.'),
    connection: integer(1), broker: integer(0),
  }),
  matching: described(matcher, 'Of the decoded request: what is to be in it.'),
  times: described(integer(1), 'How often. Default: always.'),
  onCalls: described(list(integer(1), { minItems: 1 }), 'Which of the requests that fit, from 1 on.'),
  every: integer(1),
  probability: { type: 'number', minimum: 0, maximum: 1 } as Schema<number>,
  optional: described(flag, 'It need not happen. Default false: a fault that never happened fails the test.'),
  name: described(name, 'For messages.'),
}), 'A fault: which requests, when, and what happens to them.')

/** A fault as it lives. */
export const fault = titled('Fault', object({
  id: text,
  text: described(text, 'The fault in words.'),
  calls: described(integer(0), 'Requests that it was about.'),
  fired: described(integer(0), 'How often it happened.'),
  missing: described(flag, 'Whether the test fails for it, as things stand.'),
  over: described(flag, 'Whether it will not happen any more.'),
}))

/** The fault as the test kit takes it. Throws TypeError for patterns and matchers that are none. */
export function faultFrom({ target, matching, actions, ...rest }: Described<typeof faultInput>): FaultSpec {
  if (matching !== undefined) checkMatcher(matching, 'matching')
  return {
    ...rest,
    ...(target !== undefined && { target: targetFrom(target) }),
    ...(matching !== undefined && { matching: untilItThrows((request) => contains(asJson(request), matching)) }),
    actions: actions.map((given) => actionFrom(given, [rest.api].flat())),
  }
}

/** A fault as it is answered. */
export function faultForm(id: string, found: Fault): Described<typeof fault> {
  const { calls, fired, missing, over } = found
  return { id, text: found.toString(), calls, fired, missing, over }
}

/** A client id, or the pattern of some. */
export function clientFrom(given: string | Described<typeof pattern>): string | RegExp {
  if (typeof given === 'string') return given
  const [wrong] = wrongPattern(given.pattern, given.flags)
  if (wrong !== undefined) throw new TypeError(`client ${wrong}`)
  return new BoundedPattern(given.pattern, given.flags)
}

/** What took too long for one request is not asked about the next one: the fault tells of it. */
function untilItThrows<T, R>(ask: (given: T) => R): (given: T) => R {
  let thrown: { readonly error: unknown } | undefined
  return (given) => {
    if (thrown !== undefined) throw thrown.error
    try {
      return ask(given)
    } catch (error) {
      thrown = { error }
      throw error
    }
  }
}

function targetFrom({ client, ...rest }: Described<typeof faultInput>['target'] & {}): FaultTarget {
  return { ...rest, ...(client !== undefined && { client: clientFrom(client) }) }
}

function actionFrom(given: Described<typeof action>, apis: readonly string[]): FaultAction {
  switch (given.type) {
    case 'error': return { when: 'before-apply', ...given } as FaultAction
    case 'delay': return { when: 'before-apply', ...given, ms: faultMs(given.ms) }
    case 'throttle': return { ...given, ms: faultMs(given.ms) }
    case 'corrupt': return { what: 'bytes', ...given }
    case 'split': return { bytes: 1, ...given }
    case 'answer': return { type: 'answer', change: answerChange(apis, given.change) }
    case 'close': case 'reset': case 'half-close': case 'silence': return { when: 'before-apply', ...given }
    default: return given
  }
}
