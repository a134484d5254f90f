/*
 * A folder for a whole run of the tests, for what several test files need and one of them makes (made-once.ts). Begun before all tests, removed
 * after them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of this run. */
    scratch: string
  }
}

/** Runs once before the tests; what it gives runs after them. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'commitlog-tests-'))
  project.provide('scratch', folder)
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
