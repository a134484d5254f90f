/*
 * Records and the commit that says that they are where they are: one transaction. Whatever happens in between, nothing is lost, and nothing is
 * there twice.
 */
import { type CommitRequest } from '../groups/group-messages.ts'
import { Topic } from '../topic.ts'
import { type TopicParts } from '../topic-core.ts'
import { type AsidePlace } from './hand-over.ts'

/** Stores records and commits, in one transaction. */
export async function storeTogether<K, V>({ log, life }: TopicParts<K, V>, records: readonly AsidePlace[], request: CommitRequest): Promise<void> {
  const transaction = await log.transactions.begin({ transactionalId: undefined, timeoutMs: Infinity }, life)
  try {
    for (const { parts, record } of records) void transaction.send(new Topic(parts), record)
    await transaction.commitRequest(request)
    await transaction.commit()
  } catch (error) {
    await transaction.abort().catch(() => {})
    throw error
  }
}
