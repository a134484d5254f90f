/*
 * A process that mirrors what there is from one log to another one, and kills itself in the middle when it is told to: at a step of its
 * transactions on the target, counted from its start, or some time behind it. Compiled by the test of it; not a test file by itself.
 */
import { connect } from '../../src/cluster/connect.ts'
import { mirror } from '../../src/cluster/mirror/mirror.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type PortableLog, type PortableTransaction } from '../../src/topics/contract.ts'

/** What the process is told, as JSON. */
export interface Errand {
  /** A folder, or the brokers of a cluster. */
  readonly from: { readonly folder: string } | { readonly brokers: string }
  readonly to: { readonly folder: string } | { readonly brokers: string }
  /** The step at which it is killed, from 1 on, and ms behind it. Without, it goes on to the end. */
  readonly kill: { readonly step: number; readonly delayMs: number } | undefined
  /** It goes on as the source grows; then what was mirrored is a step too. */
  readonly follows?: boolean
}

const errand = JSON.parse(process.argv[2]!) as Errand
let steps = 0

/** A step was done, or is about to be. */
function step(): void {
  if (++steps !== errand.kill?.step) return
  const { delayMs } = errand.kill
  if (delayMs === 0) process.kill(process.pid, 'SIGKILL')
  else setTimeout(() => process.kill(process.pid, 'SIGKILL'), delayMs)
}

/** The same, with a step before and behind each call. */
function stepping<T extends object>(of: T, verbs: readonly string[], wrap: (result: unknown) => unknown = (result) => result): T {
  return new Proxy(of, {
    get(_, name) {
      const value: unknown = Reflect.get(of, name, of)
      if (typeof value !== 'function') return value
      if (!verbs.includes(String(name))) return value.bind(of) as unknown
      return async (...parameters: unknown[]) => {
        step()
        const doing = value.apply(of, parameters) as Promise<unknown>
        step()
        const result = await doing
        step()
        return wrap(result)
      }
    },
  })
}

async function side(place: Errand['from'], readOnly: boolean): Promise<PortableLog> {
  if ('folder' in place) return CommitLog.open(place.folder, readOnly ? { readOnly } : { waitMs: 60_000 })
  return connect({ brokers: place.brokers, transactionalIdPrefix: 'mirror-child' })
}

async function main(): Promise<void> {
  const [from, to] = [await side(errand.from, true), await side(errand.to, false)]
  const verbs = ['send', 'commit', 'commitOffsets']
  const target = stepping(to, ['beginTransaction'], (transaction) => stepping(transaction as PortableTransaction, verbs))
  const options = { topics: ['words'], groups: ['readers'], id: 'child', transactionBytes: 400 } as const
  const more = errand.follows === true ? { onEvent: step, groupIntervalMs: 200 } : { until: 'end', groupIntervalMs: 5 } as const
  await (await mirror(from, target, { ...options, ...more })).done
  await to.close()
  await from.close()
}

void main()
