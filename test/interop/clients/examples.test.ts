/*
 * The tests that docs/kafka.md and docs/testing.md show: they are these files, and they run in a project that has the package.
 */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type Outside, outsideProject, root } from '../../tools/outside.ts'
import { mustRun } from '../processes.ts'
import { goTest, pythonPath } from './toolchains.ts'

const here = (path: string): string => join(root, 'test/interop/clients', path)
const shown = {
  js: here('js/orders.test.mjs'), python: here('python/test_orders.py'), go: here('go/orders/orders_test.go'), java: here('java/OrdersTest.java'),
}
const kit = here('js/testkit.test.mjs')
let outside: Outside

beforeAll(async () => {
  outside = await outsideProject()
  const command = join(outside.folder, 'node_modules/commitlog/dist/cli/commitlog.js')
  chmodSync(command, 0o755)
  mkdirSync(join(outside.folder, 'node_modules/.bin'))
  symlinkSync(command, join(outside.folder, 'node_modules/.bin/commitlog'))
}, 240_000)

afterAll(() => outside?.remove())

test('docs/kafka.md shows these files', () => {
  const page = readFileSync(join(root, 'docs/kafka.md'), 'utf8')
  for (const [language, path] of Object.entries(shown)) {
    expect([...page.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map(([, code]) => code)).toEqual([readFileSync(path, 'utf8')])
  }
})

test('docs/testing.md shows this file', () => {
  expect(readFileSync(join(root, 'docs/testing.md'), 'utf8')).toContain(`\`\`\`js\n${readFileSync(kit, 'utf8')}\`\`\`\n`)
})

test('the test runner of Node', async () => {
  copyFileSync(shown.js, join(outside.folder, 'orders.test.mjs'))
  copyFileSync(kit, join(outside.folder, 'billing.test.mjs'))
  const env = { KAFKAJS_NO_PARTITIONER_WARNING: '1' }
  expect(await mustRun(process.execPath, ['--test', 'orders.test.mjs', 'billing.test.mjs'], { cwd: outside.folder, env })).toMatch(/pass 2/)
}, 300_000)

test('pytest', async () => {
  copyFileSync(shown.python, join(outside.folder, 'test_orders.py'))
  const printed = await mustRun(await pythonPath(), ['-m', 'pytest', '-p', 'no:cacheprovider', 'test_orders.py'], { cwd: outside.folder })
  expect(printed).toContain('1 passed')
}, 600_000)

test('go test', async () => {
  expect(await mustRun(await goTest('orders'), ['-test.v'], { cwd: outside.folder })).toContain('--- PASS: TestAnOrderArrives')
}, 600_000)

test('JUnit', async () => {
  const jars = join(inject('jars'), '*')
  await mustRun('javac', ['-d', outside.folder, '-cp', jars, shown.java])
  const classPath = [outside.folder, jars].join(':')
  const console = ['org.junit.platform.console.ConsoleLauncher', 'execute', '--select-class', 'OrdersTest', '--disable-banner']
  expect(await mustRun('java', ['-cp', classPath, ...console], { cwd: outside.folder })).toMatch(/1 tests successful/)
}, 120_000)
