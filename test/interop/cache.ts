/*
 * What these tests download and build, in a folder outside the repository that stays from one run to the next. Several files at once want the same,
 * and so may two runs: one of them makes it, the others wait.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { lockFolder } from '../../src/files/lock.ts'

/** Something is fetched or built for so long at most: CI has it done beside other work, at a low priority. */
export const LONGEST_BUILD_MS = 30 * 60_000

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'commitlog-interop')

/** A folder of the cache for what is made from some bytes; made by `make` unless an earlier run has finished it. */
export async function cached(name: string, of: readonly Buffer[], make: (folder: string) => Promise<void> | void): Promise<string> {
  const hash = createHash('sha256').update(process.arch)
  for (const bytes of of) hash.update(bytes)
  const folder = join(cache, `${name}-${hash.digest('hex').slice(0, 12)}`)
  const finished = join(folder, 'finished')
  if (existsSync(finished)) return folder
  await alone(name, async () => {
    if (existsSync(finished)) return
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    await make(folder)
    writeFileSync(finished, '')
  })
  return folder
}

/** Does what two must not do at once, on this machine. */
export async function alone(what: string, work: () => Promise<void> | void): Promise<void> {
  const folder = join(cache, 'locks', what)
  mkdirSync(folder, { recursive: true })
  const lock = await lockFolder(folder, { waitMs: LONGEST_BUILD_MS })
  try {
    await work()
  } finally {
    await lock.release()
  }
}
