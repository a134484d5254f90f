/*
 * The version of the package that this command is of.
 */
import { readFileSync } from 'node:fs'

/** The version, as package.json beside `dist` says it. */
export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}
