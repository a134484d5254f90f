/*
 * Puts the code of several doors into a few files, by rolldown. A file per module would cost an importer some fifty milliseconds of looking
 * for files; dependencies stay imports. Names and lines stay, so that a stack tells where it was. Comments go: an importer's process would
 * read all of them, and docstrings are in the declarations.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

/**
 * Writes `<name>.js` into `dir` for each entry of `doors`, and what they share beside them.
 *
 * @param {string} root  the folder of the project
 * @param {Record<string, string>} doors  source files below it, by the names that they get
 * @param {string} dir
 */
export async function bundle(root, doors, dir) {
  const { dependencies, optionalDependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const packages = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
  const external = (id) => id.startsWith('node:') || packages.some((name) => id === name || id.startsWith(`${name}/`))
  const made = await rolldown({ input: doors, external, cwd: root, platform: 'node' })
  await made.write({ dir, format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'shared/[name].js', comments: false })
  await made.close()
}
