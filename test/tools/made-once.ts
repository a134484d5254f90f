/*
 * What is dear to make, and the same for several test files, is made by the first of them that asks; those that run beside it in other
 * processes wait for it.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inject, vi } from 'vitest'

/** However slow the machine is. */
const LONGEST_MS = 240_000

/**
 * The folder that `make` fills, once in a run of the tests. Nobody may change what is in it.
 *
 * @param name  of the folder, another one for each thing
 * @throws what it failed with; so do those who waited
 */
export async function madeOnce(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(inject('scratch'), name)
  const [begun, making, failed] = [`${folder}.begun`, `${folder}.making`, `${folder}.failed`]
  if (isFirst(begun)) {
    try {
      mkdirSync(making)
      await make(making)
      renameSync(making, folder)
    } catch (error) {
      writeFileSync(failed, String(error))
    }
  }
  await vi.waitUntil(() => existsSync(folder) || existsSync(failed), { timeout: LONGEST_MS })
  if (existsSync(failed)) throw new Error(`${name} could not be made: ${readFileSync(failed, 'utf8')}`)
  return folder
}

/** Of all who ask exactly one is told that it is. */
function isFirst(marker: string): boolean {
  try {
    writeFileSync(marker, '', { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  }
}
