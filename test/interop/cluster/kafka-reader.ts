/*
 * Reads what a cluster holds with Kafka's own consumer, by Reader.java.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Held, type StoredRecord } from '../../cluster/chaos-checks.ts'
import { chaosTopics } from '../../cluster/chaos-load.ts'
import { javaClassPath } from '../java.ts'

const MOST_BYTES = 1 << 30

/** All committed records of the topics of the load. */
export async function heldByKafka(jars: string, bootstrap: string): Promise<Held> {
  const classPath = await javaClassPath(jars, fileURLToPath(new URL('Reader.java', import.meta.url)))
  const options = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dlog4j2.level=WARN', '-cp', classPath]
  const run = promisify(execFile)
  const { stdout } = await run('java', [...options, 'Reader', bootstrap, ...Object.values(chaosTopics)], { maxBuffer: MOST_BYTES })
  const records = stdout.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as StoredRecord & { readonly topic: string })
  const of = (name: string): StoredRecord[] => records.filter(({ topic }) => topic === name).map(({ topic: _, ...record }) => record)
  return { sent: of(chaosTopics.sent), piped: of(chaosTopics.piped), dead: of(chaosTopics.dead), mirrored: of(chaosTopics.mirrored) }
}
