/*
 * Reads test/golden/*.hex: sections of bytes in hex, a comment behind each line. What is in them was not written by us.
 */
import { readFileSync } from 'node:fs'

/** The bytes of one section of a golden file: `golden('batch-v2', 'uncompressed')`. */
export function golden(file: string, section: string): Buffer {
  return Buffer.concat(goldenLines(file, section).map(({ bytes }) => bytes))
}

/** The lines of one section, each with its comment. */
export function goldenLines(file: string, section: string): { bytes: Buffer; comment: string }[] {
  const text = readFileSync(new URL(`../golden/${file}.hex`, import.meta.url), 'utf8')
  const from = text.indexOf(`[${section}]\n`)
  if (from < 0) throw new Error(`no section [${section}] in ${file}.hex`)
  const [body] = text.slice(from + section.length + 3).split('\n[')
  return body!
    .split('\n')
    .map((line) => ({ bytes: Buffer.from(line.replace(/#.*/, '').replaceAll(' ', ''), 'hex'), comment: line.replace(/^[^#]*#? */, '') }))
    .filter(({ bytes }) => bytes.length > 0)
}
