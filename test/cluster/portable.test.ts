import { test } from 'vitest'
import { expectPortableExamples } from '../topics/portable-examples-run.ts'
import { overListener } from './harness.ts'

test('the portable examples run on a cluster as they do on a local log', async () => {
  await overListener(async ({ log }) => {
    await expectPortableExamples(log)
  })
}, 20_000)
