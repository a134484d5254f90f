import { expect, test } from 'vitest'
import { kafkaErrors } from '../../src/format/kafka-errors.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { authorizedOperations } from '../../src/kafka/authorized-operations.ts'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { listGroups } from '../../src/kafka/apis/16-list-groups.ts'
import { describeAcls } from '../../src/kafka/apis/29-describe-acls.ts'
import { createAcls } from '../../src/kafka/apis/30-create-acls.ts'
import { deleteAcls } from '../../src/kafka/apis/31-delete-acls.ts'
import { describeCluster } from '../../src/kafka/apis/60-describe-cluster.ts'
import { type AclInput, type Operation, type Peer, type ResourceType } from '../../src/kafka/index.ts'
import { AclAuthorizer, type AclRules } from '../../src/kafka/security/acl-authorizer.ts'
import { type AclFilterFields, checkedAcl } from '../../src/kafka/security/acls.ts'
import { allowAll, allowsAny, CLUSTER_RESOURCE } from '../../src/kafka/security/authorizer.ts'
import { type KeptValue } from '../../src/kafka/security/kept.ts'
import { type RawClient, startListener } from './harness.ts'
import { plain } from './sasl-client.ts'

const nothingKept: KeptValue = { get: () => undefined, change: async (next) => void next(undefined) }

function peer(name = 'ada', host = '/127.0.0.1'): Peer {
  return { principal: { type: 'User', name }, host } as unknown as Peer
}

function authorizer(acls: readonly Partial<AclInput>[], rules: Partial<AclRules> = {}): AclAuthorizer {
  const topic = { resourceType: 'TOPIC', resourceName: 'orders', principal: 'User:ada', operation: 'READ' } as const
  const full = acls.map((acl) => checkedAcl({ ...topic, ...acl }, 'test'))
  return new AclAuthorizer({ superUsers: [], allowEveryoneIfNoAclFound: false, acls: full, ...rules }, nothingKept)
}

/* ---- what ACLs decide ---- */

test('without an ACL nobody may do anything, or everybody everything, as the options say', () => {
  expect(authorizer([]).allows(peer(), 'READ', 'TOPIC', 'orders')).toBe(false)
  const open = authorizer([{}], { allowEveryoneIfNoAclFound: true })
  expect(open.allows(peer(), 'READ', 'TOPIC', 'other')).toBe(true)
  expect(open.allows(peer(), 'READ', 'GROUP', 'orders')).toBe(true)
  expect(open.allows(peer(), 'WRITE', 'TOPIC', 'orders')).toBe(false)
  expect(open.allows(peer('bob'), 'READ', 'TOPIC', 'orders')).toBe(false)
})

test('super users may do everything, whatever is denied', () => {
  const only = authorizer([{ principal: 'User:*', operation: 'ALL', permissionType: 'DENY', resourceName: '*' }], { superUsers: ['User:root'] })
  expect(only.allows(peer('root'), 'DELETE', 'TOPIC', 'orders')).toBe(true)
  expect(only.allows(peer('toor'), 'DELETE', 'TOPIC', 'orders')).toBe(false)
})

test('what one ACL denies is denied, whichever others allow it', () => {
  const allow = { operation: 'ALL', principal: 'User:*', resourceName: '*' } as const
  for (const deny of [
    { permissionType: 'DENY' } as const,
    { permissionType: 'DENY', operation: 'ALL' } as const,
    { permissionType: 'DENY', resourceName: '*' } as const,
    { permissionType: 'DENY', principal: 'User:*' } as const,
    { permissionType: 'DENY', resourceName: 'ord', patternType: 'PREFIXED' } as const,
    { permissionType: 'DENY', host: '127.0.0.1' } as const,
  ]) {
    for (const acls of [[allow, deny], [deny, allow]]) expect(authorizer(acls).allows(peer(), 'READ', 'TOPIC', 'orders')).toBe(false)
  }
  for (const deny of [
    { permissionType: 'DENY', principal: 'User:bob' } as const,
    { permissionType: 'DENY', operation: 'WRITE' } as const,
    { permissionType: 'DENY', resourceName: 'order' } as const,
    { permissionType: 'DENY', resourceName: 'orders-', patternType: 'PREFIXED' } as const,
    { permissionType: 'DENY', host: '10.0.0.1' } as const,
    { permissionType: 'DENY', resourceType: 'GROUP' } as const,
    { permissionType: 'DENY', principal: 'Group:ada' } as const,
  ]) expect(authorizer([allow, deny]).allows(peer(), 'READ', 'TOPIC', 'orders')).toBe(true)
})

test('a name is meant as it is, as a beginning, or as every name', () => {
  const literal = authorizer([{}])
  expect(['orders', 'orders2', 'order', '*'].map((name) => literal.allows(peer(), 'READ', 'TOPIC', name))).toEqual([true, false, false, false])
  const prefixed = authorizer([{ patternType: 'PREFIXED', resourceName: 'ord' }])
  expect(['orders', 'ord', 'or', 'xord'].map((name) => prefixed.allows(peer(), 'READ', 'TOPIC', name))).toEqual([true, true, false, false])
  const every = authorizer([{ resourceName: '*' }])
  expect(['orders', '*', 'x'].map((name) => every.allows(peer(), 'READ', 'TOPIC', name))).toEqual([true, true, true])
  const starred = authorizer([{ patternType: 'PREFIXED', resourceName: '*' }])
  expect(['orders', '*', '*x'].map((name) => starred.allows(peer(), 'READ', 'TOPIC', name))).toEqual([false, true, true])
})

test('to read, write, delete or alter implies to describe, to alter configs implies to describe them, and to deny implies nothing', () => {
  const allowed = (acl: Partial<AclInput>, operation: Operation): boolean => authorizer([acl]).allows(peer(), operation, 'TOPIC', 'orders')
  for (const operation of ['READ', 'WRITE', 'DELETE', 'ALTER', 'DESCRIBE', 'ALL'] as const) expect(allowed({ operation }, 'DESCRIBE')).toBe(true)
  for (const operation of ['CREATE', 'ALTER_CONFIGS', 'DESCRIBE_CONFIGS'] as const) expect(allowed({ operation }, 'DESCRIBE')).toBe(false)
  for (const operation of ['ALTER_CONFIGS', 'DESCRIBE_CONFIGS', 'ALL'] as const) expect(allowed({ operation }, 'DESCRIBE_CONFIGS')).toBe(true)
  for (const operation of ['ALTER', 'READ', 'DESCRIBE'] as const) expect(allowed({ operation }, 'DESCRIBE_CONFIGS')).toBe(false)
  expect(allowed({ operation: 'DESCRIBE' }, 'READ')).toBe(false)
  const denied = authorizer([{ operation: 'DESCRIBE' }, { operation: 'READ', permissionType: 'DENY' }])
  expect(denied.allows(peer(), 'DESCRIBE', 'TOPIC', 'orders')).toBe(true)
})

test('hosts are compared as addresses, whatever their form', () => {
  const from = (host: string, at: string): boolean => authorizer([{ host }]).allows(peer('ada', at), 'READ', 'TOPIC', 'orders')
  expect(from('10.0.0.1', '/10.0.0.1')).toBe(true)
  expect(from('10.0.0.1', '/::ffff:10.0.0.1')).toBe(true)
  expect(from('0:0:0:0:0:0:0:1', '/::1')).toBe(true)
  expect(from('::1', '/::1')).toBe(true)
  expect(from('10.0.0.1', '/10.0.0.2')).toBe(false)
  expect(from('*', '/10.0.0.2')).toBe(true)
})

test('whether somebody may write to some topic is answered as by Kafka', () => {
  const may = (...acls: Partial<AclInput>[]): boolean =>
    authorizer(acls.map((acl) => ({ operation: 'WRITE', ...acl }))).allowsAny(peer(), 'WRITE', 'TOPIC')
  expect(may()).toBe(false)
  expect(may({})).toBe(true)
  expect(may({ operation: 'READ' })).toBe(false)
  expect(may({ operation: 'ALL' })).toBe(true)
  expect(may({ principal: 'User:bob' })).toBe(false)
  expect(may({}, { permissionType: 'DENY' })).toBe(false)
  expect(may({}, { permissionType: 'DENY', resourceName: 'ord', patternType: 'PREFIXED' })).toBe(false)
  expect(may({}, { permissionType: 'DENY', resourceName: '*' })).toBe(false)
  expect(may({ resourceName: '*' }, { permissionType: 'DENY' })).toBe(true)
  expect(may({ resourceName: 'o', patternType: 'PREFIXED' }, { permissionType: 'DENY' })).toBe(true)
  expect(may({ resourceName: 'ord', patternType: 'PREFIXED' }, { permissionType: 'DENY', resourceName: 'o', patternType: 'PREFIXED' })).toBe(false)
  expect(allowsAny(allowAll, peer(), 'WRITE', 'TOPIC')).toBe(true)
  expect(allowsAny({ allows: (_peer, _operation, _type, name) => name === 'x' }, peer(), 'WRITE', 'TOPIC')).toBe(false)
})

test('the bits of what somebody may do are those of the operations that there are', () => {
  const bits = (acls: AclAuthorizer, type: ResourceType, name: string): number => authorizedOperations(acls, peer(), type, name)
  expect(bits(authorizer([{}]), 'TOPIC', 'orders')).toBe((1 << 3) | (1 << 8))
  expect(bits(authorizer([{ operation: 'ALL' }]), 'TOPIC', 'orders')).toBe(0b1101_1111_1000)
  const cluster = { resourceType: 'CLUSTER', resourceName: CLUSTER_RESOURCE, operation: 'ALTER' } as const
  expect(bits(authorizer([cluster]), 'CLUSTER', CLUSTER_RESOURCE)).toBe((1 << 7) | (1 << 8))
})

/* ---- over the wire ---- */

const TOPIC = 2
const CLUSTER = 4
const LITERAL = 3
const PREFIXED = 4
const ANY = 1
const MATCH = 2
const READ = 3
const ALLOW = 3
const DENY = 2
const reading = {
  resourceType: TOPIC, resourceName: 'orders', resourcePatternType: LITERAL,
  principal: 'User:ada', host: '*', operation: READ, permissionType: ALLOW,
}
const anything: AclFilterFields = {
  resourceTypeFilter: ANY, resourceNameFilter: null, patternTypeFilter: ANY,
  principalFilter: null, hostFilter: null, operation: ANY, permissionType: ANY,
}

async function listed(client: RawClient, filter: Partial<AclFilterFields> = {}, version = 3): Promise<string[]> {
  const { resources } = await client.request(describeAcls, version, { ...anything, ...filter })
  return resources.map(({ resourceName, patternType, acls }) => `${resourceName}${patternType === PREFIXED ? '…' : ''} ${acls.length}`)
}

test('ACLs are made, shown and taken out at every version', async () => {
  for (const version of [1, 2, 3]) {
    const client = await (await startListener({ authorizer: true })).client()
    const creations = [reading, { ...reading, operation: 4 }, { ...reading, resourcePatternType: PREFIXED, permissionType: DENY }, reading]
    const made = await client.request(createAcls, version, { creations })
    expect(made).toEqual({ throttleTimeMs: 0, results: creations.map(() => ({ errorCode: 0, errorMessage: '' })) })
    expect(await client.request(describeAcls, version, anything)).toEqual({
      throttleTimeMs: 0, errorCode: 0, errorMessage: '', resources: [
        {
          resourceType: TOPIC, resourceName: 'orders', patternType: LITERAL, acls: [
            { principal: 'User:ada', host: '*', operation: READ, permissionType: ALLOW },
            { principal: 'User:ada', host: '*', operation: 4, permissionType: ALLOW },
          ],
        },
        {
          resourceType: TOPIC, resourceName: 'orders', patternType: PREFIXED,
          acls: [{ principal: 'User:ada', host: '*', operation: READ, permissionType: DENY }],
        },
      ],
    })
    const filters = [{ ...anything, operation: 4 }, { ...anything, principalFilter: 'User:bob' }]
    const deleted = await client.request(deleteAcls, version, { filters })
    const { resourcePatternType: patternType, ...rest } = reading
    expect(deleted.filterResults).toEqual([
      { errorCode: 0, errorMessage: null, matchingAcls: [{ errorCode: 0, errorMessage: null, ...rest, patternType, operation: 4 }] },
      { errorCode: 0, errorMessage: null, matchingAcls: [] },
    ])
    expect(await listed(client, {}, version)).toEqual(['orders 1', 'orders… 1'])
  }
})

test('filters find by name, by kind of pattern, and by what a resource falls under', async () => {
  const client = await (await startListener({ authorizer: true })).client()
  const named = (resourceName: string, resourcePatternType = LITERAL): typeof reading => ({ ...reading, resourceName, resourcePatternType })
  await client.request(createAcls, 3, { creations: [named('orders'), named('ord', PREFIXED), named('*'), named('x', PREFIXED), named('ord')] })
  expect(await listed(client, { resourceNameFilter: 'orders', patternTypeFilter: MATCH })).toEqual(['* 1', 'ord… 1', 'orders 1'])
  expect(await listed(client, { resourceNameFilter: 'ord' })).toEqual(['ord 1', 'ord… 1'])
  expect(await listed(client, { resourceNameFilter: 'ord', patternTypeFilter: PREFIXED })).toEqual(['ord… 1'])
  expect(await listed(client, { patternTypeFilter: PREFIXED })).toEqual(['ord… 1', 'x… 1'])
  expect(await listed(client, { resourceNameFilter: '*' })).toEqual(['* 1'])
  expect(await listed(client, { resourceTypeFilter: 3 })).toEqual([])
  expect(await listed(client, { patternTypeFilter: 99 })).toEqual([])
})

test('what is no ACL is refused in Kafka\'s words, and spoils no other', async () => {
  const client = await (await startListener({ authorizer: true })).client()
  const bad = [
    [{ resourceType: CLUSTER }, 'The only valid name for the CLUSTER resource is kafka-cluster'],
    [{ resourceName: '' }, 'Invalid empty resource name'],
    [{ resourceType: ANY }, 'Invalid resourceType ANY'],
    [{ resourceType: 99 }, 'Invalid resourceType UNKNOWN'],
    [{ resourcePatternType: MATCH }, 'Invalid patternType MATCH'],
    [{ resourcePatternType: ANY }, 'Invalid patternType ANY'],
    [{ operation: ANY }, 'Invalid operation ANY'],
    [{ permissionType: ANY }, 'Invalid permissionType ANY'],
    [{ principal: 'ada' }, 'Could not parse principal from `ada` (no colon is present separating the principal type from the principal name)'],
  ] as const
  const { results } = await client.request(createAcls, 3, { creations: [...bad.map(([change]) => ({ ...reading, ...change })), reading] })
  expect(results.slice(0, -1)).toEqual(bad.map(([, errorMessage]) => ({ errorCode: kafkaErrors.INVALID_REQUEST, errorMessage })))
  expect(results.at(-1)!.errorCode).toBe(0)
  const { filterResults } = await client.request(deleteAcls, 3, {
    filters: [{ ...anything, resourceTypeFilter: 99 }, { ...anything, operation: 99 }, anything],
  })
  expect(filterResults.map(({ errorCode, errorMessage, matchingAcls }) => [errorCode, errorMessage, matchingAcls.length])).toEqual([
    [kafkaErrors.INVALID_REQUEST, 'Unknown patternFilter.', 0], [kafkaErrors.INVALID_REQUEST, 'Unknown entryFilter.', 0], [0, null, 1],
  ])
})

test('without an authorizer, and with one of your own, there are no ACLs', async () => {
  for (const options of [{}, { authorizer: { allows: () => true } }]) {
    const client = await (await startListener(options)).client()
    const [SECURITY_DISABLED, none] = [kafkaErrors.SECURITY_DISABLED, 'No Authorizer is configured.']
    expect(await client.request(describeAcls, 3, anything)).toMatchObject({
      errorCode: SECURITY_DISABLED, errorMessage: 'No Authorizer is configured on the broker',
    })
    expect((await client.request(createAcls, 3, { creations: [reading] })).results).toEqual([{ errorCode: SECURITY_DISABLED, errorMessage: none }])
    expect((await client.request(deleteAcls, 3, { filters: [anything] })).filterResults).toEqual([
      { errorCode: SECURITY_DISABLED, errorMessage: none, matchingAcls: [] },
    ])
  }
})

test('ACLs are for those who may alter the cluster', async () => {
  const listener = await startListener({
    sasl: { users: { admin: 'a', ada: 'b', eve: 'c' } },
    authorizer: {
      superUsers: ['User:admin'], acls: [{ resourceType: 'CLUSTER', resourceName: 'kafka-cluster', principal: 'User:ada', operation: 'DESCRIBE' }],
    },
  })
  const [admin, ada, eve] = await Promise.all(['admin', 'ada', 'eve'].map(async (name, index) => {
    const client = await listener.client()
    await plain(client, name, 'abc'[index]!)
    return client
  }))
  const codes = async (client: RawClient): Promise<number[]> => [
    (await client.request(describeAcls, 3, anything)).errorCode,
    (await client.request(createAcls, 3, { creations: [reading] })).results[0]!.errorCode,
    (await client.request(deleteAcls, 3, { filters: [{ ...anything, resourceNameFilter: 'orders' }] })).filterResults[0]!.errorCode,
  ]
  const no = kafkaErrors.CLUSTER_AUTHORIZATION_FAILED
  expect(await codes(eve!)).toEqual([no, no, no])
  expect(await codes(ada!)).toEqual([0, no, no])
  expect(await codes(admin!)).toEqual([0, 0, 0])
})

test('ACLs that clients made outlive the listener, those of options come back, and both are one when they are the same', async () => {
  const files = new MemoryFileSystem()
  const given: AclInput = { resourceType: 'TOPIC', resourceName: 'given', principal: 'User:ada', operation: 'READ' }
  const options = { authorizer: { allowEveryoneIfNoAclFound: true, acls: [given] }, log: { files } }
  const first = await startListener(options)
  const client = await first.client()
  await client.request(createAcls, 3, { creations: [reading, { ...reading, resourceName: 'given' }, { ...reading, resourceName: 'gone' }] })
  await client.request(deleteAcls, 3, { filters: [{ ...anything, resourceNameFilter: 'gone' }, { ...anything, resourceNameFilter: 'given' }] })
  expect(await listed(client)).toEqual(['orders 1'])
  await first.kafka.close()
  await first.log.close()
  const second = await startListener(options)
  expect(await listed(await second.client())).toEqual(['given 1', 'orders 1'])
})

test('what a peer is denied is told as an event, and what is only left out of an answer is not', async () => {
  const acls: AclInput[] = [{ resourceType: 'TOPIC', resourceName: 'shown', principal: 'User:ANONYMOUS', operation: 'DESCRIBE' }]
  const { log, client, events } = await startListener({ authorizer: { acls } })
  for (const name of ['shown', 'hidden']) await log.topic(name)
  const raw = await client()
  expect((await raw.request(metadata, 12, { topics: null })).topics.map(({ name }) => name)).toEqual(['shown'])
  await raw.request(listGroups, 4, {})
  await raw.request(describeCluster, 1, { includeClusterAuthorizedOperations: true, endpointType: 1 })
  const denied = (): unknown[] => events.filter(({ type }) => type === 'denied')
  expect(denied()).toEqual([])
  const named = await raw.request(metadata, 12, { topics: [{ name: 'shown' }, { name: 'hidden' }] })
  expect(named.topics.map(({ errorCode }) => errorCode).toSorted()).toEqual([0, kafkaErrors.TOPIC_AUTHORIZATION_FAILED])
  const who = { type: 'denied', connection: 1, principal: 'User:ANONYMOUS' }
  expect(denied()).toEqual([{ ...who, operation: 'DESCRIBE', resourceType: 'TOPIC', resourceName: 'hidden' }])
  await raw.request(describeAcls, 3, anything)
  expect(denied().at(-1)).toEqual({ ...who, operation: 'DESCRIBE', resourceType: 'CLUSTER', resourceName: 'kafka-cluster' })
})

test('many clients that make ACLs at once lose none', async () => {
  const listener = await startListener({ authorizer: true })
  const clients = await Promise.all(Array.from({ length: 10 }, () => listener.client()))
  await Promise.all(clients.map((client, index) => client.request(createAcls, 3, { creations: [{ ...reading, resourceName: `t${index}` }] })))
  expect(await listed(clients[0]!)).toHaveLength(10)
  expect(listener.kafka.cluster.kept.get('acls')).toHaveLength(10)
})
