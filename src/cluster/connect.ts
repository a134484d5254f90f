/*
 * Opens a connection to a cluster.
 */
import { LogError } from '../base/errors.ts'
import { addressText, loadClient } from './client.ts'
import { Cluster } from './cluster.ts'
import { OpenClusterLog } from './cluster-log.ts'
import { Connected } from './connected.ts'
import { isPassing } from './errors.ts'
import { checkConnectOptions, type ConnectOptions } from './options.ts'
import { refusalOf } from './refusal.ts'
import { type ClusterLog } from './types.ts'

/** As long as somebody who connects waits for the first broker, unless `timeoutMs` is less. */
const CONNECT_MS = 30_000

/**
 * Connects to a cluster, which is a log from then on.
 *
 * @throws LogError `LOG_CLIENT_MISSING` when the client's package is not installed, `LOG_CLUSTER_UNAVAILABLE` when no broker answers,
 *   `LOG_AUTHENTICATION_FAILED`, also when `security` lacks what the brokers want; the reason of `signal`
 */
export async function connect(options: ConnectOptions): Promise<ClusterLog> {
  const checked = checkConnectOptions(options)
  checked.signal?.throwIfAborted()
  const cluster = new Cluster(await loadClient(), checked)
  try {
    const call = cluster.call(checked.signal, Math.min(checked.timeoutMs, CONNECT_MS))
    await cluster.retrying(call, async () => {
      try {
        await cluster.refresh(call, [])
      } catch (error) {
        throw (await refusalOf(cluster, call, error)) ?? error
      }
    })
    return new OpenClusterLog(new Connected(cluster))
  } catch (error) {
    await cluster.close()
    if (!isPassing(error)) throw error
    const brokers = checked.brokers.map(addressText)
    throw new LogError('LOG_CLUSTER_UNAVAILABLE', `none of the brokers ${brokers.join(', ')} answers`, { brokers }, error)
  }
}
