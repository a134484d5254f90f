/*
 * Changes to answers of Kafka's protocol as JSON: what may be changed is told by the declaration of the message, so that a field that there is not is
 * refused when the change is asked for. Objects are changed field by field, lists item by item.
 */
import { type AnyField, type Fields as MessageFields, isField } from '../../format/field.ts'
import { apis } from '../../kafka/apis.ts'
import { isObject, violations } from './check.ts'
import { Refusal } from './problem.ts'
import { base64, integer, list, orNull, type Schema, text } from './schema.ts'

/** An object of JSON. */
export type Change = Readonly<Record<string, unknown>>

/**
 * The function that changes answers of an API.
 *
 * @param names  Kafka's names of the APIs that a fault is on: one
 * @throws Refusal for fields that its answers do not have, and for values that cannot be in them; TypeError for several APIs
 */
export function answerChange(names: readonly string[], change: Change): (response: Change) => Change {
  const [name] = names
  if (names.length > 1 || name === '*') throw new TypeError('answers of several APIs have different fields: change those of one API')
  const fields = (apis.find((api) => api.name === name)?.response.fields ?? {}) as MessageFields
  const wrong = violations(structSchema(fields), change).map(({ at, reason }) => ({ at: `/change${at}`, reason }))
  if (wrong.length > 0) throw new Refusal('INVALID_REQUEST', `${wrong[0]!.at} ${wrong[0]!.reason}`, { violations: wrong })
  return (response) => changedStruct(fields, response, change)
}

function structSchema(fields: MessageFields): Schema {
  return {
    type: 'object', additionalProperties: false,
    properties: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fieldSchema(field)])),
  }
}

function fieldSchema({ shape }: AnyField): Schema {
  switch (shape.kind) {
    case 'boolean': return { type: 'boolean' }
    case 'float64': return { type: 'number' }
    case 'bigint64': return { anyOf: [integer(), { type: 'string', pattern: '^-?\\d{1,19}$' }] }
    case 'string': return orNull(text)
    case 'uuid': return text
    case 'bytes': case 'records': return orNull(base64)
    case 'array': return orNull(list(isField(shape.element) ? fieldSchema(shape.element) : structSchema(shape.element)))
    case 'struct': return orNull(structSchema(shape.fields))
    default: return integer()
  }
}

function changedStruct(fields: MessageFields, value: unknown, change: Change): Change {
  const initial = isObject(value) ? value : Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.initial() as unknown]))
  const changed = Object.entries(change).map(([name, one]) => [name, changedField(fields[name]!, initial[name], one)] as const)
  return { ...initial, ...Object.fromEntries(changed) }
}

function changedField({ shape }: AnyField, value: unknown, change: unknown): unknown {
  if (change === null) return null
  switch (shape.kind) {
    case 'bigint64': return BigInt(change as number | string)
    case 'bytes': case 'records': return Buffer.from(change as string, 'base64')
    case 'struct': return changedStruct(shape.fields, value, change as Change)
    case 'array': {
      const { element } = shape
      const rows: readonly unknown[] = Array.isArray(value) ? value : []
      return (change as readonly unknown[]).map((one, index) => (
        isField(element) ? changedField(element, rows[index], one) : changedStruct(element, rows[index], one as Change)
      ))
    }
    default: return change
  }
}
