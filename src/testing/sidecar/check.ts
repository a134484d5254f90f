/*
 * Checks values against JSON Schemas. What is wrong is told with its place as a JSON Pointer, and for a field that there is not with the one that
 * was probably meant. Spec: draft 2020-12, the keywords of schema.ts; what only annotates is let pass.
 */
import { isDeepStrictEqual } from '../../base/node-util.ts'
import { closest, describe } from '../../base/options.ts'
import { BoundedPattern, wrongPattern } from './bounded-pattern.ts'
import { type Schema } from './schema.ts'

/** Something that is wrong with a value. */
export interface Violation {
  /** Where, as a JSON Pointer: `/records/0/key`; empty for all of it. */
  readonly at: string
  readonly reason: string
}

/** Violations that are told of one value. */
const MOST_VIOLATIONS = 10
/** A schema that refers to itself without end describes nothing. */
const MOST_DEPTH = 200

/**
 * What is wrong with a value; nothing when it is as the schema says.
 *
 * @param most  for a schema from somebody else: steps that it may take. Choices in choices take twice as many for each, and who waits for them waits
 *   for ever; its patterns end in time as well
 */
export function violations(schema: Schema, value: unknown, root: Schema = schema, most = Infinity): Violation[] {
  const steps = { left: most }
  const found = check({ schema, value, at: '', root, depth: 0, steps }).slice(0, MOST_VIOLATIONS)
  return steps.left < 0 ? [{ at: '', reason: `takes more than ${most} steps to check by this schema` }] : found
}

/** A value and what it has to be. */
interface Place {
  readonly schema: Schema
  readonly value: unknown
  readonly at: string
  readonly root: Schema
  readonly depth: number
  /** Of the whole value. */
  readonly steps: { left: number }
}

type Rule = (place: Place) => readonly Violation[]

function check(place: Place): readonly Violation[] {
  const { schema, at, depth, steps } = place
  if (--steps.left < 0) return [{ at, reason: 'takes too many steps' }]
  if (depth > MOST_DEPTH) return [{ at, reason: 'the schema refers to itself without end' }]
  if (schema.$ref !== undefined) return check({ ...place, schema: referred(schema.$ref, place.root), depth: depth + 1 })
  const wrongType = ofType(place)
  // Of a wrong type nothing more is worth saying.
  return wrongType.length > 0 ? wrongType : rules.flatMap((rule) => rule(place))
}

/** What a part of the value, or all of it, has to be as well. */
function inner(place: Place, schema: Schema, at = place.at, value = place.value): readonly Violation[] {
  return check({ ...place, schema, value, at, depth: place.depth + 1 })
}

function referred(pointer: string, root: Schema): Schema {
  const found = schemaAt(pointer, root)
  if (found === undefined) throw new TypeError(`the schema refers to ${pointer}, which is not in it`)
  return found
}

/** What a reference leads to: `#/$defs/order`; undefined when that is nothing in `root`. */
export function schemaAt(pointer: string, root: unknown): Schema | undefined {
  const found = pointer.split('/').slice(1).reduce((value: unknown, part) => {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined
  }, root)
  return pointer.startsWith('#') && isObject(found) ? found : undefined
}

function ofType({ schema: { type }, value, at }: Place): Violation[] {
  const types = type === undefined ? [] : [type].flat()
  if (types.length === 0 || types.some((one) => isOfType(value, one))) return []
  return [{ at, reason: `is ${types.map((one) => typeNames[one]).join(' or ')}, not ${describe(value)}` }]
}

const typeNames = {
  string: 'text', integer: 'an integer', number: 'a number', boolean: 'true or false', object: 'an object', array: 'a list', null: 'null',
}

function isOfType(value: unknown, type: keyof typeof typeNames): boolean {
  switch (type) {
    case 'null': return value === null
    case 'array': return Array.isArray(value)
    case 'object': return isObject(value)
    case 'integer': return Number.isInteger(value)
    default: return typeof value === type
  }
}

const values: Rule = ({ schema, value, at, steps }) => {
  const { const: only, enum: words } = schema
  steps.left -= words?.length ?? 0
  if ('const' in schema && !isDeepStrictEqual(value, only)) return [{ at, reason: `is ${JSON.stringify(only)}, not ${describe(value)}` }]
  if (words === undefined || words.some((one) => isDeepStrictEqual(value, one))) return []
  const meant = typeof value === 'string' ? closest(value, words.filter((one) => typeof one === 'string')) : undefined
  const hint = meant === undefined ? '' : `: did you mean ${JSON.stringify(meant)}?`
  return [{ at, reason: `is one of ${words.map((one) => JSON.stringify(one)).join(', ')}, not ${describe(value)}${hint}` }]
}

const numbers: Rule = ({ schema: { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }, value, at }) => {
  if (typeof value !== 'number') return []
  const wrong = (reason: string): Violation[] => [{ at, reason: `${reason}, not ${value}` }]
  if (minimum !== undefined && value < minimum) return wrong(`is at least ${minimum}`)
  if (maximum !== undefined && value > maximum) return wrong(`is at most ${maximum}`)
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return wrong(`is above ${exclusiveMinimum}`)
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) return wrong(`is below ${exclusiveMaximum}`)
  return multipleOf !== undefined && !Number.isInteger(value / multipleOf) ? wrong(`is a multiple of ${multipleOf}`) : []
}

const texts: Rule = ({ schema, value, at, steps }) => {
  if (typeof value !== 'string') return []
  const { minLength, maxLength, pattern, format } = schema
  const length = minLength === undefined && maxLength === undefined ? 0 : [...value].length
  if (length < (minLength ?? 0)) return [{ at, reason: length === 0 ? 'is empty' : `has at least ${minLength} letters, not ${length}` }]
  if (length > (maxLength ?? Infinity)) return [{ at, reason: `has at most ${maxLength} letters, not ${length}` }]
  if (format === 'regex') return wrongPattern(value).map((reason) => ({ at, reason }))
  if (pattern === undefined || patternOf(schema, pattern, steps.left < Infinity).test(value)) return []
  return [{ at, reason: `${describe(value)} does not fit ${pattern}` }]
}

const patterns = new WeakMap<Schema, RegExp>()

function patternOf(schema: Schema, source: string, foreign: boolean): RegExp {
  let pattern = patterns.get(schema)
  if (pattern === undefined) patterns.set(schema, (pattern = foreign ? new BoundedPattern(source) : new RegExp(source, 'u')))
  return pattern
}

const lists: Rule = (place) => {
  const { schema: { items, minItems = 0, maxItems = Infinity, uniqueItems }, value, at } = place
  if (!Array.isArray(value)) return []
  const rows: readonly unknown[] = value
  if (rows.length < minItems) return [{ at, reason: `has at least ${minItems} items, not ${rows.length}` }]
  if (rows.length > maxItems) return [{ at, reason: `has at most ${maxItems} items, not ${rows.length}` }]
  const twice = uniqueItems === true ? firstTwice(rows) : -1
  if (twice >= 0) return [{ at: `${at}/${twice}`, reason: 'is in the list twice' }]
  return items === undefined ? [] : rows.flatMap((row, index) => inner(place, items, `${at}/${index}`, row))
}

/** Where the first row is that was there before; −1 for none. */
function firstTwice(rows: readonly unknown[]): number {
  const seen = new Set<string>()
  return rows.findIndex((row) => seen.size === seen.add(sortedJson(row)).size)
}

/** As JSON, with the fields of objects in their order: the same for what is the same. */
function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (
    isObject(one) ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1))) : one
  ))
}

const objects: Rule = (place) => {
  const { schema: { properties = {}, required = [], additionalProperties = true, minProperties = 0, maxProperties = Infinity }, value, at } = place
  if (!isObject(value)) return []
  const names = Object.keys(value)
  if (names.length < minProperties || names.length > maxProperties) return [{ at, reason: `has ${names.length} fields` }]
  const missing = required.filter((one) => !Object.hasOwn(value, one)).map((one) => ({ at, reason: `lacks "${one}"` }))
  return [...missing, ...names.flatMap((name) => {
    const own = Object.hasOwn(properties, name) ? properties[name] : additionalProperties
    if (own === undefined || own === true) return []
    if (own === false) return [{ at, reason: unknownField(name, Object.keys(properties)) }]
    return inner(place, own, `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, value[name])
  })]
}

const choices: Rule = (place) => {
  const { schema: { anyOf, oneOf, allOf = [], not }, at } = place
  const wrong = allOf.flatMap((one) => [...inner(place, one)])
  if (anyOf !== undefined) wrong.push(...ofSome(place, anyOf))
  if (oneOf !== undefined) {
    const fitting = oneOf.filter((one) => inner(place, one).length === 0).length
    if (fitting === 0) wrong.push(...ofSome(place, oneOf))
    if (fitting > 1) wrong.push({ at, reason: `is as ${fitting} schemas say, and may be so by one` })
  }
  if (not !== undefined && inner(place, not).length === 0) wrong.push({ at, reason: 'is what it may not be' })
  return wrong
}

const rules: readonly Rule[] = [values, numbers, texts, lists, objects, choices]

/** Where objects tell by a word in one field which of the schemas they are of, what that one says; else what would do. */
function ofSome(place: Place, branches: readonly Schema[]): readonly Violation[] {
  const found = branches.map((branch) => inner(place, branch))
  if (found.some((wrong) => wrong.length === 0)) return []
  const { value, at, root } = place
  const resolved = branches.map((branch) => (branch.$ref === undefined ? branch : referred(branch.$ref, root)))
  const [tag] = Object.keys(resolved[0]?.properties ?? {}).filter((one) => resolved.every(({ properties }) => 'const' in (properties?.[one] ?? {})))
  if (tag !== undefined && isObject(value) && Object.hasOwn(value, tag)) {
    const said = resolved.map(({ properties }) => properties?.[tag]?.const)
    const which = said.indexOf(value[tag])
    if (which >= 0) return found[which]!
    return inner(place, { enum: said }, `${at}/${tag}`, value[tag])
  }
  const near = resolved.flatMap((branch, index) => (ofType({ ...place, schema: branch }).length === 0 ? [index] : []))
  if (near.length === 1) return found[near[0]!]!
  return [{ at, reason: `is ${resolved.map(branchText).join(', or ')}, not ${describe(value)}` }]
}

function branchText({ title, type, const: only }: Schema): string {
  if (title !== undefined) return title
  return only === undefined ? [type ?? 'something else'].flat().join(' or ') : JSON.stringify(only)
}

/** What is said of a field that there is not. */
export function unknownField(given: string, known: readonly string[], what = 'field'): string {
  const meant = closest(given, known)
  const hint = meant === undefined ? (known.length === 0 ? 'there are none' : `there are ${known.join(', ')}`) : `did you mean "${meant}"?`
  return `has an unknown ${what} ${JSON.stringify(given)}: ${hint}`
}

/** Whether a value is an object of JSON: no list, and not null. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
