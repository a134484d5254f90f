import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { kafkaErrors } from '../../src/format/kafka-errors.ts'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { saslHandshake } from '../../src/kafka/apis/17-sasl-handshake.ts'
import { apiVersions } from '../../src/kafka/apis/18-api-versions.ts'
import { saslAuthenticate } from '../../src/kafka/apis/36-sasl-authenticate.ts'
import { type OAuthValidator, type SaslOptions, unsecuredTokens } from '../../src/kafka/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type RawClient, startListener, type TestListener } from './harness.ts'
import { bearerToken, handshake, plain, plainToken, scram, token } from './sasl-client.ts'

const users = { ada: 'lovelace', 'a,b=c': 'x', 'Zoë': 'Räksmörgås' }

function withSasl(sasl: SaslOptions = {}): Promise<TestListener> {
  return startListener({ sasl: { users, failedAuthenticationDelayMs: 0, ...sasl } })
}

const askTopics = (client: RawClient): Promise<unknown> => client.request(metadata, 4, { topics: null, allowAutoTopicCreation: false })
const told = ({ events }: TestListener, type: string): object[] => events.filter((event) => event.type === type)

/* ---- before the authentication ---- */

test('a client that has not said who it is may ask for versions and authenticate, and nothing else', async () => {
  const listener = await withSasl()
  const client = await listener.client()
  expect((await client.request(apiVersions, 0, {})).errorCode).toBe(0)
  expect((await client.request(apiVersions, 3, { clientSoftwareName: 'x', clientSoftwareVersion: '1' })).errorCode).toBe(0)
  await expect(askTopics(client)).rejects.toThrow('closed')
  expect(told(listener, 'authentication-failed')).toMatchObject([{ reason: 'Metadata came before the authentication' }])
})

test('a token without a handshake ends the connection', async () => {
  const client = await (await withSasl()).client()
  await expect(token(client, plainToken('ada', 'lovelace'))).rejects.toThrow('closed')
})

test('in the middle of an authentication whatever else is asked is told so, and the connection ends', async () => {
  for (const ask of [
    (client: RawClient) => client.request(apiVersions, 0, {}),
    (client: RawClient) => client.request(saslHandshake, 1, { mechanism: 'PLAIN' }),
  ]) {
    const client = await (await withSasl()).client()
    await handshake(client, 'PLAIN')
    expect((await ask(client)).errorCode).toBe(kafkaErrors.ILLEGAL_SASL_STATE)
    await client.closed
  }
})

test('what comes behind the last request of a connection that ends is not looked at', async () => {
  const listener = await withSasl()
  const client = await listener.client()
  await handshake(client, 'PLAIN')
  const answer = client.answerTo(77)
  client.send(Buffer.concat([client.encode(apiVersions, 0, {}, 77), Buffer.from([0xff, 0xff, 0xff, 0xff])]))
  expect((await answer).readInt16BE(8)).toBe(kafkaErrors.ILLEGAL_SASL_STATE)
  await client.closed
  expect(told(listener, 'malformed')).toEqual([])
})

test('a large request before the authentication ends the connection', async () => {
  const listener = await withSasl()
  const client = await listener.client()
  await handshake(client, 'PLAIN')
  await expect(token(client, Buffer.alloc(600_000))).rejects.toThrow('closed')
  expect(told(listener, 'malformed')).toHaveLength(1)
})

test('a mechanism that is not offered is refused with those that are, and the connection ends', async () => {
  const listener = await withSasl()
  const client = await listener.client()
  expect(await handshake(client, 'GSSAPI')).toEqual({
    errorCode: kafkaErrors.UNSUPPORTED_SASL_MECHANISM, mechanisms: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
  })
  await client.closed
  expect(told(listener, 'authentication-failed')).toMatchObject([{ mechanism: 'GSSAPI' }])
})

test('where nobody asks who a client is, it is told that there is nothing to do', async () => {
  const client = await (await startListener()).client()
  expect(await handshake(client, 'PLAIN')).toEqual({ errorCode: kafkaErrors.ILLEGAL_SASL_STATE, mechanisms: [] })
  const answer = await token(client, plainToken('ada', 'lovelace'))
  expect(answer).toMatchObject({ errorCode: kafkaErrors.ILLEGAL_SASL_STATE })
  expect(answer.errorMessage).toBe('SaslAuthenticate request received after successful authentication')
  await askTopics(client)
})

/* ---- PLAIN ---- */

test('PLAIN lets in who knows the password, at every version', async () => {
  for (const version of [0, 1, 2]) {
    const listener = await withSasl()
    const client = await listener.client()
    expect(await handshake(client, 'PLAIN')).toEqual({ errorCode: 0, mechanisms: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] })
    const answer = await token(client, plainToken('Zoë', 'Räksmörgås', 'Zoë'), version)
    expect(answer).toEqual({ errorCode: 0, errorMessage: '', authBytes: Buffer.alloc(0), sessionLifetimeMs: 0 })
    await askTopics(client)
    expect(told(listener, 'authenticated')).toMatchObject([{ principal: 'User:Zoë', mechanism: 'PLAIN' }])
  }
})

for (const { name, bytes, message } of [
  { name: 'a wrong password', bytes: plainToken('ada', 'byron'), message: 'Authentication failed: Invalid username or password' },
  { name: 'an unknown user', bytes: plainToken('bob', 'lovelace'), message: 'Authentication failed: Invalid username or password' },
  { name: 'a name of all objects', bytes: plainToken('constructor', 'x'), message: 'Authentication failed: Invalid username or password' },
  { name: 'no user', bytes: plainToken('', 'x'), message: 'Authentication failed: username not specified' },
  { name: 'no password', bytes: plainToken('ada', ''), message: 'Authentication failed: password not specified' },
  { name: 'two parts', bytes: Buffer.from('ada\0lovelace'), message: 'Invalid SASL/PLAIN response: expected 3 tokens, got 2' },
  { name: 'five parts', bytes: Buffer.from('a\0b\0c\0d\0e'), message: 'Invalid SASL/PLAIN response: expected 3 tokens, got 4' },
  {
    name: 'a name to act for', bytes: plainToken('ada', 'lovelace', 'bob'),
    message: 'Authentication failed: Client requested an authorization id that is different from username',
  },
]) {
  test(`PLAIN with ${name} is refused in Kafka's words, and the connection ends`, async () => {
    const listener = await withSasl()
    const client = await listener.client()
    await handshake(client, 'PLAIN')
    expect(await token(client, bytes)).toMatchObject({ errorCode: kafkaErrors.SASL_AUTHENTICATION_FAILED, errorMessage: message })
    await client.closed
    expect(told(listener, 'authentication-failed')).toHaveLength(1)
    expect(told(listener, 'authenticated')).toEqual([])
  })
}

test('who does not get in is told so after a while, and so is who names an unknown mechanism', async () => {
  const clock = new ManualClock()
  const listener = await startListener({ sasl: { users }, log: { clock } })
  for (const wrong of [
    (client: RawClient) => plain(client, 'ada', 'byron').then(({ errorCode }) => errorCode),
    (client: RawClient) => handshake(client, 'GSSAPI').then(({ errorCode }) => errorCode),
  ]) {
    const client = await listener.client()
    let answered = false
    const failures = told(listener, 'authentication-failed').length
    const answer = wrong(client).finally(() => { answered = true })
    while (told(listener, 'authentication-failed').length === failures) await turn()
    await clock.advance(99)
    await turn()
    expect(answered).toBe(false)
    await clock.advance(1)
    expect(await answer).toBeGreaterThan(0)
    await client.closed
  }
})

/* ---- tokens without headers ---- */

test('after a handshake of version 0 tokens come without headers, as old clients send them', async () => {
  const listener = await withSasl()
  const client = await listener.client()
  await handshake(client, 'PLAIN', 0)
  const raw = plainToken('ada', 'lovelace')
  const answered = client.next()
  client.send(Buffer.concat([Buffer.from([0, 0, 0, raw.length]), raw]))
  expect(await answered).toEqual(Buffer.alloc(4))
  await askTopics(client)
})

test('a wrong token without a header ends the connection without a word', async () => {
  const listener = await withSasl()
  const client = await listener.client()
  await handshake(client, 'PLAIN', 0)
  const raw = plainToken('ada', 'byron')
  client.send(Buffer.concat([Buffer.from([0, 0, 0, raw.length]), raw]))
  await client.closed
  expect(told(listener, 'authentication-failed')).toHaveLength(1)
})

/* ---- SCRAM ---- */

for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
  test(`${mechanism} lets in who knows the password, and proves that the server does`, async () => {
    const listener = await withSasl()
    for (const [name, password] of [['ada', 'lovelace'], ['a,b=c', 'x'], ['ada', 'lovelace']] as const) {
      const client = await listener.client()
      expect(await scram(client, mechanism, name, password)).toMatchObject({ errorCode: 0, errorMessage: '' })
      await askTopics(client)
    }
    expect(told(listener, 'authenticated').at(1)).toMatchObject({ principal: 'User:a,b=c', mechanism })
  })

  test(`${mechanism} takes extensions, and a name to act for that is one's own`, async () => {
    const listener = await withSasl()
    const extended = await listener.client()
    expect(await scram(extended, mechanism, 'ada', 'lovelace', { extensions: ',tokenauth=false,x=y' })).toMatchObject({ errorCode: 0 })
    const acting = await listener.client()
    expect(await scram(acting, mechanism, 'ada', 'lovelace', { actingFor: 'ada' })).toMatchObject({ errorCode: 0 })
  })

  const wrong = `Authentication failed during authentication due to invalid credentials with SASL mechanism ${mechanism}`
  for (const { name, go, message } of [
    { name: 'a wrong password', go: (client: RawClient) => scram(client, mechanism, 'ada', 'byron'), message: wrong },
    { name: 'an unknown user', go: (client: RawClient) => scram(client, mechanism, 'bob', 'lovelace'), message: wrong },
    {
      name: 'another nonce', message: wrong,
      go: (client: RawClient) => scram(client, mechanism, 'ada', 'lovelace', { nonce: (nonce) => `x${nonce}` }),
    },
    {
      name: 'a delegation token', message: wrong,
      go: (client: RawClient) => scram(client, mechanism, 'ada', 'lovelace', { extensions: ',tokenauth=true' }),
    },
    {
      name: 'a name to act for', go: (client: RawClient) => scram(client, mechanism, 'ada', 'lovelace', { actingFor: 'bob' }),
      message: 'Authentication failed: Client requested an authorization id that is different from username',
    },
    {
      name: 'bytes that are no message', message: wrong,
      go: (client: RawClient) => handshake(client, mechanism).then(() => token(client, Buffer.from('p=tls-unique,,n=ada,r=x'))),
    },
  ]) {
    test(`${mechanism} with ${name} is refused, and the connection ends`, async () => {
      const client = await (await withSasl()).client()
      expect(await go(client)).toMatchObject({ errorCode: kafkaErrors.SASL_AUTHENTICATION_FAILED, errorMessage: message })
      await client.closed
    })
  }
}

/* ---- OAUTHBEARER ---- */

const jwt = (claims: object, header: object = { alg: 'none' }): string =>
  [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.'
const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3600

test('OAUTHBEARER lets in whom the validator knows, until the token expires', async () => {
  const seen: unknown[] = []
  const oauthbearer: OAuthValidator = async (value, extensions) => {
    seen.push([value, Object.fromEntries(extensions)])
    return { principal: 'ada', lifetimeMs: Date.now() + 60_000 }
  }
  const listener = await withSasl({ oauthbearer, mechanisms: ['OAUTHBEARER', 'PLAIN'] })
  const client = await listener.client()
  expect((await handshake(client, 'OAUTHBEARER')).mechanisms).toEqual(['OAUTHBEARER', 'PLAIN'])
  const answer = await token(client, Buffer.from('n,a=ada,\x01auth=Bearer abc.def~1=\x01traceId=42\x01\x01'))
  expect(answer).toMatchObject({ errorCode: 0, errorMessage: '' })
  expect(answer.sessionLifetimeMs).toBeGreaterThan(50_000)
  expect(answer.sessionLifetimeMs).toBeLessThanOrEqual(60_000)
  expect(seen).toEqual([['abc.def~1=', { traceId: '42' }]])
  await askTopics(client)
})

for (const { name, oauthbearer, complaint } of [
  { name: 'throws', oauthbearer: () => { throw new Error('secret') }, complaint: '{"status":"invalid_token"}' },
  { name: 'knows nobody', oauthbearer: (() => undefined) as unknown as OAuthValidator, complaint: '{"status":"invalid_token"}' },
  { name: 'knows an expired one', oauthbearer: () => ({ principal: 'ada', lifetimeMs: 3_600_000 }), complaint: '{"status":"invalid_token"}' },
  {
    name: 'wants more', complaint: '{"status":"insufficient_scope", "scope":"kafka", "openid-configuration":"https://example.org"}',
    oauthbearer: () => ({ error: 'insufficient_scope', scope: 'kafka', openidConfiguration: 'https://example.org' }),
  },
]) {
  test(`OAUTHBEARER with a validator that ${name} complains first, and then refuses with the same words`, async () => {
    const client = await (await withSasl({ oauthbearer })).client()
    await handshake(client, 'OAUTHBEARER')
    expect(await token(client, bearerToken('x'))).toMatchObject({ errorCode: 0, authBytes: Buffer.from(complaint) })
    const last = await token(client, Buffer.from([1]))
    expect(last).toMatchObject({ errorCode: kafkaErrors.SASL_AUTHENTICATION_FAILED, errorMessage: complaint })
    await client.closed
  })
}

test('OAUTHBEARER refuses bytes that are no message, and a name to act for that is another one', async () => {
  const listener = await withSasl({ oauthbearer: () => ({ principal: 'ada' }) })
  const wrong = 'Authentication failed during authentication due to invalid credentials with SASL mechanism OAUTHBEARER'
  const other = 'Client requested an authorization id (bob) that is different from the token\'s principal name (ada)'
  for (const [bytes, message] of [
    [Buffer.from('hello'), wrong],
    [Buffer.from('n,,\x01auth=Basic x\x01\x01'), wrong],
    [bearerToken('x', 'bob'), `Authentication failed: ${other}`],
  ] as const) {
    const client = await listener.client()
    await handshake(client, 'OAUTHBEARER')
    expect(await token(client, bytes)).toMatchObject({ errorCode: kafkaErrors.SASL_AUTHENTICATION_FAILED, errorMessage: message })
    await client.closed
  }
})

test('a validator that hangs holds a connection only so long', async () => {
  const clock = new ManualClock()
  const listener = await startListener({
    log: { clock }, requestTimeoutMs: 5000, sasl: { oauthbearer: () => new Promise(() => {}), failedAuthenticationDelayMs: 0 },
  })
  const client = await listener.client()
  await handshake(client, 'OAUTHBEARER')
  const answer = token(client, bearerToken('x'))
  while (clock.timers < 2) await turn()
  await clock.advance(5000)
  expect(await answer).toMatchObject({ errorCode: kafkaErrors.SASL_AUTHENTICATION_FAILED })
  await client.closed
})

test('tokens that nobody signed are believed when they say who and until when, and have the scopes', async () => {
  const listener = await withSasl({ oauthbearer: unsecuredTokens({ scopes: ['kafka'], principalClaim: 'name' }) })
  const outcome = async (value: string): Promise<string> => {
    const client = await listener.client()
    await handshake(client, 'OAUTHBEARER')
    return (await token(client, bearerToken(value))).authBytes.toString()
  }
  expect(await outcome(jwt({ name: 'ada', exp: inAnHour(), scope: ['kafka', 'x'] }))).toBe('')
  expect(await outcome(jwt({ name: 'ada', exp: inAnHour(), iat: 1, scope: 'x kafka' }))).toBe('')
  expect(await outcome(jwt({ name: 'ada', exp: inAnHour() }))).toBe('{"status":"insufficient_scope", "scope":"kafka"}')
  for (const bad of [
    jwt({ exp: inAnHour(), scope: 'kafka' }), jwt({ name: 'ada', scope: 'kafka' }), jwt({ name: 'ada', exp: 1, scope: 'kafka' }),
    jwt({ name: 'ada', exp: inAnHour(), scope: 'kafka' }, { alg: 'HS256' }), `${jwt({ name: 'ada', exp: inAnHour() })}abc`, 'x',
  ]) expect(await outcome(bad)).toBe('{"status":"invalid_token"}')
})

/* ---- again ---- */

async function inSession(): Promise<{ clock: ManualClock; listener: TestListener; client: RawClient }> {
  const clock = new ManualClock()
  const sasl = { users: { ...users, bob: 'x' }, connectionsMaxReauthMs: 10_000, failedAuthenticationDelayMs: 0 }
  const listener = await startListener({ sasl, log: { clock } })
  const client = await listener.client()
  expect(await plain(client, 'ada', 'lovelace')).toMatchObject({ errorCode: 0, sessionLifetimeMs: 10_000 })
  return { clock, listener, client }
}

test('a session ends: what is asked after it is not answered, and the connection is closed', async () => {
  const { clock, listener, client } = await inSession()
  await clock.advance(10_000)
  await askTopics(client)
  await clock.advance(1)
  await expect(askTopics(client)).rejects.toThrow('closed')
  expect(told(listener, 'disconnected')).toMatchObject([{ reason: 'its session ended, and it did not authenticate again' }])
  expect(told(listener, 'malformed')).toEqual([])
})

test('who authenticates again has a new session on the same connection, also when the old one has ended', async () => {
  const { clock, client } = await inSession()
  await clock.advance(9000)
  expect(await plain(client, 'ada', 'lovelace')).toMatchObject({ errorCode: 0, sessionLifetimeMs: 10_000 })
  await clock.advance(9000)
  await askTopics(client)
  await clock.advance(60_000)
  expect(await plain(client, 'ada', 'lovelace')).toMatchObject({ errorCode: 0 })
  await askTopics(client)
})

test('nobody authenticates again twice within a second, or without a session that ends', async () => {
  const { clock, client } = await inSession()
  expect(await plain(client, 'ada', 'lovelace')).toMatchObject({ errorCode: 0 })
  expect(await handshake(client, 'PLAIN')).toEqual({ errorCode: kafkaErrors.ILLEGAL_SASL_STATE, mechanisms: [] })
  await clock.advance(1000)
  expect((await handshake(client, 'PLAIN')).errorCode).toBe(0)
  const endless = await (await withSasl()).client()
  await plain(endless, 'ada', 'lovelace')
  expect((await handshake(endless, 'PLAIN')).errorCode).toBe(kafkaErrors.ILLEGAL_SASL_STATE)
  await askTopics(endless)
})

test('nothing else is served while a client authenticates again', async () => {
  const { clock, client } = await inSession()
  await clock.advance(5000)
  await handshake(client, 'PLAIN')
  expect(await client.request(metadata, 4, { topics: [{ name: 'x' }], allowAutoTopicCreation: true }))
    .toMatchObject({ brokers: [], topics: [{ name: 'x', errorCode: kafkaErrors.ILLEGAL_SASL_STATE }] })
  await client.closed
})

test('nobody becomes somebody else, or changes the mechanism', async () => {
  const first = await inSession()
  await first.clock.advance(5000)
  const message = 'Cannot change principals during re-authentication from User.ada: User.bob'
  expect(await plain(first.client, 'bob', 'x')).toMatchObject({ errorCode: kafkaErrors.SASL_AUTHENTICATION_FAILED, errorMessage: message })
  await first.client.closed
  const second = await inSession()
  await second.clock.advance(5000)
  expect((await handshake(second.client, 'SCRAM-SHA-256')).errorCode).toBe(0)
  expect(await second.client.request(saslAuthenticate, 2, { authBytes: Buffer.from('n,,n=ada,r=x') })).toMatchObject({
    errorCode: kafkaErrors.SASL_AUTHENTICATION_FAILED,
    errorMessage: 'SASL mechanism \'SCRAM-SHA-256\' requested by client is not supported for re-authentication of mechanism \'PLAIN\'',
  })
  await second.client.closed
})

test('a client that goes away in the middle leaves nothing behind', async () => {
  const listener = await startListener({ sasl: { users } })
  const client = await listener.client()
  await handshake(client, 'PLAIN')
  client.send(client.encode(saslAuthenticate, 2, { authBytes: plainToken('ada', 'byron') }))
  await client.close()
  const next = await listener.client()
  expect(await plain(next, 'ada', 'lovelace')).toMatchObject({ errorCode: 0 })
})

test('a client that says hello in another language is sent away', async () => {
  const listener = await withSasl()
  const socket = connect({ port: listener.kafka.brokers[0]!.port, host: '127.0.0.1' })
  socket.on('error', () => {}).resume()
  const closed = new Promise((resolve) => void socket.once('close', resolve))
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await closed
  expect(told(listener, 'malformed')).toHaveLength(1)
})

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
