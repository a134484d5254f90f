/*
 * Opens a connection to a cluster.
 */
import { loadClient } from './client.ts'
import { checkConnectOptions, type ConnectOptions } from './options.ts'
import { type ClusterLog } from './types.ts'

/**
 * Connects to a cluster, which is a log from then on.
 *
 * @throws LogError `LOG_CLIENT_MISSING` when the client's package is not installed, `LOG_CLUSTER_UNAVAILABLE` when no broker answers,
 *   `LOG_AUTHENTICATION_FAILED`; the reason of `signal`
 */
export async function connect(options: ConnectOptions): Promise<ClusterLog> {
  const checked = checkConnectOptions(options)
  checked.signal?.throwIfAborted()
  const client = await loadClient()
  throw new TypeError(`not connected: ${typeof client} ${checked.clientId}`)
}
