/*
 * Two listeners on one log: what clients set at one holds at the other.
 */
import { pbkdf2Sync } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { createAcls } from '../../src/kafka/apis/30-create-acls.ts'
import { deleteAcls } from '../../src/kafka/apis/31-delete-acls.ts'
import { describeClientQuotas } from '../../src/kafka/apis/48-describe-client-quotas.ts'
import { alterClientQuotas } from '../../src/kafka/apis/49-alter-client-quotas.ts'
import { describeUserScramCredentials } from '../../src/kafka/apis/50-describe-user-scram-credentials.ts'
import { alterUserScramCredentials } from '../../src/kafka/apis/51-alter-user-scram-credentials.ts'
import { listen, type ListenOptions } from '../../src/kafka/index.ts'
import { RawClient, startListener } from './harness.ts'
import { scram } from './sasl-client.ts'

/** Two listeners on one log, each with a way to a client of it. */
async function two(one: ListenOptions, other: ListenOptions): Promise<readonly (() => Promise<RawClient>)[]> {
  const { log, client } = await startListener(one)
  const second = await listen(log, other)
  onTestFinished(() => second.close())
  return [() => client(), () => RawClient.connect(second.brokers[0]!.port)]
}

const SHA_256 = 1

test('ACLs', async () => {
  const acls = [{ resourceType: 'TOPIC', resourceName: 'given', principal: 'User:ANONYMOUS', operation: 'DESCRIBE' }] as const
  const [admin, other] = await two({ authorizer: { superUsers: ['User:ANONYMOUS'] } }, { authorizer: { acls } })
  const asking = await other!()
  const seen = async (): Promise<number[]> => {
    const { topics } = await asking.request(metadata, 4, { topics: [{ name: 'given' }, { name: 'orders' }], allowAutoTopicCreation: false })
    return topics.map(({ errorCode }) => errorCode)
  }
  expect(await seen()).toEqual([3, 29])
  const client = await admin!()
  const acl = {
    resourceType: 2, resourceName: 'orders', resourcePatternType: 3, principal: 'User:ANONYMOUS', host: '*', operation: 8, permissionType: 3,
  }
  await client.request(createAcls, 3, { creations: [acl] })
  expect(await seen()).toEqual([3, 3])
  await client.request(deleteAcls, 3, { filters: [{
    resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1, principalFilter: null, hostFilter: null, operation: 1, permissionType: 1,
  }] })
  expect(await seen()).toEqual([3, 29])
})

test('credentials', async () => {
  const [admin, other] = await two({}, { sasl: { users: { root: 'toor' }, failedAuthenticationDelayMs: 0 } })
  const wrong = await scram(await other!(), 'SCRAM-SHA-256', 'ada', 'lovelace')
  expect(wrong.errorCode).toBe(58)
  const client = await admin!()
  const salt = Buffer.from('salt')
  const upsertion = {
    name: 'ada', mechanism: SHA_256, iterations: 4096, salt, saltedPassword: pbkdf2Sync('lovelace', salt, 4096, 32, 'sha256'),
  }
  await client.request(alterUserScramCredentials, 0, { deletions: [], upsertions: [upsertion] })
  const ada = await other!()
  expect((await scram(ada, 'SCRAM-SHA-256', 'ada', 'lovelace')).errorCode).toBe(0)
  expect((await ada.request(describeUserScramCredentials, 0, { users: null })).results.map(({ user }) => user)).toEqual(['ada', 'root'])
  await client.request(alterUserScramCredentials, 0, { deletions: [{ name: 'ada', mechanism: SHA_256 }], upsertions: [] })
  expect((await scram(await other!(), 'SCRAM-SHA-256', 'ada', 'lovelace')).errorCode).toBe(58)
})

test('quotas', async () => {
  const [admin, other] = await two({}, {})
  const entity = [{ entityType: 'user', entityName: 'ada' }]
  await (await admin!()).request(alterClientQuotas, 1, {
    entries: [{ entity, ops: [{ key: 'producer_byte_rate', value: 1000, remove: false }] }], validateOnly: false,
  })
  const { entries } = await (await other!()).request(describeClientQuotas, 1, { components: [], strict: false })
  expect(entries).toEqual([{ entity, values: [{ key: 'producer_byte_rate', value: 1000 }] }])
})
