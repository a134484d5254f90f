/*
 * SaslAuthenticate (36): the tokens by which a client shows who it is. Spec: Kafka's protocol, KIP-152, KIP-368.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { bytes, int16, int64, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'

/** SaslAuthenticate. */
export const saslAuthenticate = defineApi({
  key: 36,
  name: 'SaslAuthenticate',
  beforeAuthentication: true,
  // 1: how long the session lasts. 2: flexible.
  request: message('SaslAuthenticateRequest', { versions: [0, 2], flexible: 2 }, { authBytes: bytes() }),
  response: message('SaslAuthenticateResponse', { versions: [0, 2], flexible: 2 }, {
    errorCode: int16(),
    errorMessage: string({ nullable: 0 }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ since: 1, default: 0, ignorable: true }),
  }),
  async handle({ authBytes }, { cluster, connection }) {
    const session = cluster.security.session(connection)
    if (session === undefined) return { errorCode: kafkaErrors.ILLEGAL_SASL_STATE, errorMessage: AFTERWARDS, authBytes: Buffer.alloc(0) }
    const { error, message, bytes: answer, lifetimeMs } = await session.token(authBytes)
    return { errorCode: kafkaErrors[error], errorMessage: message, authBytes: answer, sessionLifetimeMs: lifetimeMs }
  },
  refuse: (_request, errorCode) => ({ errorCode, errorMessage: null, authBytes: Buffer.alloc(0) }),
})

/** As Kafka says where nobody asks who a client is. */
const AFTERWARDS = 'SaslAuthenticate request received after successful authentication'
