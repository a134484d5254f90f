/*
 * DescribeUserScramCredentials (50): which users can come in by SCRAM, and how often their passwords are hashed. Spec: Kafka's protocol, KIP-554.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Encodable, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { duplicates } from '../named-topics.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'
import { type ScramCredentials, scramMechanismCodes } from '../security/scram-credentials.ts'

const response = message('DescribeUserScramCredentialsResponse', { versions: [0, 0], flexible: 0 }, {
  throttleTimeMs: int32({ default: 0 }),
  errorCode: int16(),
  errorMessage: string({ nullable: 0 }),
  results: array({
    user: string(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0 }),
    credentialInfos: array({ mechanism: int8(), iterations: int32() }),
  }),
})

/** DescribeUserScramCredentials. */
export const describeUserScramCredentials = defineApi({
  key: 50,
  name: 'DescribeUserScramCredentials',
  request: message('DescribeUserScramCredentialsRequest', { versions: [0, 0], flexible: 0 }, {
    users: array({ name: string() }, { nullable: 0 }),
  }),
  response,
  handle({ users }, { cluster, connection }) {
    if (!cluster.authorizer.allows(connection, 'DESCRIBE', 'CLUSTER', CLUSTER_RESOURCE)) {
      return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, errorMessage: null, results: [] }
    }
    const { scram } = cluster.security
    const asked = users === null || users.length === 0 ? scram.users : users.map(({ name }) => name)
    const twice = duplicates(asked)
    const results = [...new Set(asked)].map((name) => (twice.has(name) ? doubled(name) : described(name, scram)))
    return { errorCode: kafkaErrors.NONE, errorMessage: '', results }
  },
  refuse: (_request, errorCode) => ({ errorCode, errorMessage: null, results: [] }),
})

type UserResult = Encodable<typeof response>['results'][number]

function described(user: string, scram: ScramCredentials): UserResult {
  const has = scram.of(user)
  if (has.length === 0) {
    const errorMessage = `Attempt to describe a user credential that does not exist: ${user}`
    return { user, errorCode: kafkaErrors.RESOURCE_NOT_FOUND, errorMessage, credentialInfos: [] }
  }
  const credentialInfos = has.map(({ mechanism, iterations }) => ({ mechanism: scramMechanismCodes[mechanism], iterations }))
  return { user, errorCode: kafkaErrors.NONE, errorMessage: '', credentialInfos }
}

function doubled(user: string): UserResult {
  const errorMessage = `Cannot describe SCRAM credentials for the same user twice in a single request: ${user}`
  return { user, errorCode: kafkaErrors.DUPLICATE_RESOURCE, errorMessage, credentialInfos: [] }
}
