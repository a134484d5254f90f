/*
 * The error that every test runner shows as a difference. Loaded when a test fails: `node:assert` takes longer to load than a broker to start.
 */
import { type AssertionError } from 'node:assert'

/** What an assertion has to say. */
export type AssertionDetails = ConstructorParameters<typeof AssertionError>[0]

/** An AssertionError of Node. */
export function assertionError(details: AssertionDetails): AssertionError {
  const assert = process.getBuiltinModule('node:assert')
  return new assert.AssertionError(details)
}
