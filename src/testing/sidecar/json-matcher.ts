/*
 * What a value is to be like, as JSON: itself, or an object of operators that begin with `$`, at any depth: `{ "id": { "$matches": "^o-" } }`.
 * The operators are in docs/sidecar.md.
 */
import { isDeepStrictEqual } from '../../base/node-util.ts'
import { describe } from '../../base/options.ts'
import { BoundedPattern, wrongPattern } from './bounded-pattern.ts'
import { isObject, unknownField } from './check.ts'
import { type Schema, titled } from './schema.ts'

/** Of a matcher: it may be anything, and what it may not be is told by {@link checkMatcher}. */
export const matcher: Schema<unknown> = titled('Matcher', {}, [
  'What a value is to be like: the value itself, or an object of operators, at any depth:',
  '$equals, $not, $any, $type, $matches, $containing, $in, $gt, $gte, $lt, $lte, $length.',
].join(' '))

interface Operator {
  /** What is wrong with what it is given. */
  readonly wrong: (given: unknown, where: string) => string | undefined
  readonly holds: (received: unknown, given: unknown) => boolean
}

const typesOf: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string', number: (value) => typeof value === 'number', integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean', object: isObject, array: Array.isArray, null: (value) => value === null,
}

const operators: Readonly<Record<string, Operator>> = {
  $equals: { wrong: () => undefined, holds: isDeepStrictEqual },
  $not: { wrong: matcherFault, holds: (received, given) => !isLike(received, given) },
  $any: { wrong: (given) => (given === true ? undefined : 'takes true'), holds: (received) => received !== undefined && received !== null },
  $type: {
    wrong: (given) => (typeof given === 'string' && Object.hasOwn(typesOf, given) ? undefined : `is one of ${Object.keys(typesOf).join(', ')}`),
    holds: (received, given) => typesOf[given as string]!(received),
  },
  $matches: {
    wrong: (given) => (typeof given === 'string' ? wrongPattern(given)[0] : `is a pattern, not ${describe(given)}`),
    holds: (received, given) => typeof received === 'string' && new BoundedPattern(given as string).test(received),
  },
  $containing: {
    wrong: matcherFault,
    holds: (received, given) => (
      typeof received === 'string' && typeof given === 'string' ? received.includes(given) : contains(received, given)
    ),
  },
  $in: {
    wrong: (given, where) => (Array.isArray(given) ? matcherFault(given, where) : `is a list, not ${describe(given)}`),
    holds: (received, given) => (given as readonly unknown[]).some((one) => isLike(received, one)),
  },
  $gt: comparison((received, given) => received > given),
  $gte: comparison((received, given) => received >= given),
  $lt: comparison((received, given) => received < given),
  $lte: comparison((received, given) => received <= given),
  $length: {
    wrong: matcherFault,
    holds: (received, given) => (typeof received === 'string' || Array.isArray(received)) && isLike(received.length, given),
  },
}

/** Throws a TypeError for operators that there are not, or that are given what they cannot take. */
export function checkMatcher(given: unknown, where: string): void {
  const fault = matcherFault(given, where)
  if (fault !== undefined) throw new TypeError(fault.startsWith(where) ? fault : `${where} ${fault}`)
}

/** Whether a value is as a matcher says. */
export function isLike(received: unknown, expected: unknown): boolean {
  if (expected instanceof Uint8Array) return received instanceof Uint8Array && Buffer.compare(received, expected) === 0
  if (isOperators(expected)) return Object.entries(expected).every(([name, given]) => operators[name]!.holds(received, given))
  if (Array.isArray(expected)) {
    return Array.isArray(received) && received.length === expected.length && expected.every((one, index) => isLike(received[index], one))
  }
  if (!isObject(expected)) return Object.is(received, expected)
  const names = Object.keys(expected)
  return isObject(received) && Object.keys(received).length === names.length
    && names.every((name) => Object.hasOwn(received, name) && isLike(received[name], expected[name]))
}

/** Whether all that is expected is somewhere in a value: fields of objects, items of lists. */
export function contains(received: unknown, expected: unknown): boolean {
  if (expected instanceof Uint8Array || isOperators(expected)) return isLike(received, expected)
  if (Array.isArray(expected)) {
    return Array.isArray(received) && expected.every((one) => (received as readonly unknown[]).some((item) => contains(item, one)))
  }
  if (!isObject(expected)) return isLike(received, expected)
  return isObject(received) && Object.entries(expected).every(([name, one]) => Object.hasOwn(received, name) && contains(received[name], one))
}

function isOperators(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isObject(value)) return false
  const names = Object.keys(value)
  return names.length > 0 && names.every((name) => name.startsWith('$'))
}

function matcherFault(given: unknown, where: string): string | undefined {
  if (Array.isArray(given)) return firstOf(given.map((one, index) => () => matcherFault(one, `${where}/${index}`)))
  if (!isObject(given)) return undefined
  const names = Object.keys(given)
  const some = names.filter((name) => name.startsWith('$'))
  if (some.length === 0) return firstOf(names.map((name) => () => matcherFault(given[name], `${where}/${name}`)))
  if (some.length < names.length) return `${where} has operators and fields: say with {"$equals": …} what begins with $ and is none`
  return firstOf(names.map((name) => () => {
    const operator = Object.hasOwn(operators, name) ? operators[name] : undefined
    if (operator === undefined) return `${where} ${unknownField(name, Object.keys(operators), 'operator')}`
    const fault = operator.wrong(given[name], `${where}/${name}`)
    return fault === undefined || fault.startsWith(where) ? fault : `${where}/${name} ${fault}`
  }))
}

function firstOf(checks: readonly (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const fault = check()
    if (fault !== undefined) return fault
  }
  return undefined
}

function comparison(holds: (received: number | string, given: number | string) => boolean): Operator {
  return {
    wrong: (given) => (typeof given === 'number' || typeof given === 'string' ? undefined : `is a number or a text, not ${describe(given)}`),
    holds: (received, given) => (
      typeof received === typeof given && (typeof received === 'number' || typeof received === 'string') && holds(received, given as never)
    ),
  }
}
