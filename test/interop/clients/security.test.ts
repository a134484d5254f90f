/*
 * Real clients show who they are in every way that there is, and do what they may: kafkajs, confluent-kafka for Python and Java against
 * listeners of one log that differ in security.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { CommitLog } from '../../../src/index.ts'
import { type KafkaListener, listen, type ListenerEvent, unsecuredTokens } from '../../../src/kafka/index.ts'
import { ca, client as ada, server } from '../../kafka/certificates.ts'
import { javaOptions } from '../java.ts'
import { mustRun } from '../processes.ts'
import { javaProgram, jsFolder, pythonPath } from './toolchains.ts'

interface Case {
  readonly name: string
  readonly listener: string
  readonly tls?: true
  readonly certificate?: true
  readonly mechanism?: string
  readonly username?: string
  readonly password?: string
  /** How often a client that can authenticates again produces more. */
  readonly rounds?: number
  /** The client that it is for, when it is not for all. */
  readonly only?: string
  /** What a client says that does not get in. */
  readonly fails?: RegExp
}

const user = { username: 'ada', password: 'lovelace' }
const cases: readonly Case[] = [
  { name: 'tls', listener: 'SSL', tls: true },
  { name: 'certificate', listener: 'MTLS', tls: true, certificate: true },
  { name: 'plain', listener: 'SASL_PLAINTEXT', mechanism: 'PLAIN', ...user },
  { name: 'scram-256', listener: 'SASL_PLAINTEXT', mechanism: 'SCRAM-SHA-256', ...user },
  { name: 'scram-512', listener: 'SASL_SSL', tls: true, mechanism: 'SCRAM-SHA-512', ...user },
  { name: 'oauth', listener: 'SASL_SSL', tls: true, mechanism: 'OAUTHBEARER' },
  // kafkajs authenticates again ten seconds before a session ends, so all the time when it is shorter: more than any broker takes.
  { name: 'session', listener: 'SESSIONS', tls: true, mechanism: 'SCRAM-SHA-512', ...user, rounds: 10, only: 'java' },
  {
    name: 'wrong-plain', listener: 'SASL_SSL', tls: true, mechanism: 'PLAIN', username: 'ada', password: 'byron',
    fails: /Authentication failed: Invalid username or password/,
  },
  {
    name: 'wrong-scram', listener: 'SASL_PLAINTEXT', mechanism: 'SCRAM-SHA-256', username: 'bob', password: 'x',
    fails: /due to invalid credentials with SASL mechanism SCRAM-SHA-256/,
  },
]

const programs: readonly { name: string; short: string; command: (jars: string) => Promise<readonly string[]> }[] = [
  { name: 'kafkajs', short: 'kafkajs', command: async () => [process.execPath, join(await jsFolder(), 'security.mjs')] },
  { name: 'confluent-kafka for Python', short: 'confluent', command: async () => [await pythonPath(), here('python/security.py')] },
  { name: 'Java', short: 'java', command: async (jars) => ['java', ...javaOptions, '-cp', await javaProgram(jars, 'Security'), 'Security'] },
]

for (const { name, short, command } of programs) describe(name, () => {
  const its = cases.filter(({ only }) => only === undefined || only === short)
  let folder: string
  let log: CommitLog
  let listener: KafkaListener
  let said: Map<string, Record<string, unknown>>
  const events: ListenerEvent[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'commitlog-security-'))
    log = await CommitLog.memory()
    listener = await listening(log, events)
    const file = join(folder, 'cases.json')
    const asked = its.map((one) => ({ ...one, bootstrap: listener.bootstrapOf(one.listener) }))
    writeFileSync(file, JSON.stringify({ ca, ...ada, token: unsignedToken(), cases: asked }))
    const [program, ...parameters] = await command(inject('jars'))
    const stdout = await mustRun(program!, [...parameters, file], { timeoutMs: 240_000, env: { KAFKAJS_NO_PARTITIONER_WARNING: '1' } })
    const lines = stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>)
    said = new Map(lines.map((line) => [line.name as string, line]))
  }, 900_000)

  afterAll(async () => {
    await listener?.close()
    await log?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(its.filter(({ fails }) => fails === undefined).map((one) => one.name))('%s: gets in, and does what it may', (one) => {
    expect(said.get(one)).toMatchObject({ read: `open-${short}-${one}`, denied: 29 })
  })

  test.each(its.filter(({ fails }) => fails !== undefined))('$name: does not get in, and says why', ({ name: one, fails }) => {
    expect(said.get(one)!['failed']).toMatch(fails!)
  })

  test('is who it says, and sends nothing that is not understood', () => {
    const seen = new Set(events.flatMap((event) => (event.type === 'authenticated' ? `${event.principal} ${event.mechanism}` : [])))
    expect([...seen].sort()).toEqual(['OAUTHBEARER', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'].map((mechanism) => `User:ada ${mechanism}`))
    expect(events.filter(({ type }) => type === 'malformed' || type === 'request-failed' || type === 'refused')).toEqual([])
  })

  test.runIf(short === 'java')('authenticates again when its session is about to end', () => expect(said.get('session')!['again']).toBe(true))
})

function listening(log: CommitLog, events: ListenerEvent[]): Promise<KafkaListener> {
  const tls = { ...server, ca }
  const sasl = { users: { ada: 'lovelace' }, oauthbearer: unsecuredTokens() }
  const allowed = ['User:ada', 'User:ANONYMOUS', 'User:CN=ada,OU=a\\+b\\=c \\#1,O=Räksmörgås\\, Inc.,C=SE'] as const
  return listen(log, {
    listeners: [
      { tls }, { name: 'MTLS', tls: { ...tls, clientAuth: 'required' } }, { sasl }, { tls, sasl },
      { name: 'SESSIONS', tls, sasl: { ...sasl, connectionsMaxReauthMs: 1500 } },
    ],
    authorizer: {
      acls: allowed.flatMap((principal) => [
        { resourceType: 'TOPIC', resourceName: 'open-', patternType: 'PREFIXED', principal, operation: 'ALL' },
        { resourceType: 'GROUP', resourceName: '*', principal, operation: 'READ' },
      ] as const),
    },
    onEvent: (event) => void events.push(event),
  })
}

function unsignedToken(): string {
  const now = Math.floor(Date.now() / 1000)
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: 'ada', iat: now, exp: now + 600 })}.`
}

function here(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}
