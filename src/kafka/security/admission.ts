/*
 * Whether a request may be served in the state that the authentication of its connection is in. Looked at before the request is read.
 */
import { type AnyApi } from '../api.ts'
import { type Cluster } from '../cluster.ts'
import { type Peer } from '../peer.ts'
import { type SaslSession } from './sasl-session.ts'

const SASL_HANDSHAKE = 17
const SASL_AUTHENTICATE = 36

/**
 * What becomes of a request: it is served, it is answered that it is out of place and is the last, or the connection ends without an answer.
 */
export type Admission = 'serve' | 'illegal' | 'close'

/** Looks at a request. One that ends the connection has been told of. */
export function admission(api: AnyApi, peer: Peer, cluster: Cluster): Admission {
  if (peer.authenticated) {
    if (peer.sessionEndsAt === Infinity || api.key === SASL_HANDSHAKE || cluster.clock.monotonic() <= peer.sessionEndsAt) return 'serve'
    peer.close('its session ended, and it did not authenticate again')
    return 'close'
  }
  const session = cluster.security.session(peer)
  if (session?.talking === true) return api.key === SASL_AUTHENTICATE ? 'serve' : 'illegal'
  if (api.beforeAuthentication === true && api.key !== SASL_AUTHENTICATE) return 'serve'
  const reason = `${api.name} came before the authentication`
  cluster.tell({ type: 'authentication-failed', connection: peer.id, mechanism: '', reason })
  peer.close(reason)
  return 'close'
}

/** The session that takes frames without headers: those of a client that began with version 0 of the handshake. */
export function rawSession(peer: Peer, cluster: Cluster): SaslSession | undefined {
  const session = cluster.security.session(peer)
  return session?.raw === true && session.talking ? session : undefined
}
