/*
 * A log in memory behind a listener, and a connection to it through the door of clusters.
 */
import { type ClusterEvent, type ClusterLog, connect, type ConnectOptions } from '../../src/cluster/index.ts'
import { CommitLog } from '../../src/index.ts'
import { listen, type ListenOptions } from '../../src/kafka/index.ts'

/** What a test has. */
export interface Connection {
  readonly log: ClusterLog
  readonly local: CommitLog
  readonly bootstrap: string
  readonly events: readonly ClusterEvent[]
  /** Another connection to the same cluster, closed with the first. */
  connect(options?: Partial<ConnectOptions>): Promise<ClusterLog>
}

/** Runs `test` with a connection, and leaves nothing behind. */
export async function overListener<T>(
  test: (connection: Connection) => Promise<T>,
  options: { readonly listen?: Partial<ListenOptions>; readonly connect?: Partial<ConnectOptions> } = {},
): Promise<T> {
  const local = await CommitLog.memory()
  const server = await listen(local, { port: 0, ...options.listen })
  const { bootstrap } = server
  const events: ClusterEvent[] = []
  const open: ClusterLog[] = []
  const another = async (more?: Partial<ConnectOptions>): Promise<ClusterLog> => {
    const log = await connect({ brokers: bootstrap, onEvent: (event) => events.push(event), ...options.connect, ...more })
    open.push(log)
    return log
  }
  try {
    return await test({ log: await another(), local, bootstrap, events, connect: another })
  } finally {
    await Promise.all(open.map((log) => log.close()))
    await server.close()
    await local.close()
  }
}
