/*
 * Emmett's packages, installed outside the repository, in the cache of these tests. sqlite3 comes as source: its binary is downloaded or compiled
 * once, which takes a minute or two.
 */
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached, LONGEST_BUILD_MS } from '../cache.ts'
import { mustRun } from '../processes.ts'

const here = fileURLToPath(new URL('.', import.meta.url))

/** The `node_modules` that hold them. */
export async function emmettPackages(): Promise<string> {
  const lock = readFileSync(join(here, 'package-lock.json'))
  const folder = await cached('emmett', [lock], async (folder) => {
    for (const name of ['package.json', 'package-lock.json']) cpSync(join(here, name), join(folder, name))
    const quietly = ['--no-audit', '--no-fund', '--silent']
    await mustRun('npm', ['ci', '--ignore-scripts', ...quietly], { cwd: folder, timeoutMs: LONGEST_BUILD_MS })
    await mustRun('npm', ['rebuild', 'sqlite3', ...quietly], { cwd: folder, timeoutMs: LONGEST_BUILD_MS })
  })
  return join(folder, 'node_modules')
}
