import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { kafkaErrors } from '../../src/format/kafka-errors.ts'
import { describeUserScramCredentials } from '../../src/kafka/apis/50-describe-user-scram-credentials.ts'
import { alterUserScramCredentials } from '../../src/kafka/apis/51-alter-user-scram-credentials.ts'
import { type RawClient, startListener } from './harness.ts'
import { plain, scram } from './sasl-client.ts'

const SHA_256 = 1
const SHA_512 = 2

function upsertion(name: string, password: string, changes: { mechanism?: number; iterations?: number } = {}): {
  name: string; mechanism: number; iterations: number; salt: Buffer; saltedPassword: Buffer
} {
  const { mechanism = SHA_256, iterations = 4096 } = changes
  const salt = Buffer.from(`salt of ${name}`)
  const [size, hash] = mechanism === SHA_512 ? [64, 'sha512'] as const : [32, 'sha256'] as const
  return { name, mechanism, iterations, salt, saltedPassword: pbkdf2Sync(password, salt, Math.max(1, iterations), size, hash) }
}

async function described(client: RawClient, ...names: string[]): Promise<unknown> {
  const { results } = await client.request(describeUserScramCredentials, 0, { users: names.length === 0 ? null : names.map((name) => ({ name })) })
  return results.map(({ user, credentialInfos }) => [user, ...credentialInfos.map(({ mechanism, iterations }) => `${mechanism}:${iterations}`)])
}

const listeners = [{ name: 'INSIDE' }, { name: 'OUTSIDE', sasl: { users: { root: 'toor' }, failedAuthenticationDelayMs: 0 } }]
const inside = (): ReturnType<typeof startListener> => startListener({ listeners })

test('who is given a credential comes in with it, and no more when it is taken away', async () => {
  const listener = await inside()
  const admin = await listener.client()
  const both = [upsertion('ada', 'lovelace'), upsertion('bob', 'x', { mechanism: SHA_512, iterations: 8192 })]
  expect(await admin.request(alterUserScramCredentials, 0, { deletions: [], upsertions: both })).toEqual({
    throttleTimeMs: 0, results: [{ user: 'ada', errorCode: 0, errorMessage: null }, { user: 'bob', errorCode: 0, errorMessage: null }],
  })
  expect(await described(admin)).toEqual([['ada', '1:4096'], ['bob', '2:8192'], ['root', '1:4096', '2:4096']])
  const outside = (): Promise<RawClient> => listener.client(0, 'OUTSIDE')
  expect(await scram(await outside(), 'SCRAM-SHA-256', 'ada', 'lovelace')).toMatchObject({ errorCode: 0 })
  expect(await scram(await outside(), 'SCRAM-SHA-512', 'bob', 'x')).toMatchObject({ errorCode: 0 })
  expect((await scram(await outside(), 'SCRAM-SHA-512', 'ada', 'lovelace')).errorCode).toBe(kafkaErrors.SASL_AUTHENTICATION_FAILED)
  expect((await plain(await outside(), 'ada', 'lovelace')).errorCode).toBe(kafkaErrors.SASL_AUTHENTICATION_FAILED)
  await admin.request(alterUserScramCredentials, 0, { deletions: [{ name: 'ada', mechanism: SHA_256 }], upsertions: [] })
  expect((await scram(await outside(), 'SCRAM-SHA-256', 'ada', 'lovelace')).errorCode).toBe(kafkaErrors.SASL_AUTHENTICATION_FAILED)
})

test('the password of a user of the options can be changed and taken away, for SCRAM', async () => {
  const listener = await inside()
  const admin = await listener.client()
  const outside = (): Promise<RawClient> => listener.client(0, 'OUTSIDE')
  await admin.request(alterUserScramCredentials, 0, {
    deletions: [], upsertions: [upsertion('root', 'new')],
  })
  expect((await scram(await outside(), 'SCRAM-SHA-256', 'root', 'toor')).errorCode).toBe(kafkaErrors.SASL_AUTHENTICATION_FAILED)
  expect((await scram(await outside(), 'SCRAM-SHA-256', 'root', 'new')).errorCode).toBe(0)
  expect((await scram(await outside(), 'SCRAM-SHA-512', 'root', 'toor')).errorCode).toBe(0)
  await admin.request(alterUserScramCredentials, 0, { deletions: [{ name: 'root', mechanism: SHA_256 }], upsertions: [] })
  await admin.request(alterUserScramCredentials, 0, { deletions: [{ name: 'root', mechanism: SHA_512 }], upsertions: [] })
  expect(await described(admin)).toEqual([])
  expect((await scram(await outside(), 'SCRAM-SHA-512', 'root', 'toor')).errorCode).toBe(kafkaErrors.SASL_AUTHENTICATION_FAILED)
  expect((await plain(await outside(), 'root', 'toor')).errorCode).toBe(0)
})

test('what cannot be done is said user by user, in Kafka\'s words, and the rest is done', async () => {
  const client = await (await inside()).client()
  const { results } = await client.request(alterUserScramCredentials, 0, {
    deletions: [
      { name: 'nobody', mechanism: SHA_256 }, { name: 'twice', mechanism: SHA_256 },
      { name: 'root', mechanism: SHA_256 }, { name: 'both', mechanism: 9 },
    ],
    upsertions: [
      upsertion('fine', 'x'), upsertion('few', 'x', { iterations: 4095 }), upsertion('many', 'x', { iterations: 16_385 }),
      upsertion('', 'x'), upsertion('odd', 'x', { mechanism: 3 }), upsertion('double', 'x'), upsertion('double', 'y', { mechanism: SHA_512 }),
      upsertion('root', 'x'), upsertion('both', 'x'),
    ],
  })
  expect(results.map(({ user, errorCode, errorMessage }) => [user, errorCode, errorMessage])).toEqual([
    ['fine', 0, null],
    ['nobody', kafkaErrors.RESOURCE_NOT_FOUND, 'Attempt to delete a user credential that does not exist'],
    ['twice', kafkaErrors.RESOURCE_NOT_FOUND, 'Attempt to delete a user credential that does not exist'],
    ['both', kafkaErrors.UNSUPPORTED_SASL_MECHANISM, 'Unknown SCRAM mechanism'],
    ['few', kafkaErrors.UNACCEPTABLE_CREDENTIAL, 'Too few iterations'],
    ['many', kafkaErrors.UNACCEPTABLE_CREDENTIAL, 'Too many iterations'],
    ['', kafkaErrors.UNACCEPTABLE_CREDENTIAL, 'Username must not be empty'],
    ['odd', kafkaErrors.UNSUPPORTED_SASL_MECHANISM, 'Unknown SCRAM mechanism'],
    ['double', kafkaErrors.DUPLICATE_RESOURCE, 'A user credential cannot be altered twice in the same request'],
    ['root', kafkaErrors.DUPLICATE_RESOURCE, 'A user credential cannot be altered twice in the same request'],
  ])
  expect(await described(client)).toEqual([['fine', '1:4096'], ['root', '1:4096', '2:4096']])
})

test('users are described by name; one that there is not, or that is asked for twice, is said so', async () => {
  const client = await (await inside()).client()
  const users = ['root', 'nobody', 'twice', 'twice'].map((name) => ({ name }))
  expect(await client.request(describeUserScramCredentials, 0, { users })).toEqual({
    throttleTimeMs: 0, errorCode: 0, errorMessage: '', results: [
      { user: 'root', errorCode: 0, errorMessage: '', credentialInfos: [{ mechanism: 1, iterations: 4096 }, { mechanism: 2, iterations: 4096 }] },
      {
        user: 'nobody', errorCode: kafkaErrors.RESOURCE_NOT_FOUND, credentialInfos: [],
        errorMessage: 'Attempt to describe a user credential that does not exist: nobody',
      },
      {
        user: 'twice', errorCode: kafkaErrors.DUPLICATE_RESOURCE, credentialInfos: [],
        errorMessage: 'Cannot describe SCRAM credentials for the same user twice in a single request: twice',
      },
    ],
  })
})

test('credentials outlive the listener, and what is kept is no password', async () => {
  const files = new MemoryFileSystem()
  const first = await startListener({ listeners, log: { files } })
  const admin = await first.client()
  await admin.request(alterUserScramCredentials, 0, { deletions: [], upsertions: [upsertion('ada', 'lovelace')] })
  await first.kafka.close()
  await first.log.close()
  const second = await startListener({ listeners, log: { files } })
  expect(await scram(await second.client(0, 'OUTSIDE'), 'SCRAM-SHA-256', 'ada', 'lovelace')).toMatchObject({ errorCode: 0 })
  const { salt, saltedPassword } = upsertion('ada', 'lovelace')
  const key = createHmac('sha256', saltedPassword).update('Client Key').digest()
  expect(second.kafka.cluster.kept.get('scram')).toEqual({
    'SCRAM-SHA-256 ada': {
      salt: salt.toString('base64'), iterations: 4096, storedKey: createHash('sha256').update(key).digest('base64'),
      serverKey: createHmac('sha256', saltedPassword).update('Server Key').digest('base64'),
    },
  })
})

test('credentials are for those who may alter the cluster', async () => {
  const client = await (await startListener({ authorizer: { superUsers: ['User:root'] } })).client()
  const { results } = await client.request(alterUserScramCredentials, 0, {
    deletions: [{ name: 'b', mechanism: 1 }], upsertions: [upsertion('a', 'x'), upsertion('b', 'x')],
  })
  const no = { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, errorMessage: null }
  expect(results).toEqual([{ user: 'a', ...no }, { user: 'b', ...no }])
  expect(await client.request(describeUserScramCredentials, 0, { users: null })).toMatchObject({ ...no, results: [] })
})
