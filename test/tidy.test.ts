/*
 * Keeps the house in order: floors, packages, syntax, comments, links, tables, traces of machines. The rules are in tools/tidy.ts. The
 * first half runs them over the project's tracked files; the second plants violations and expects each to be found.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { errorTable } from '../src/base/errors.ts'
import { defaultLogConfig } from '../src/log/config.ts'
import {
  badEdges, badPackages, barrels, codeOnly, deadFileNames, deadLinks, deadPointers, edges, errorRows, headingAnchors, headless, leftovers,
  lockAddresses, lockGaps, longLines, machineTraces, settingRows, type Source, strayEffects, switchedTests, typeEscapes, undocumented, unerasable,
  unexplained,
} from './tools/tidy.ts'

const root = new URL('..', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

const tracked = projectFiles()
const texts: Source[] = tracked
  .filter((path) => !path.startsWith('test/fixtures/') && !/\.(?:wasm|png|bin|log|index|timeindex)$/.test(path) && path !== 'package-lock.json')
  .map((path) => ({ path, text: read(path) }))
const typescript = texts.filter((source) => source.path.endsWith('.ts'))
const documents = texts.filter((source) => source.path.endsWith('.md'))
const manifest = JSON.parse(read('package.json')) as { exports: Record<string, string | { default: string }>; bin: Record<string, string> }
const doors = Object.values(manifest.exports).flatMap((door) => (typeof door === 'string' ? [] : [sourceOf(door.default)]))

// The project ----------------------------------------------------------------------------------------------------------------------------

test('there are sources to look at', () => {
  expect(typescript.length).toBeGreaterThan(5)
  expect(tracked).toContain('LICENSE')
})

test('every file of src imports from its own folder or a lower floor', () => expect(badEdges(typescript)).toEqual([]))
test('packages and modules of Node are imported only where they belong', () => expect(badPackages(typescript)).toEqual([]))
test('only doors re-export', () => expect(barrels(typescript, doors)).toEqual([]))
test('time, chance and output go through Clock, Random and events', () => expect(strayEffects(typescript)).toEqual([]))
test('every door and command of package.json has its source', () => {
  const missing = [...doors, ...Object.values(manifest.bin).map(sourceOf)].filter((path) => !existsSync(new URL(path, root)))
  expect(missing).toEqual([])
})

test('the syntax can be erased', () => expect(unerasable(typescript)).toEqual([]))
test('nobody goes around the type checker', () => expect(typeEscapes(typescript)).toEqual([]))
test('nothing was left behind', () => expect(leftovers(texts)).toEqual([]))
test('no test is switched off', () => expect(switchedTests(typescript)).toEqual([]))
test('no line is longer than 150 characters', () => expect(longLines(texts)).toEqual([]))
test('every file begins by saying what it is', () => {
  expect(headless(typescript.filter((source) => /^(?:src|bench|examples|test\/tools)\//.test(source.path)))).toEqual([])
})
test('every export has a docstring', () => expect(undocumented(typescript)).toEqual([]))

test('links in the documents lead somewhere', () => expect(deadLinks(documents, new Set(tracked))).toEqual([]))
test('comments point at pages and headings that exist', () => {
  expect(deadPointers(typescript.filter((source) => !source.path.includes('tidy')), documents)).toEqual([])
})
test('comments name sources that exist', () => {
  expect(deadFileNames(typescript.filter(({ path }) => !path.includes('tidy')), tracked)).toEqual([])
})
test('docs/errors.md is the table of base/errors.ts', () => expect(errorRows(read('docs/errors.md'), errorTable)).toEqual([]))
test('docs/settings.md knows every setting and its default', () => {
  expect(settingRows(read('docs/settings.md'), { ...defaultLogConfig })).toEqual([])
})
test('every dependency has its sentence', () => {
  const manifests = tracked.filter((path) => /(?:^|\/)package\.json$/.test(path) && !path.startsWith('test/fixtures/'))
  expect(manifests.flatMap((path) => unexplained(read(path), read('docs/contributing.md')))).toEqual([])
})

test('no tracked file knows a machine or a registry', () => expect(machineTraces(texts, registryHosts())).toEqual([]))
for (const folder of ['', 'bench/', 'test/interop/clients/js/', 'test/interop/emmett/', 'test/interop/testkit/services/']) {
  const lock = `${folder}package-lock.json`
  test(`${lock} records no download addresses, and holds all that it names`, () => {
    expect([...lockAddresses(read(lock)), ...lockGaps(read(lock))]).toEqual([])
  })
}
test('the top level holds what it should and nothing else', () => {
  const allowed = /^(?:\..*|package(?:-lock)?\.json|tsconfig(?:\.build)?\.json|README\.md|LICENSE|(?:src|test|bench|examples|docs)\/.*)$/
  expect(tracked.filter((path) => !allowed.test(path))).toEqual([])
})

// The rules themselves: each is shown a violation ----------------------------------------------------------------------------------------

const lines = (...text: string[]): string => text.join('\n')
const at = (path: string, ...text: string[]): Source[] => [{ path, text: lines(...text) }]

test('an import that goes up, sideways or out is named with both ends', () => {
  const up = badEdges(at('src/base/a.ts', '', 'import { b } from \'../log/b.ts\''))
  expect(up).toEqual(['src/base/a.ts:2: src/base/a.ts imports src/log/b.ts, which goes up'])
  expect(badEdges(at('src/files/a.ts', 'import type { B } from \'../format/b.ts\''))[0]).toContain('sideways')
  expect(badEdges(at('src/kafka/a.ts', 'const b = await import(\'../events/b.ts\')'))[0]).toContain('sideways')
  expect(badEdges(at('src/log/a.ts', 'import {', '  b,', '} from \'../topics/b.ts\''))[0]).toContain('up')
  expect(badEdges(at('src/log/a.ts', 'export type { B } from \'../index.ts\''))[0]).toContain('up')
  expect(badEdges(at('src/log/a.ts', 'import \'../../test/b.ts\''))[0]).toContain('no floor')
  expect(badEdges(at('src/log/a.ts', 'import { b } from \'./b.js\''))[0]).toContain('.ts ending')
})

test('imports down and beside are fine; comments and words within strings are no imports', () => {
  const imports = ['import { b } from \'../base/b.ts\'', 'import { c } from \'./c.ts\'']
  const good = [...imports, '// import { d } from \'../topics/d.ts\'', '/* import \'../cli/e.ts\' */']
  expect(badEdges(at('src/log/a.ts', ...good))).toEqual([])
  expect(edges(at('src/log/a.ts', ...good)[0]!)).toHaveLength(2)
  expect(edges(at('src/log/a.ts', 'const name = \'an-import\'', 'read(\'./b.ts\')')[0]!)).toEqual([])
})

test('a package outside its file is found, whichever way it is imported', () => {
  const found = badPackages(at('src/log/a.ts', 'import { pack } from \'msgpackr\''))
  expect(found).toEqual(['src/log/a.ts:1: msgpackr may be imported in src/topics/codecs.ts only'])
  expect(badPackages(at('src/files/disk.ts', 'const extra = await import(\'fs-extra\')'))).toHaveLength(1)
  expect(badPackages(at('src/topics/a.ts', 'const snappy = require(\'snappy\')'))).toHaveLength(1)
  expect(badPackages(at('src/topics/a.ts', 'createRequire(import.meta.url)(\'lz4-napi\')'))).toHaveLength(1)
  expect(badPackages(at('src/base/a.ts', 'import _ from \'lodash/fp\''))).toEqual(['src/base/a.ts:1: lodash/fp may not be imported in src'])
  expect(badPackages(at('src/files/folders.ts', 'await import(\'fs-extra\')'))).toEqual([])
})

test('the disk and the network are reached from their floors only', () => {
  expect(badPackages(at('src/log/a.ts', 'import { readSync } from \'node:fs\''))).toHaveLength(1)
  expect(badPackages(at('src/format/a.ts', 'import { open } from \'node:fs/promises\''))).toHaveLength(1)
  expect(badPackages(at('src/topics/a.ts', 'import net from \'node:net\''))).toHaveLength(1)
  expect(badPackages(at('src/log/a.ts', 'process.getBuiltinModule(\'node:fs\')'))).toHaveLength(1)
  expect(badPackages(at('src/files/disk.ts', 'import { readSync } from \'node:fs\''))).toEqual([])
})

test('a re-export inside a floor is found, one in a door is not', () => {
  expect(barrels(at('src/log/all.ts', 'export * from \'./segment.ts\''), ['src/index.ts'])).toHaveLength(1)
  expect(barrels(at('src/log/index.ts', ''), ['src/index.ts'])).toHaveLength(1)
  expect(barrels(at('src/index.ts', 'export { a } from \'./log/a.ts\''), ['src/index.ts'])).toEqual([])
})

test('time, chance and output past their doors are found, in comments and strings not', () => {
  expect(strayEffects(at('src/log/a.ts', 'const now = Date.now()', 'console.log(now)', 'setTimeout(f, 1)'))).toHaveLength(3)
  expect(strayEffects(at('src/log/a.ts', '// Date.now() would jump', 'const why = \'Math.random\''))).toEqual([])
})

test('what cannot be erased is found', () => {
  expect(unerasable(at('a.ts', 'export enum Colour { Red }', 'const enum B { C }', 'export namespace N {', '}'))).toHaveLength(3)
  expect(unerasable(at('a.ts', 'declare global {', '  namespace jest {', '  }', '}'))).toEqual([])
  expect(unerasable(at('a.ts', 'class A {', '  constructor(c: { d: 1 }, ', '    private readonly b: string,', '  ) {}', '}'))).toHaveLength(1)
  const good = ['const enumeration = 1', '/* enum Colour { } */', 'constructor(a: { readonly b: 1 }, readonly: boolean) {}']
  expect(unerasable(at('a.ts', ...good))).toEqual([])
})

test('ways around the type checker are found', () => {
  const any = 'any'
  const ignore = '@ts-' + 'ignore'
  expect(typeEscapes(at('a.ts', `const a = b as ${any}`, `let c: ${any}`, `// ${ignore}`))).toHaveLength(3)
  expect(typeEscapes(at('src/a.ts', '// @ts-' + 'expect-error'))).toHaveLength(1)
  expect(typeEscapes(at('test/types/a.ts', '// @ts-' + 'expect-error'))).toEqual([])
  expect(typeEscapes(at('a.ts', '// in any order: any at all', 'const text = "as any"'))).toEqual([])
})

test('notes left behind and switched tests are found', () => {
  expect(leftovers(at('a.ts', '// TO' + 'DO: later', '// FIX' + 'ME', 'debugger'))).toHaveLength(3)
  expect(switchedTests(at('test/a.test.ts', 'test' + '.only(', 'describe.skip(', 'it.concurrent.skip(', 'test.todo('))).toHaveLength(4)
  expect(switchedTests(at('test/a.test.ts', 'test.skipIf(old)(', 'const map = new Map()', 'items.skip(3)'))).toEqual([])
})

test('long lines are found, tables in documents are let be', () => {
  const long = 'x'.repeat(151)
  expect(longLines(at('a.ts', '', long))).toEqual(['a.ts:2: 151 characters'])
  expect(longLines(at('a.md', `| ${long} |`, `{"${long}":1}`, 'x'.repeat(150)))).toEqual([])
})

test('a file without a header and an export without a docstring are found', () => {
  expect(headless(at('src/a.ts', 'export const a = 1'))).toHaveLength(1)
  expect(headless(at('src/a.ts', '/** What a function does, not a file, is told here. */'))).toHaveLength(1)
  expect(headless(at('src/a.ts', '#!/usr/bin/env node', '/*', ' * What it is, what it is not, and where the spec is.', ' */'))).toEqual([])
  expect(undocumented(at('src/a.ts', '', 'export function naked(): void {', '}'))).toEqual(['src/a.ts:2: naked has no docstring'])
  expect(undocumented(at('src/a.ts', '/* no docstring */', 'export class A {}'))).toHaveLength(1)
  const run = at('src/a.ts', '/** A. */', 'export const a = 1', 'export const b = 2', '', 'export const c = 3')
  expect(undocumented(run)).toEqual(['src/a.ts:5: c has no docstring'])
  expect(undocumented(at('src/a.ts', '/**', ' * F.', ' */', 'export function f(a: string): void', 'export function f(a: number): void'))).toEqual([])
  expect(undocumented(at('src/a.ts', 'export const CRC_AT = 17', '', 'export const TABLE = {', '}'))).toEqual(['src/a.ts:3: TABLE has no docstring'])
})

test('dead links, headings and pointers are found', () => {
  const links = ['#a-b-title', '#same-1', '../src/x.ts', '../src/', 'https://example.org/x'].map((target) => `[ok](${target})`)
  const page = at('docs/a.md', '# A `b` title', '## Same', '## Same', ...links)
  const files = new Set(['docs/a.md', 'src/x.ts'])
  expect(deadLinks(page, files)).toEqual([])
  expect(deadLinks(at('docs/a.md', '# T', '[no](b.md)', '[no](#x)', '[no](../src/y.ts)'), files)).toHaveLength(3)
  expect(deadLinks(at('docs/a.md', '```', '[in a block](b.md)', '```', '`[in a span](c.md)`'), files)).toEqual([])
  expect(deadPointers(at('src/x.ts', '// see docs/a.md#nowhere', '// see docs/b.md', '// see docs/a.md#same'), page)).toHaveLength(2)
  const names = ['// see x.ts and b/x.ts', '/* not y.ts', ' * and not a/x.ts */', 'const z = \'z.ts\'']
  expect(deadFileNames(at('src/a.ts', ...names), ['src/b/x.ts'])).toEqual(['src/a.ts:2: no file y.ts', 'src/a.ts:3: no file a/x.ts'])
  expect([...headingAnchors('## `.index` and `.timeindex`: what *may* be there')]).toEqual(['index-and-timeindex-what-may-be-there'])
})

test('a wrong, missing or invented row of the errors is found', () => {
  const table = { LOG_A: { retriable: true, meaning: 'this' }, LOG_B: { retriable: false, meaning: 'that' } }
  expect(errorRows(lines('| `LOG_A` | yes | this | when | do |', '| `LOG_B` | no | that | when | do |'), table)).toEqual([])
  expect(errorRows(lines('| `LOG_A` | no | this | when | do |', '| `LOG_C` | no | that | when | do |'), table)).toHaveLength(3)
  expect(errorRows(lines('| `LOG_A` | yes | other | when |  |', '| `LOG_B` | no | that | when | do |'), table)).toHaveLength(2)
})

test('a setting without a row, or with another default, is found', () => {
  const rows = lines('| `segmentBytes` | `segment.bytes` | 67,108,864 | x |', '| `durability` | | `\'sync\'` | x |')
  expect(settingRows(rows, { segmentBytes: 67_108_864, durability: 'sync' })).toEqual([])
  expect(settingRows(rows, { segmentBytes: 1, durability: 'os', lingerMs: 0 })).toHaveLength(3)
})

test('paths of a machine, registry hosts and download addresses are found', () => {
  const traces = at('a.md', 'see /home' + '/me/x', 'and https://registry.npm' + 'js.org/x', 'and example.test:4873')
  expect(machineTraces(traces, ['example.test'])).toHaveLength(3)
  expect(machineTraces(at('a.md', 'the `docs/work/x` folder, ./root/x'))).toEqual([])
  expect(lockAddresses(JSON.stringify({ packages: { a: { resolved: 'https://x/a.tgz' }, b: {} } }))).toHaveLength(1)
  const inner = { 'node_modules/a': { optionalDependencies: { b: '1', c: '1' } }, 'node_modules/a/node_modules/b': { dependencies: { a: '1' } } }
  expect(lockGaps(JSON.stringify({ packages: inner }))).toEqual(['package-lock.json: node_modules/a needs c, which is not there'])
  const dependencies = JSON.stringify({ dependencies: { a: '1' }, devDependencies: { b: '1' } })
  expect(unexplained(dependencies, 'We need `a` for this.')).toEqual(['docs/contributing.md: not a word about b'])
})

test('strings, templates, regular expressions and comments are told apart', () => {
  const first = 'const a = /[/"]x/.test(b) // "quoted"'
  const code = lines(first, 'const c = `one ${d ? `two ${e}` : \'\'} three` + f / g / h', '/* `*/ const i = \'it\\\'s\'')
  const kept = codeOnly(code)
  expect(kept).toHaveLength(code.length)
  expect(kept).not.toMatch(/quoted|one|two|three|it/)
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']) expect(kept).toMatch(new RegExp(`\\b${name}\\b`))
})

function projectFiles(): string[] {
  // Tracked files, and new ones that nobody ignores: what the next commit may hold.
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: root, encoding: 'utf8' })
  return list.split('\0').filter((path) => path !== '' && existsSync(new URL(path, root))).sort()
}

function sourceOf(built: string): string {
  return built.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts')
}

function registryHosts(): string[] {
  const address = process.env['npm_config_registry'] ?? ''
  const host = URL.canParse(address) ? new URL(address).hostname : ''
  return host === '' || host === 'localhost' ? [] : [host]
}
