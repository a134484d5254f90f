/*
 * The Standard Schema interface, version 1 (https://standardschema.dev), which zod, valibot, arktype and others implement, and a check by
 * it. Declared here, as its authors intend, so that no package is needed. Only synchronous schemas: records are encoded where they are
 * appended.
 */
import { describe } from '../base/options.ts'

/** A schema of any library that implements Standard Schema v1. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** What a schema says of a value: the value as it should be, or what is wrong with it. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** One thing that is wrong, and where. */
export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** The type of the values that a schema lets through. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output']

/** Throws a TypeError when `schema` is not one. */
export function checkSchema(schema: unknown, where: string): void {
  const standard = (schema as StandardSchema | null | undefined)?.['~standard']
  if (typeof standard?.validate === 'function' && standard.version === 1) return
  throw new TypeError(`${where} takes a schema of a library that implements Standard Schema v1, not ${describe(schema)}`)
}

/**
 * The value as the schema wants it, or what `refuse` throws for one that it refuses.
 *
 * @throws TypeError when the schema is asynchronous
 */
export function validated<T>(
  schema: StandardSchema<unknown, T>, value: unknown, refuse: (reason: string, issues: readonly SchemaIssue[]) => never,
): T {
  const result = schema['~standard'].validate(value)
  if (typeof (result as { then?: unknown }).then === 'function') {
    // Whatever it ends with, nobody else waits for it.
    Promise.resolve(result).catch(() => {})
    throw new TypeError('the schema is asynchronous: a codec needs one that validates at once')
  }
  const { issues } = result as SchemaResult<T>
  if (issues === undefined) return (result as { readonly value: T }).value
  return refuse(issues.map(issueText).join('; '), issues)
}

/** What is wrong, in words, with the place where it is. */
export function issueText(issue: SchemaIssue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
  return path === '' ? issue.message : `${path}: ${issue.message}`
}
