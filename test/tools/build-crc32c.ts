/*
 * Makes src/base/crc32c-module.ts from src/base/crc32c.wat. Run it after a change of the latter: `node test/tools/build-crc32c.ts` with a
 * Node that runs TypeScript. A test holds the two together.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import wabt from 'wabt'

const source = new URL('../../src/base/crc32c.wat', import.meta.url)

/** Where the module file is. */
export const moduleFile = new URL('../../src/base/crc32c-module.ts', import.meta.url)

/** What should be in the module file. */
export async function buildModule(): Promise<string> {
  const { parseWat } = await wabt()
  const parsed = parseWat('crc32c.wat', readFileSync(source, 'utf8'), { simd: true, bulk_memory: true })
  const text = Buffer.from(parsed.toBinary({}).buffer).toString('base64')
  parsed.destroy()
  const lines = text.match(/.{1,120}/g)!.map((line) => `  '${line}'`)
  return `/*
 * The compiled crc32c.wat in base64, a kilobyte or two. Made by test/tools/build-crc32c.ts; not edited by hand.
 */

/** A WebAssembly module with a memory and \`update\`: see crc32c.wat. */
export const crc32cModule =
${lines.join(' +\n')}
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(moduleFile, await buildModule())
