/*
 * The package as its users get it: what `npm pack` puts into it, and a project outside that compiles and runs against it from ESM and from
 * CommonJS. Here its dependencies are linked; .ci/package installs the tarball with npm, from scratch and with --ignore-scripts.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mustRun, type Outside, outsideProject, root, run } from './tools/outside.ts'
import { installPacked, packedFiles } from './tools/packed.ts'

/** What package.json promises: doors with their declarations, and commands. */
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | Record<string, string>>; bin: Record<string, string>
}
const doors = Object.values(manifest.exports).flatMap((door) => (typeof door === 'string' ? [door] : Object.values(door)))
const targets = [...doors, ...Object.values(manifest.bin)].map((path) => path.replace('./', ''))

let packed: string[]
let outside: Outside

beforeAll(async () => {
  packed = await packedFiles()
  outside = await outsideProject(installPacked)
  await cp(join(root, 'test/outside'), outside.folder, { recursive: true })
}, 300_000)

afterAll(() => outside?.remove())

test('the package holds the code of its doors, declarations of every source, the documents, and nothing else', () => {
  const sources = filesUnder(join(root, 'src'), '').filter((path) => path.endsWith('.ts')).map((path) => path.slice(0, -3))
  const declarations = sources.map((path) => `dist/${path}.d.ts`)
  // What the doors share lies in files that the bundler names.
  const code = [...targets.filter((path) => path.endsWith('.js')), ...packed.filter((path) => /^dist\/shared\/[\w-]+\.js$/.test(path))]
  const documents = filesUnder(join(root, 'docs'), '').map((path) => `docs/${path}`)
  expect(packed).toEqual([...declarations, ...code, ...documents, 'LICENSE', 'README.md', 'package.json'].sort())
})

test('every door and command of package.json is in the package', () => {
  expect(targets.length).toBeGreaterThan(2)
  expect(targets.filter((path) => !packed.includes(path))).toEqual([])
})

test('a strict project outside compiles against the declarations, and runs from ESM and CommonJS', async () => {
  await mustRun(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: outside.folder, timeoutMs: 120_000 })
  expect((await mustRun(process.execPath, ['esm.js'], { cwd: outside.folder })).stdout).toBe('o-1 3\ntrue\nLOG_CLOSED\n')
  expect((await mustRun(process.execPath, ['cjs.cjs'], { cwd: outside.folder })).stdout).toBe('from CommonJS\n')
}, 180_000)

test('importing the package loads no socket code, nothing of Node that is slow to load, no optional package and no native code', async () => {
  const loaded = await loadedBy('await import(\'commitlog\')')
  const bare = await loadedBy('')
  const sockets = ['net', 'tls', 'http', 'https', 'http2', 'dgram', 'dns', 'child_process', 'worker_threads']
  const slow = ['crypto', 'zlib', 'stream', 'fs/promises', 'perf_hooks', 'sqlite']
  const added = loaded.builtins.filter((name) => !bare.builtins.includes(name))
  expect(added.filter((name) => [...sockets, ...slow].includes(name.replace(/^NativeModule (?:internal\/)?/, '')))).toEqual([])
  expect(loaded.packages.filter((path) => /node_modules.(?:snappy|lz4-napi|fs-extra|graceful-fs|msgpackr-extract)\b/.test(path))).toEqual([])
  expect(loaded.native).toEqual([])
})

test('the command runs and says what it can do', async () => {
  const command = join(outside.folder, 'node_modules/commitlog/dist/cli/commitlog.js')
  const { code, stdout } = await run(process.execPath, [command, '--help'], { cwd: outside.folder })
  expect(stdout).toContain('dump')
  expect(code).toBe(0)
})

async function loadedBy(statement: string): Promise<{ builtins: string[]; packages: string[]; native: string[] }> {
  await outside.write('loaded.js', `import { createRequire } from 'node:module'
    ${statement}
    const { cache } = createRequire(import.meta.url)
    const native = process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node'))
    console.log(JSON.stringify({ builtins: process.moduleLoadList, packages: Object.keys(cache), native }))`)
  return JSON.parse((await mustRun(process.execPath, ['loaded.js'], { cwd: outside.folder })).stdout) as Awaited<ReturnType<typeof loadedBy>>
}

function filesUnder(folder: string, prefix: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    return entry.isDirectory() ? filesUnder(join(folder, entry.name), `${prefix}${entry.name}/`) : [`${prefix}${entry.name}`]
  })
}
