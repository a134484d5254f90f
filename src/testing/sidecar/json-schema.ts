/*
 * JSON Schemas from somebody else, for contracts of topics: what may stand in one, itself as a schema. A keyword that nobody would check is refused,
 * since a contract that is passed over says nothing.
 */
import { schemaAt, type Violation, violations } from './check.ts'
import { type Schema } from './schema.ts'

const self: Schema = { $ref: '#' }
const selves: Schema = { type: 'array', items: self, minItems: 1 }
const named: Schema = { type: 'object', additionalProperties: self }
const count: Schema = { type: 'integer', minimum: 0 }
const number: Schema = { type: 'number' }
const text: Schema = { type: 'string' }
const flag: Schema = { type: 'boolean' }
const types: Schema = { enum: ['string', 'integer', 'number', 'boolean', 'object', 'array', 'null'] }

const metaSchema: Schema = {
  type: 'object',
  properties: {
    $ref: { type: 'string', pattern: '^#' }, $defs: named, type: { anyOf: [types, { type: 'array', items: types, minItems: 1 }] },
    const: {}, enum: { type: 'array' },
    properties: named, required: { type: 'array', items: text }, additionalProperties: { anyOf: [flag, self] }, minProperties: count,
    maxProperties: count, items: self, minItems: count, maxItems: count, uniqueItems: flag,
    minimum: number, maximum: number, exclusiveMinimum: number, exclusiveMaximum: number, multipleOf: { type: 'number', exclusiveMinimum: 0 },
    minLength: count, maxLength: count, pattern: { type: 'string', format: 'regex' }, anyOf: selves, oneOf: selves, allOf: selves, not: self,
    // These only tell.
    $schema: text, $id: text, $comment: text, title: text, description: text, default: {}, examples: { type: 'array' }, format: text,
    deprecated: flag, readOnly: flag, writeOnly: flag,
  },
  additionalProperties: false,
}

/** What is wrong with a schema: keywords that are not known, or that hold what they cannot, and references that lead nowhere. */
export function schemaViolations(given: unknown): Violation[] {
  const wrong = violations(metaSchema, given)
  return wrong.length > 0 ? wrong : lostReferences(given, given, '')
}

function lostReferences(part: unknown, root: unknown, at: string): Violation[] {
  if (typeof part !== 'object' || part === null) return []
  return Object.entries(part).flatMap(([name, one]) => {
    const place = `${at}/${name}`
    if (name !== '$ref' || typeof one !== 'string' || schemaAt(one, root) !== undefined) return lostReferences(one, root, place)
    return [{ at: place, reason: `refers to ${one}, which is not in the schema` }]
  })
}
