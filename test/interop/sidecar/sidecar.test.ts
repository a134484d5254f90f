/*
 * `commitlog serve --test` for tests in other languages: the examples of pytest, Go and JUnit run as they stand in examples/, in a project that has
 * the package; the description is held against OpenAPI by others' libraries; and nothing is left behind, however who started it ends.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type Outside, outsideProject, root } from '../../tools/outside.ts'
import { goTestIn, pythonPath } from '../clients/toolchains.ts'
import { mustRun } from '../processes.ts'

const examples = join(root, 'examples')
const here = join(root, 'test/interop/sidecar')
const serve = ['serve', '--test', '--json', '--until-stdin-ends']
let outside: Outside
let command: string

beforeAll(async () => {
  outside = await outsideProject()
  command = join(outside.folder, 'node_modules/commitlog/dist/cli/commitlog.js')
  chmodSync(command, 0o755)
  mkdirSync(join(outside.folder, 'node_modules/.bin'))
  symlinkSync(command, join(outside.folder, 'node_modules/.bin/commitlog'))
}, 240_000)

afterAll(() => outside?.remove())

function copied(folder: string): void {
  for (const name of readdirSync(join(examples, folder))) copyFileSync(join(examples, folder, name), join(outside.folder, name))
}

test('docs/sidecar.md shows the files of pytest', () => {
  const page = readFileSync(join(root, 'docs/sidecar.md'), 'utf8')
  const shown = [...page.matchAll(/^```python\n([^]*?)^```$/gm)].map(([, code]) => code)
  expect(shown).toEqual(['conftest.py', 'test_billing.py'].map((name) => readFileSync(join(examples, 'pytest', name), 'utf8')))
})

test('pytest', async () => {
  copied('pytest')
  const printed = await mustRun(await pythonPath(), ['-m', 'pytest', '-p', 'no:cacheprovider', 'test_billing.py'], { cwd: outside.folder })
  expect(printed).toContain('2 passed')
}, 600_000)

test('go test', async () => {
  const printed = await mustRun(await goTestIn(join(examples, 'go')), ['-test.v'], { cwd: outside.folder })
  expect(printed.match(/--- PASS: \w+/g)).toHaveLength(2)
}, 600_000)

test('JUnit', async () => {
  const jars = join(inject('jars'), '*')
  const sources = readdirSync(join(examples, 'junit')).map((name) => join(examples, 'junit', name))
  await mustRun('javac', ['-d', outside.folder, '-cp', jars, ...sources])
  const console = ['org.junit.platform.console.ConsoleLauncher', 'execute', '--select-class', 'BillingTest', '--disable-banner']
  expect(await mustRun('java', ['-cp', [outside.folder, jars].join(':'), ...console], { cwd: outside.folder })).toMatch(/2 tests successful/)
}, 120_000)

test('the description is OpenAPI 3.1, and requests and answers are as it says, by libraries of Python', async () => {
  const server = spawn(process.execPath, [command, ...serve], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    const control = await controlOf(server.stdout)
    const printed = await mustRun(await pythonPath(join(here, 'requirements.txt')), [join(here, 'check_openapi.py'), control])
    expect(JSON.parse(printed)).toMatchObject({ version: '3.1.0' })
    expect((JSON.parse(printed) as { statuses: number[] }).statuses).toEqual(expect.arrayContaining([200, 201, 204, 400, 409]))
  } finally {
    server.stdin.end()
    await once(server, 'exit')
  }
}, 300_000)

test('it ends when the one who started it is killed', async () => {
  const starter = `const { spawn } = require('node:child_process')
    spawn(process.execPath, ${JSON.stringify([command, ...serve])}, { stdio: ['pipe', 'inherit', 'inherit'] })`
  const parent = spawn(process.execPath, ['-e', starter], { stdio: ['ignore', 'pipe', 'inherit'] })
  const control = await controlOf(parent.stdout)
  expect((await fetch(`${control}/health`)).status).toBe(200)
  parent.kill('SIGKILL')
  // Its output ends with the last process that could write to it.
  await once(parent.stdout.resume(), 'close')
  await expect(fetch(`${control}/health`)).rejects.toThrow()
})

/** Where the control API is, by the first line that is printed. */
async function controlOf(output: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  while (!text.includes('\n')) {
    const [chunk] = await once(output, 'data') as [Buffer]
    text += String(chunk)
  }
  return (JSON.parse(text.slice(0, text.indexOf('\n'))) as { control: string }).control
}
