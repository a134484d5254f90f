/*
 * Our programs in Java on Kafka's jars: each is compiled once.
 */
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached, LONGEST_BUILD_MS } from './cache.ts'
import { mustRun } from './processes.ts'

/** How Java runs our programs: what a client complains of goes to the standard error, and not among what the program says. */
export const javaOptions: readonly string[] = [
  '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1',
  `-Dlog4j2.configurationFile=${fileURLToPath(new URL('clients/java/log4j2.properties', import.meta.url))}`,
]

/** The class path of a program, by the path of its source, and of Kafka's jars. */
export async function javaClassPath(jars: string, source: string): Promise<string> {
  const name = basename(source, '.java').toLowerCase()
  const folder = await cached(`java-${name}`, [readFileSync(source), Buffer.from(jars)], async (folder) => {
    await mustRun('javac', ['-d', folder, '-cp', join(jars, '*'), source], { timeoutMs: LONGEST_BUILD_MS })
  })
  return [join(jars, '*'), folder].join(':')
}
