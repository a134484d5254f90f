/*
 * Values of Kafka's messages, drawn from their declarations: every field that a version has with any value that its type allows, every other
 * with its default, as decoding gives it.
 */
import fc from 'fast-check'
import { type AnyField, type Fields, isField } from '../../src/format/field.ts'
import { type Message } from '../../src/format/schema.ts'

/** What is to be drawn. */
export interface Drawing {
  readonly version: number
  readonly flexible: boolean
}

/** Values of a message in one version. */
export function messageValues(message: Message<Fields>, version: number): fc.Arbitrary<Record<string, unknown>> {
  return structValues(message.fields, { version, flexible: message.isFlexible(version) })
}

function structValues(fields: Fields, drawing: Drawing): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fieldValues(field, drawing)])))
}

/** Whether a version has the field. */
export function hasField({ options }: AnyField, { version, flexible }: Drawing): boolean {
  return version >= (options.since ?? 0) && version <= (options.until ?? Infinity) && (options.tag === undefined || flexible)
}

function fieldValues(field: AnyField, drawing: Drawing): fc.Arbitrary<unknown> {
  if (!hasField(field, drawing)) return fc.constant(null).map(() => field.initial() as unknown)
  const values = presentValues(field, drawing)
  const { nullable } = field.options as { readonly nullable?: number }
  return drawing.version >= (nullable ?? Infinity) ? fc.option(values, { nil: null, freq: 5 }) : values
}

function presentValues({ shape }: AnyField, drawing: Drawing): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case 'boolean': return fc.boolean()
    case 'int8': return integers(8)
    case 'int16': return integers(16)
    case 'uint16': return fc.nat(0xffff)
    case 'int32': return integers(32)
    case 'uint32': return fc.nat(0xffff_ffff)
    case 'int64': return fc.maxSafeInteger()
    case 'bigint64': return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    case 'float64': return fc.double({ noNaN: true, noDefaultInfinity: true })
    case 'uuid': return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((raw) => Buffer.from(raw).toString('base64url'))
    case 'string': return fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 8 }))
    case 'bytes':
    case 'records': return fc.uint8Array({ maxLength: 40 }).map((raw) => Buffer.from(raw))
    case 'struct': return structValues(shape.fields, drawing)
    case 'array': {
      const { element } = shape
      const values = isField(element) ? presentValues(element, drawing) : structValues(element, drawing)
      return fc.array(values, { maxLength: 3 })
    }
  }
}

function integers(bits: number): fc.Arbitrary<number> {
  return fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
}
