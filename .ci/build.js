/*
 * Builds `dist`: declarations by tsc, and the code of all doors in a few files by rolldown. A file per module would cost an importer some
 * fifty milliseconds of looking for files; dependencies stay imports.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { rolldown } from 'rolldown'

const { dependencies, optionalDependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const packages = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })

rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })

const bundle = await rolldown({
  input: { index: 'src/index.ts', 'kafka/index': 'src/kafka/index.ts', 'testing/index': 'src/testing/index.ts', 'cli/commitlog': 'src/cli/commitlog.ts' },
  external: (id) => id.startsWith('node:') || packages.some((name) => id === name || id.startsWith(`${name}/`)),
  platform: 'node',
})
await bundle.write({ dir: 'dist', format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'shared/[name].js' })
