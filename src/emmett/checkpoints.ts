/*
 * Keeps how far Emmett's processors are in a compacted topic beside the events, `<category>.processors`. One writer, so a checkpoint is compared
 * with the one before and set in one step.
 */
import { json, string } from '../topics/codecs.ts'
import { type CommitLog } from '../topics/commit-log.ts'
import { defineTopic } from '../topics/define-topic.ts'
import { type LogCore } from '../topics/log-core.ts'
import { type EmmettCheckpoints } from './types.ts'

interface Stored {
  readonly position: string
  readonly version: number
}

/** All who ask in one process share them: else each would compare with what it wrote itself. */
const shared = new WeakMap<LogCore, Map<string, Promise<EmmettCheckpoints>>>()

/** Checkpoints of processors over a category. */
export function emmettCheckpoints(log: CommitLog, category: string): Promise<EmmettCheckpoints> {
  const categories = shared.get(log.core) ?? new Map<string, Promise<EmmettCheckpoints>>()
  shared.set(log.core, categories)
  const opened = categories.get(category) ?? openCheckpoints(log, category)
  categories.set(category, opened)
  opened.catch(() => categories.delete(category))
  return opened
}

async function openCheckpoints(log: CommitLog, category: string): Promise<EmmettCheckpoints> {
  const topic = await log.topic(defineTopic(`${category}.processors`, {
    partitions: 1, key: string, value: json<Stored>(), cleanupPolicy: 'compact',
  }))
  const known = new Map<string, bigint>()
  for (const { key, value } of topic.partition(0).read()) if (key !== null && value !== null) known.set(key, BigInt(value.position))
  const keyOf = (processorId: string, partition: string | undefined): string => JSON.stringify([processorId, partition ?? ''])
  return {
    read: async ({ processorId, partition }) => ({ lastCheckpoint: known.get(keyOf(processorId, partition)) ?? null }),
    store: async ({ message, processorId, version = 1, lastCheckpoint, partition }) => {
      const key = keyOf(processorId, partition)
      const current = known.get(key) ?? null
      const position = BigInt((message.metadata as { readonly globalPosition: bigint | string }).globalPosition)
      if (current !== null && current >= position) return { success: false, reason: 'IGNORED' }
      if (current !== (lastCheckpoint === null ? null : BigInt(lastCheckpoint))) return { success: false, reason: 'MISMATCH' }
      known.set(key, position)
      try {
        await topic.send({ key, value: { position: String(position), version } })
      } catch (error) {
        // What is not stored does not count, unless somebody went on from it meanwhile.
        if (known.get(key) === position) {
          if (current === null) known.delete(key)
          else known.set(key, current)
        }
        throw error
      }
      return { success: true, newCheckpoint: position }
    },
  }
}
