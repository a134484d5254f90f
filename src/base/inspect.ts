/*
 * How our objects print themselves in `console.log` and `util.inspect`: as their name and the few fields that say what they are, and not
 * as everything that hangs on them.
 */
import { type InspectOptions } from 'node:util'

/** The method that Node asks an object for its text: see `util.inspect.custom`. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

/** What Node calls that method with, behind the depth that is left. */
export type Inspect = (value: unknown, options?: InspectOptions) => string

/** The text of an object that is called `name` and shows `fields`; they are asked for only when they are shown. */
export function inspected(name: string, fields: () => object, depth: number | null, options: InspectOptions, inspect: Inspect): string {
  if (depth !== null && depth < 0) return `[${name}]`
  return `${name} ${inspect(fields(), { ...options, depth })}`
}
