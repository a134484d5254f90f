/*
 * SaslHandshake (17): a client says by which mechanism it will show who it is. Spec: Kafka's protocol, KIP-43, KIP-152.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, int16, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'

/** SaslHandshake. */
export const saslHandshake = defineApi({
  key: 17,
  name: 'SaslHandshake',
  beforeAuthentication: true,
  // 0: tokens follow without headers. 1: tokens follow in SaslAuthenticate.
  request: message('SaslHandshakeRequest', { versions: [0, 1] }, { mechanism: string() }),
  response: message('SaslHandshakeResponse', { versions: [0, 1] }, { errorCode: int16(), mechanisms: array(string()) }),
  async handle({ mechanism }, { cluster, connection, version }) {
    const session = cluster.security.session(connection)
    const error = session === undefined ? 'ILLEGAL_SASL_STATE' : await session.handshake(mechanism, version)
    return { errorCode: kafkaErrors[error], mechanisms: error === 'ILLEGAL_SASL_STATE' ? [] : [...session!.mechanisms] }
  },
  refuse: (_request, errorCode) => ({ errorCode, mechanisms: [] }),
})
