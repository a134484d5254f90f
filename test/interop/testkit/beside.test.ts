/*
 * The same test with kfake, as docs/testing-beside.md shows it: it runs. The one with a container needs Docker, and is only shown; ours is run with
 * the snippets of the documents.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { needGo } from '../clients/toolchains.ts'
import { mustRun } from '../processes.ts'

const here = fileURLToPath(new URL('beside/', import.meta.url))
const page = readFileSync(new URL('../../../docs/testing-beside.md', import.meta.url), 'utf8')

test('docs/testing-beside.md shows these files', () => {
  for (const [language, name] of [['go', 'billing_test.go'], ['js', 'billing.test.mjs']]) {
    expect(page).toContain(`\`\`\`${language}\n${readFileSync(`${here}${name}`, 'utf8')}\`\`\`\n`)
  }
})

test('kfake passes the test', async () => {
  await needGo()
  expect(await mustRun('go', ['test', '-mod=readonly', '-count=1', './...'], { cwd: here, timeoutMs: 600_000 })).toContain('ok')
}, 600_000)
