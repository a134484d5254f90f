/*
 * Builds `dist`: declarations by tsc, and the code of all doors in a few files by rolldown. A file per module would cost an importer some
 * fifty milliseconds of looking for files; dependencies stay imports.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { rolldown } from 'rolldown'

const { exports, bin, dependencies, optionalDependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const packages = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })

/** Every door and command, by its place in `dist`: `kafka/index` is made from src/kafka/index.ts. */
const targets = [...Object.values(exports).flatMap((door) => door.default ?? []), ...Object.values(bin)]
const names = targets.map((target) => target.replace('./dist/', '').replace('.js', ''))

rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })

const bundle = await rolldown({
  input: Object.fromEntries(names.map((name) => [name, `src/${name}.ts`])),
  external: (id) => id.startsWith('node:') || packages.some((name) => id === name || id.startsWith(`${name}/`)),
  platform: 'node',
})
await bundle.write({ dir: 'dist', format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'shared/[name].js' })
