/*
 * The build of ours that a trial measures: build/bench, or another one for `--against`.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Job } from '../job.ts'

/** The public door, and what is behind it. */
export type Library = typeof import('../../src/index.ts')

const usualBuild = new URL('../../build/bench/', import.meta.url)

/** The public door of the build that `job` is about. */
export function load(job: Pick<Job, 'build'>): Promise<Library> {
  return import(partOf(job, 'index.js')) as Promise<Library>
}

/** The URL of a file of the build that `job` is about. */
export function partOf({ build }: Pick<Job, 'build'>, path: string): string {
  return build === undefined ? new URL(path, usualBuild).href : pathToFileURL(join(build, path)).href
}
