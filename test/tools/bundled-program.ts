/*
 * Programs with the sources that they import, as files of JavaScript, for processes of their own: the oldest Node runs no TypeScript, and
 * few files are read sooner than hundreds. Types are not checked; packages stay where they are.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { root } from './outside.ts'

/** A program that can be run. */
export interface BundledProgram {
  /** Its file. */
  readonly path: string
  remove(): void
}

/** Programs that can be run. */
export interface BundledPrograms {
  /** Their files, in the order in which they were asked for. */
  readonly paths: readonly string[]
  remove(): void
}

/** Bundles a program by its path from the root, into build/. */
export async function bundledProgram(path: string): Promise<BundledProgram> {
  const { paths, remove } = await bundledPrograms(path)
  return { path: paths[0]!, remove }
}

/** Bundles programs by their paths from the root, which begin with `./`, into a folder of build/: packages are found from there. */
export async function bundledPrograms(...programs: readonly string[]): Promise<BundledPrograms> {
  mkdirSync(join(root, 'build'), { recursive: true })
  const dir = mkdtempSync(join(root, 'build', 'programs-'))
  const names = programs.map((_, index) => `program-${index}`)
  await bundleInto(dir, Object.fromEntries(programs.map((path, index) => [names[index]!, path])))
  return { paths: names.map((name) => join(dir, `${name}.js`)), remove: () => rmSync(dir, { recursive: true, force: true }) }
}

/** Bundles sources by their paths from the root, which begin with `./`, into `<name>.js` of a folder. */
export async function bundleInto(dir: string, input: Readonly<Record<string, string>>): Promise<void> {
  // A source is named by where it is; anything else is a package.
  const bundle = await rolldown({ input, external: /^[^./]/, cwd: root, platform: 'node' })
  await bundle.write({ dir, format: 'esm', entryFileNames: '[name].js' })
  await bundle.close()
}
