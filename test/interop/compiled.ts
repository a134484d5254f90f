/*
 * The sources as JavaScript, for processes of their own: the oldest Node runs no TypeScript. Compiled without a check of types, into build/.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A folder in which files have the places that they have here. */
export interface Compiled {
  readonly folder: string
  remove(): void
}

/** Compiles all of src/, and other files by their paths from the root. */
export function compiled(...others: readonly string[]): Compiled {
  mkdirSync(join(root, 'build'), { recursive: true })
  const folder = mkdtempSync(join(root, 'build', 'interop-'))
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true,
  }
  const names = readdirSync(join(root, 'src'), { recursive: true }) as string[]
  const sources = names.filter((path) => path.endsWith('.ts')).map((path) => join('src', path))
  for (const path of [...sources, ...others]) {
    const target = join(folder, path.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, ts.transpileModule(readFileSync(join(root, path), 'utf8'), { compilerOptions, fileName: path }).outputText)
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
