/*
 * What stands between the connections of a test broker and its handlers: the journal, faults, and whoever else wants to see requests.
 */
import { type AnswerBytes, type Exchange, type Interceptor } from '../../kafka/exchange.ts'
import { type Faults } from '../faults/faults.ts'
import { type Journal } from '../journal/journal.ts'
import { type Changes } from './changes.ts'
import { type FetchWatch } from './fetch-watch.ts'

/** Who wants to see requests. */
export interface InterceptorParts {
  readonly journal: Journal
  readonly faults: Faults
  readonly fetches: FetchWatch
  readonly changes: Changes
  readonly others: Iterable<Interceptor>
  /** So many more requests wait, or fewer. */
  readonly waiting: (count: number) => void
}

const FETCH = 1
const SYNC_GROUP = 14
const CONSUMER_GROUP_HEARTBEAT = 68

/** The one interceptor of a test broker. */
export function interceptorOf({ journal, faults, fetches, changes, others, waiting }: InterceptorParts): Interceptor {
  /** By connection: a request that a fault keeps waiting. Those behind it, where they are pipelined, come behind it. */
  const held = new Map<number, Promise<void>>()
  return {
    async before(exchange) {
      changes.tell()
      waiting(1)
      const entry = journal.begin(exchange)
      if (exchange.api.key === FETCH) fetches.see(exchange)
      try {
        await inOrder(exchange.context.connection.id, () => faults.before(exchange, entry))
        for (const other of others) await other.before?.(exchange)
      } catch (error) {
        waiting(-1)
        throw error
      }
    },
    async after(exchange) {
      try {
        for (const other of others) await other.after?.(exchange)
        await faults.after(exchange)
      } catch (error) {
        waiting(-1)
        throw error
      }
    },
    async encoded(exchange, bytes) {
      try {
        tellAssignment(exchange, fetches)
        return await sent(exchange, bytes)
      } finally {
        waiting(-1)
        changes.tell()
      }
    },
    unserved(request, bytes) {
      journal.unserved(request, bytes)
      changes.tell()
    },
  }

  async function inOrder(connection: number, work: () => void | Promise<void>): Promise<void> {
    while (held.has(connection)) await held.get(connection)
    const done = work()
    if (done === undefined) return
    const over = done.finally(() => void held.delete(connection))
    held.set(connection, over)
    await over
  }

  async function sent(exchange: Exchange, bytes: AnswerBytes): Promise<AnswerBytes> {
    let left = bytes
    for (const other of others) if (other.encoded !== undefined) left = await other.encoded(exchange, left)
    left = await faults.encoded(exchange, left)
    journal.end(exchange, faults.wireOf(exchange) ?? left)
    return left
  }
}

/** Members of groups learn by some answers what they have. */
function tellAssignment({ api, request, response }: Exchange, fetches: FetchWatch): void {
  if (api.key === SYNC_GROUP) fetches.told(String(request['groupId']), Number(request['generationId']))
  if (api.key !== CONSUMER_GROUP_HEARTBEAT || typeof response !== 'object') return
  if (response['assignment'] !== null) fetches.told(String(request['groupId']), Number(response['memberEpoch']))
}
