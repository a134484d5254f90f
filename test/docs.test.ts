/*
 * Runs the TypeScript of README.md and docs/*.md: compiled strictly against the built package, each run in a process and a folder of its
 * own, which must end by itself.
 *
 *   ```ts            a whole program, with its imports
 *   ```ts fragment   a piece; the fragments of a page run one after another, in blocks of one program that begins with the prelude below
 *   ```ts check      as a fragment, but only compiled: what would wait for ever
 *
 * `expression // => value` is an assertion: what stands before must deeply equal what stands behind, and of `console.log(x) // => value`
 * it is x.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mustRun, type Outside, outsideProject, outsideSettings, root, run } from './tools/outside.ts'
import { installPacked } from './tools/packed.ts'

const prelude = `
import * as commitlog from 'commitlog'
import { bytes, CommitLog, defineTopic, isLogError, json, LogError, msgpack, string } from 'commitlog'
interface Order { readonly customer: string; readonly total: number }
const Orders = defineTopic('orders', { partitions: 3, key: string, value: json<Order>() })
const order: Order = { customer: 'ada', total: 12 }
const log = await CommitLog.open('./data')
const orders = await log.topic(Orders)
void [commitlog, bytes, isLogError, LogError, msgpack, order, orders]
`

interface Program {
  readonly name: string
  readonly text: string
  readonly runs: boolean
}

const pages = ['README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
const programs = pages.flatMap((page) => programsOf(page, readFileSync(join(root, page), 'utf8')))
let outside: Outside

beforeAll(async () => {
  outside = await outsideProject(installPacked)
  for (const { name, text } of programs) await outside.write(`snippets/${name}.ts`, text)
  await outside.write('tsconfig.json', JSON.stringify({ ...outsideSettings, include: ['snippets'] }))
  await mustRun(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: outside.folder, timeoutMs: 120_000 })
}, 300_000)

afterAll(() => outside?.remove())

test('the documents have snippets', () => expect(programs.length).toBeGreaterThan(2))

for (const { name } of programs.filter((program) => program.runs)) {
  test(`${name} does what it says`, async () => {
    const folder = join(outside.folder, 'runs', name)
    await mkdir(folder, { recursive: true })
    const { code, stderr } = await run(process.execPath, [join(outside.folder, `out/snippets/${name}.js`)], { cwd: folder })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })
}

test('snippets are found, and told apart by what stands behind ts', () => {
  const snippet = (kind: string, code: string): string => `\`\`\`${kind}\n${code}\n\`\`\`\n`
  const kinds = ['ts', 'ts fragment', 'js', 'ts check', 'ts fragment']
  const found = programsOf('x/y.md', kinds.map((kind, index) => snippet(kind, `${'abcde'[index]}() // => 1`)).join(''))
  expect(found.map(({ name, runs }) => [name, runs])).toEqual([['x-y-line-1', true], ['x-y-fragments', true], ['x-y-check-line-10', false]])
  expect(found[1]!.text).toMatch(/b\(\)[^]*e\(\)/)
  expect(found[0]!.text).toContain('$equal(a(), 1)')
})

test('an assertion in a comment becomes a comparison', () => {
  expect(assertions('await a.b() // => [1, 2]')).toBe('$equal(await a.b(), [1, 2])')
  expect(assertions('  console.log(x, y)   // => 3')).toBe('  $equal([x, y], [3])')
  expect(assertions('console.log(x.y)  // => { z: 1 }')).toBe('$equal([x.y], [{ z: 1 }])')
  expect(assertions('const a = 1 // => not an assertion of a declaration')).toBe('const a = 1 // => not an assertion of a declaration')
})

function programsOf(page: string, text: string): Program[] {
  const base = page.replace(/\.md$/, '').replaceAll('/', '-')
  const snippets = [...text.matchAll(/^```ts(?: (fragment|check))?\n([^]*?)^```$/gm)].map((match) => ({
    kind: match[1] ?? 'whole', code: assertions(match[2]!), line: text.slice(0, match.index).split('\n').length,
  }))
  const fragments = snippets.filter(({ kind }) => kind === 'fragment').map(({ code }) => code)
  const whole = snippets.filter(({ kind }) => kind === 'whole')
  const checked = snippets.filter(({ kind }) => kind === 'check')
  return [
    ...whole.map(({ code, line }) => ({ name: `${base}-line-${line}`, text: withEqual(code), runs: true })),
    ...(fragments.length === 0 ? [] : [{ name: `${base}-fragments`, text: inBlocks(fragments), runs: true }]),
    ...checked.map(({ code, line }) => ({ name: `${base}-check-line-${line}`, text: inBlocks([code]), runs: false })),
  ]
}

function inBlocks(codes: readonly string[]): string {
  // An import may not stand in a block.
  const imports = new Set(codes.flatMap((code) => code.match(/^import .*$/gm) ?? []))
  const blocks = codes.map((code) => `{\n${code.replace(/^import .*\n/gm, '')}}\n`)
  return withEqual(`${[...imports].join('\n')}\n${prelude}\n${blocks.join('\n')}\nawait log.close()\n`)
}

function withEqual(code: string): string {
  return `import { deepStrictEqual as $equal } from 'node:assert'\n${code}\nvoid $equal\nexport {}\n`
}

function assertions(code: string): string {
  return code.split('\n').map((line) => {
    const match = /^(\s*)(?!const |let |return |\/\/)(.+?)\s*\/\/ => (.+)$/.exec(line)
    if (match === null) return line
    const printed = /^console\.log\((.*)\)$/.exec(match[2]!)?.[1]
    return printed === undefined ? `${match[1]}$equal(${match[2]}, ${match[3]})` : `${match[1]}$equal([${printed}], [${match[3]}])`
  }).join('\n')
}
