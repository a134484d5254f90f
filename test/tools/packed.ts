/*
 * The package as `npm pack` makes it, and its users get it: built and packed once in a run of the tests, for all that run against it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { madeOnce } from './made-once.ts'
import { mustRun, root } from './outside.ts'

/** Puts the package into a folder, as {@link outsideProject} asks for it. */
export async function installPacked(folder: string): Promise<void> {
  await cp(join(await packed(), 'package'), folder, { recursive: true })
}

/** The paths of the files in the package, sorted. */
export async function packedFiles(): Promise<string[]> {
  return JSON.parse(readFileSync(join(await packed(), 'files.json'), 'utf8')) as string[]
}

function packed(): Promise<string> {
  return madeOnce('packed', async (folder) => {
    const { stdout } = await mustRun('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, timeoutMs: 180_000 })
    const [result] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string; files: { path: string }[] }]
    writeFileSync(join(folder, 'files.json'), JSON.stringify(result.files.map((file) => file.path).sort()))
    await mkdir(join(folder, 'package'))
    await mustRun('tar', ['-xzf', result.filename, '--strip-components=1', '-C', 'package'], { cwd: folder })
  })
}
