/*
 * AlterUserScramCredentials (51): sets and takes away what users come in by SCRAM with. A client sends the salted password; what is kept is
 * made from it, and cannot be used to come in. Spec: Kafka's protocol, KIP-554.
 */
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { array, bytes, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'
import { MAX_ITERATIONS, MIN_ITERATIONS, type ScramChange, type ScramCredentials, scramMechanismOf } from '../security/scram-credentials.ts'
import { scramCredential, scramHashes } from '../security/scram.ts'

/** AlterUserScramCredentials. */
export const alterUserScramCredentials = defineApi({
  key: 51,
  name: 'AlterUserScramCredentials',
  request: message('AlterUserScramCredentialsRequest', { versions: [0, 0], flexible: 0 }, {
    deletions: array({ name: string(), mechanism: int8() }),
    upsertions: array({ name: string(), mechanism: int8(), iterations: int32(), salt: bytes(), saltedPassword: bytes() }),
  }),
  response: message('AlterUserScramCredentialsResponse', { versions: [0, 0], flexible: 0 }, {
    throttleTimeMs: int32({ default: 0 }),
    results: array({ user: string(), errorCode: int16(), errorMessage: string({ nullable: 0 }) }),
  }),
  async handle(request, { cluster, connection }) {
    if (!cluster.authorizer.allows(connection, 'ALTER', 'CLUSTER', CLUSTER_RESOURCE)) {
      return { results: usersOf(request).sort().map((user) => result(user, ['CLUSTER_AUTHORIZATION_FAILED', null])) }
    }
    const { scram } = cluster.security
    const { changes, failures } = looked(request, scram)
    if (changes.size > 0) await scram.change([...changes.values()])
    const done = [...changes.keys()].map((user) => result(user, ['NONE', null]))
    return { results: [...done, ...[...failures].map(([user, failure]) => result(user, failure))] }
  },
  refuse: (request, errorCode) => ({ results: usersOf(request).map((user) => ({ user, errorCode, errorMessage: null })) }),
})

interface Deletion {
  readonly name: string
  readonly mechanism: number
}

interface Upsertion extends Deletion {
  readonly iterations: number
  readonly salt: Buffer
  readonly saltedPassword: Buffer
}

interface Alteration {
  readonly deletions: readonly Deletion[]
  readonly upsertions: readonly Upsertion[]
}

type Failure = readonly [error: KafkaErrorName, message: string | null]

const TWICE: Failure = ['DUPLICATE_RESOURCE', 'A user credential cannot be altered twice in the same request']

interface Looked {
  readonly changes: ReadonlyMap<string, ScramChange>
  readonly failures: ReadonlyMap<string, Failure>
}

/** What is to be done, and what is wrong, by user: one change each. */
function looked({ deletions, upsertions }: Alteration, scram: ScramCredentials): Looked {
  const changes = new Map<string, ScramChange>()
  const failures = new Map<string, Failure>()
  const look = (name: string, made: () => ScramChange | Failure): void => {
    if (failures.has(name)) return
    const change = changes.delete(name) ? TWICE : made()
    if ('user' in change) changes.set(name, change)
    else failures.set(name, change)
  }
  for (const deletion of deletions) look(deletion.name, () => deleted(deletion, scram))
  for (const upsertion of upsertions) look(upsertion.name, () => upserted(upsertion))
  return { changes, failures }
}

function deleted({ name: user, mechanism: code }: Deletion, scram: ScramCredentials): ScramChange | Failure {
  const mechanism = scramMechanismOf(code)
  if (user === '') return ['UNACCEPTABLE_CREDENTIAL', 'Username must not be empty']
  if (mechanism === undefined) return ['UNSUPPORTED_SASL_MECHANISM', 'Unknown SCRAM mechanism']
  const there = scram.of(user).some((has) => has.mechanism === mechanism)
  return there ? { user, mechanism } : ['RESOURCE_NOT_FOUND', 'Attempt to delete a user credential that does not exist']
}

function upserted({ name: user, mechanism: code, iterations, salt, saltedPassword }: Upsertion): ScramChange | Failure {
  const mechanism = scramMechanismOf(code)
  if (user === '') return ['UNACCEPTABLE_CREDENTIAL', 'Username must not be empty']
  if (mechanism === undefined) return ['UNSUPPORTED_SASL_MECHANISM', 'Unknown SCRAM mechanism']
  if (iterations < MIN_ITERATIONS) return ['UNACCEPTABLE_CREDENTIAL', 'Too few iterations']
  if (iterations > MAX_ITERATIONS) return ['UNACCEPTABLE_CREDENTIAL', 'Too many iterations']
  return { user, mechanism, credential: scramCredential(scramHashes[mechanism], saltedPassword, salt, iterations) }
}

function usersOf({ deletions, upsertions }: Alteration): string[] {
  return [...new Set([...deletions, ...upsertions].map(({ name }) => name))]
}

function result(user: string, [error, errorMessage]: Failure): { user: string; errorCode: number; errorMessage: string | null } {
  return { user, errorCode: kafkaErrors[error], errorMessage }
}
