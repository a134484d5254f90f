/*
 * Keeps how far Emmett's processors are in a compacted topic beside the events, `<category>.processors`. One writer, so a checkpoint is compared
 * with the one before and set in one step.
 */
import { takeInTurns } from '../events/take-in-turns.ts'
import { json, string } from '../topics/codecs.ts'
import { type CommitLog } from '../topics/commit-log.ts'
import { defineTopic } from '../topics/define-topic.ts'
import { type LogCore } from '../topics/log-core.ts'
import { type EmmettShape } from './emmett-package.ts'
import { checkpointOf } from './message-source.ts'
import { type EmmettCheckpoints } from './types.ts'

interface Stored {
  readonly position: string
  readonly version: number
}

/** How far each processor is, as all who ask in one process know it: else each would compare with what it wrote itself. */
interface Progress {
  readonly known: Map<string, number>
  readonly write: (key: string, stored: Stored) => Promise<unknown>
}

const shared = new WeakMap<LogCore, Map<string, Promise<Progress>>>()

/** Checkpoints of processors over a category, in the shape of a version of Emmett. */
export async function emmettCheckpoints(log: CommitLog, category: string, shape: EmmettShape): Promise<EmmettCheckpoints> {
  const categories = shared.get(log.core) ?? new Map<string, Promise<Progress>>()
  shared.set(log.core, categories)
  const opened = categories.get(category) ?? openProgress(log, category)
  categories.set(category, opened)
  opened.catch(() => categories.delete(category))
  return checkpointsOver(await opened, shape)
}

async function openProgress(log: CommitLog, category: string): Promise<Progress> {
  const topic = await log.topic(defineTopic(`${category}.processors`, {
    partitions: 1, key: string, value: json<Stored>(), cleanupPolicy: 'compact',
  }))
  const known = new Map<string, number>()
  await takeInTurns(topic.partition(0).read(), log.core.env.clock, ({ key, value }) => {
    if (key !== null && value !== null) known.set(key, Number(value.position))
  })
  return { known, write: (key, value) => topic.send({ key, value }) }
}

/** Compare and set: who knows the checkpoint there is sets another, which may be behind it when a projection is built anew. */
function checkpointsOver({ known, write }: Progress, shape: EmmettShape): EmmettCheckpoints {
  const shaped = (position: number | undefined): never => (
    position === undefined ? null : shape === '0.43' ? checkpointOf(position) : BigInt(position)
  ) as never
  const refused = (reason: string): never => ({ success: false, reason }) as never
  return {
    read: async ({ processorId, partition }) => ({ lastCheckpoint: shaped(known.get(keyOf(processorId, partition))) }),
    store: async ({ message, processorId, version = 1, lastCheckpoint, partition }) => {
      const key = keyOf(processorId, partition)
      const current = known.get(key)
      const position = Number((message.metadata as { readonly globalPosition: bigint | string }).globalPosition)
      if (current === position) return refused('IGNORED')
      if (current !== (lastCheckpoint === null ? undefined : Number(lastCheckpoint))) {
        return refused(current === undefined || current < position ? 'MISMATCH' : shape === '0.43' ? 'CURRENT_AHEAD' : 'IGNORED')
      }
      known.set(key, position)
      try {
        await write(key, { position: String(position), version })
      } catch (error) {
        // What is not stored does not count, unless somebody went on from it meanwhile.
        if (known.get(key) === position) {
          if (current === undefined) known.delete(key)
          else known.set(key, current)
        }
        throw error
      }
      return { success: true, newCheckpoint: shaped(position) }
    },
  }
}

function keyOf(processorId: string, partition: string | undefined): string {
  // What 0.43 names when nobody does.
  return JSON.stringify([processorId, partition === undefined || partition === 'emt:default' ? '' : partition])
}
