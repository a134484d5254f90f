/*
 * Builds `dist`: declarations by tsc, and the code of all doors by bundle.js.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { bundle } from './bundle.js'

const { exports, bin } = JSON.parse(readFileSync('package.json', 'utf8'))

/** Every door and command, by its place in `dist`: `kafka/index` is made from src/kafka/index.ts. */
const targets = [...Object.values(exports).flatMap((door) => door.default ?? []), ...Object.values(bin)]
const names = targets.map((target) => target.replace('./dist/', '').replace('.js', ''))

rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
await bundle(process.cwd(), Object.fromEntries(names.map((name) => [name, `src/${name}.ts`])), 'dist')
