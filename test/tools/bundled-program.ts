/*
 * One program with the sources that it imports, as one file of JavaScript, for a process of its own: the oldest Node runs no TypeScript, and
 * one file is read sooner than hundreds. Types are not checked; packages stay where they are.
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

/** Bundles a program by its path from the root, into build/. */
export async function bundledProgram(path: string): Promise<BundledProgram> {
  mkdirSync(join(root, 'build'), { recursive: true })
  const dir = mkdtempSync(join(root, 'build', 'program-'))
  // A source is named by where it is; anything else is a package.
  const bundle = await rolldown({ input: { program: path }, external: /^[^./]/, cwd: root, platform: 'node' })
  await bundle.write({ dir, format: 'esm', entryFileNames: '[name].js' })
  await bundle.close()
  return { path: join(dir, 'program.js'), remove: () => rmSync(dir, { recursive: true, force: true }) }
}
