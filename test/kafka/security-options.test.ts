import { expect, test } from 'vitest'
import { CommitLog } from '../../src/index.ts'
import { listen, type ListenOptions, unsecuredTokens } from '../../src/kafka/index.ts'
import { client, server } from './certificates.ts'

const acl = { resourceType: 'TOPIC', resourceName: 'x', principal: 'User:ada', operation: 'READ' }

for (const [options, message] of [
  [{ sasl: {} }, 'sasl of listen needs users, oauthbearer or mechanisms'],
  [{ sasl: { user: {} } }, 'unknown option "user" for sasl of listen: did you mean "users"?'],
  [{ sasl: { users: ['ada'] } }, 'users of sasl of listen are an object of passwords by name, not an array of 1'],
  [{ sasl: { users: { ada: '' } } }, 'the password of "ada" in sasl of listen is a string, not one that is empty or has a zero in it'],
  [{ sasl: { users: { ada: 7 } } }, 'the password of "ada" in sasl of listen is a string, not the number 7'],
  [{ sasl: { users: { '': 'x' } } }, 'users of sasl of listen have names'],
  [{ sasl: { mechanisms: [] } }, 'mechanisms of sasl of listen are an array of PLAIN'],
  [{ sasl: { mechanisms: ['SCRAM-SHA-265'] } }, 'did you mean \'SCRAM-SHA-256\'?'],
  [{ sasl: { mechanisms: ['OAUTHBEARER'] } }, 'OAUTHBEARER needs oauthbearer of sasl of listen'],
  [{ sasl: { oauthbearer: true } }, 'oauthbearer of sasl of listen is a function, not true'],
  [{ sasl: { users: { a: 'b' }, connectionsMaxReauthMs: -1 } }, 'connectionsMaxReauthMs of sasl of listen is an integer of at least 0'],
  [{ tls: {} }, 'key of tls of listen is a private key in PEM'],
  [{ tls: { key: server.key } }, 'cert of tls of listen is a certificate in PEM'],
  [{ tls: { ...server, key: 'tls/server.key' } }, 'key of tls of listen is a private key in PEM: the contents of the file, not its path'],
  [{ tls: { ...server, key: Buffer.from(server.cert) } }, 'key of tls of listen is a private key in PEM, and this is a certificate'],
  [{ tls: { ...server, cert: server.key } }, 'cert of tls of listen is a certificate in PEM, and this is a private key'],
  [{ tls: { ...server, ca: ['ca.pem'] } }, 'ca of tls of listen is one or several certificates in PEM: the contents of the file'],
  [{ ssl: server }, 'unknown option "ssl" for listen: did you mean "tls"?'],
  [{ host: '0.0.0.0' }, 'host \'0.0.0.0\' of listen is every address: say in advertisedHost how clients reach this machine'],
  [{ listeners: [{}, { name: 'B', host: '[::]' }] }, 'host \'[::]\' of listeners[1] of listen is every address'],
  [{ host: '::', advertisedHost: '0.0.0.0' }, 'advertisedHost of listen is how clients reach this machine, and \'0.0.0.0\' is every address'],
  [{ tls: { ...server, key: client.key } }, 'key and certificates of tls of listen cannot be used'],
  [{ tls: { ...server, clientAuth: 'always' } }, 'clientAuth of tls of listen is one of \'none\', \'requested\', \'required\''],
  [{ tls: { ...server, clientAuth: 'required' } }, 'clientAuth \'required\' of tls of listen needs ca'],
  [{ tls: { ...server, certificate: '' } }, 'unknown option "certificate" for tls of listen'],
  [{ listeners: [] }, 'listeners of listen are an array of objects, not an array of 0'],
  [{ listeners: [{}, {}] }, 'two listeners are called PLAINTEXT: give one another name'],
  [{ listeners: [{}], port: 9092 }, 'port of listen is said in each of the listeners when there are listeners'],
  [{ listeners: [{ tsl: {} }] }, 'unknown option "tsl" for listeners[0] of listen: did you mean "tls"?'],
  [{ listeners: [{}, { name: 'B', sasl: {} }] }, 'sasl of listeners[1] of listen needs users'],
  [{ authorizer: false }, 'authorizer of listen is true, an object or an Authorizer, not false'],
  [{ authorizer: { allows: true } }, 'allows of an Authorizer is a function, not true'],
  [{ authorizer: { superUser: [] } }, 'unknown option "superUser" for authorizer of listen: did you mean "superUsers"?'],
  [{ authorizer: { superUsers: ['admin'] } }, 'a super user is a principal such as \'User:admin\', not the string "admin"'],
  [{ authorizer: { acls: {} } }, 'acls of authorizer of listen is an array, not an object'],
  [{ authorizer: { acls: [{ ...acl, operation: 'read' }] } }, 'operation of acls[0] of authorizer of listen is one of \'ALL\', \'READ\''],
  [{ authorizer: { acls: [{ ...acl, operation: undefined }] } }, 'operation of acls[0] of authorizer of listen is missing'],
  [{ authorizer: { acls: [{ ...acl, resourceName: '' }] } }, 'resourceName of acls[0] of authorizer of listen is a string that is not empty'],
  [{ authorizer: { acls: [{ ...acl, principal: 'ada' }] } }, 'acls[0] of authorizer of listen: Could not parse principal from `ada`'],
  [{ authorizer: { acls: [{ ...acl, resourceType: 'CLUSTER' }] } }, 'The only valid name for the CLUSTER resource is kafka-cluster'],
] as const) {
  test(`listen says what is wrong: ${message}`, async () => {
    const log = await CommitLog.memory()
    const listening = listen(log, options as unknown as ListenOptions)
    await expect(listening).rejects.toThrow(message)
    await expect(listening).rejects.toBeInstanceOf(message.includes('integer') ? RangeError : TypeError)
    await log.close()
  })
}

test('a validator of unsecured tokens says what is wrong with its options', () => {
  expect(() => unsecuredTokens({ scope: [] } as object)).toThrow('unknown option "scope" for unsecuredTokens: did you mean "scopes"?')
  expect(() => unsecuredTokens({ scopes: 'x' } as unknown as { scopes: [] })).toThrow('scopes is an array of strings')
})
