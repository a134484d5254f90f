/*
 * Appends to a partition until it is killed, and prints how many records are acknowledged. Started by killed-writer.ts.
 */
import { type TopicSettings } from '../../src/topics/settings.ts'
import { CaseLog, WrittenPartition } from './case-log.ts'
import { recordOfKilledWriter } from './writer-record.ts'

const [root, given] = process.argv.slice(2) as [string, string]
const { topic, config, firstTimestamp } = JSON.parse(given) as { topic: string; config: TopicSettings; firstTimestamp: number }
const { first } = await CaseLog.open(root, [new WrittenPartition(root, topic, 0, config)])
for (let offset = 0; ; offset++) {
  first.append(recordOfKilledWriter(offset, firstTimestamp))
  if (offset % 20 !== 19) continue
  await first.log.durable(offset)
  process.stdout.write(`${offset + 1}\n`)
}
