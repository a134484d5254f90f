/*
 * The table of docs/kafka.md says what is served.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { apis } from '../../src/kafka/apis.ts'

test('docs/kafka.md names every API with the versions that clients are told', () => {
  const page = readFileSync(new URL('../../docs/kafka.md', import.meta.url), 'utf8')
  const found = page.matchAll(/^\| (\d+) \| (\w+) \| (\d+) to (\d+) \|$/gm)
  const rows = Array.from(found, ([, key, name, first, last]) => `${key} ${name} ${first} ${last}`)
  const served = apis.toSorted((one, other) => one.key - other.key)
  expect(rows).toEqual(served.map(({ key, name, request, advertisedFrom }) => `${key} ${name} ${advertisedFrom ?? request.first} ${request.last}`))
})
