import { test } from 'vitest'
import { kinds } from './harness.ts'
import { expectPortableExamples } from './portable-examples-run.ts'

for (const { kind, open } of kinds) {
  test(`${kind}: the portable examples run on a local log`, async () => {
    const log = await open()
    await expectPortableExamples(log)
  })
}
