/*
 * `commitlog serve --test`: a Kafka for the tests of any language, in memory, with its control API over HTTP. What can be asked of it is in
 * src/testing/sidecar.
 */
import type { TestBrokerOptions, TestTopics } from '../testing/index.ts'
import { type Call, type Option, UsageError } from './command.ts'
import { packageVersion } from './package-version.ts'
import { securityOptions } from './serve-security.ts'
import { jsonLine } from './text.ts'
import { settingsOf } from './topic-changes.ts'

const LARGEST_PORT = 0xffff
/** Other runners than those of Node give a test more than five seconds, and JVMs take some of them to begin. */
const DEFAULT_TIMEOUT = '10s'
/** They say something of a folder that is served, and nothing of a Kafka for tests. */
const others = ['advertised-host', 'durability', 'wait', 'verbose'] as const

/** The options that `serve` has for tests. */
export const testOptionsHelp: Readonly<Record<string, Option>> = {
  test: { help: 'be a Kafka for tests: in memory unless a folder is given, on a free port, and under control over HTTP' },
  control: { value: 'PORT', help: 'with --test: port of the control API on the loopback address, 0 (the default) for one that is free' },
  'until-stdin-ends': { help: 'end when stdin ends: whoever started it leaves nothing behind, however he ends' },
  from: { value: 'PATH', help: 'with --test: begin with this folder of a Kafka broker or of commitlog, or with a file of records as lines' },
  clock: { value: 'WORD', help: 'with --test: real, virtual or skip, how time goes' },
  seed: { value: 'N', help: 'with --test: whatever is drawn is drawn from it' },
  emulate: { value: 'RELEASE', help: 'with --test: serve the versions of a release of Kafka: 3.9' },
  timeout: { value: 'TIME', help: `with --test: how long to wait for what a test waits for, ${DEFAULT_TIMEOUT} by default` },
  strict: { help: 'with --test: what a cluster punishes later fails the test' },
}

/** Options of tests that were given without `--test`, and others that say nothing with it, are mistakes. */
export function checkTestOptions(call: Call): void {
  const isTest = call.flag('test')
  const own = Object.keys(testOptionsHelp).filter((name) => name !== 'test' && name !== 'until-stdin-ends')
  const wrong = (isTest ? others : own).find((name) => call.flag(name) || call.text(name) !== undefined)
  if (wrong !== undefined) throw new UsageError(`--${wrong} is ${isTest ? 'not for' : 'for'} --test`)
}

/** A test broker with what `serve` was told; `topics` are those to begin with. */
export async function serveTest(call: Call, topics: TestTopics, ended: Promise<void>): Promise<number> {
  const options = testOptions(call, topics)
  const control = portOf(call, 'control') ?? 0
  // What tests need is not loaded by the other commands.
  const { startTestBroker } = await import('../testing/index.ts')
  const { Sidecar } = await import('../testing/sidecar/sidecar.ts')
  const kafka = await startTestBroker(options).catch(asUsage)
  const sidecar = await Sidecar.start(kafka, { port: control, version: packageVersion() }).catch(async (error: unknown) => {
    await kafka.close()
    throw error
  })
  if (call.flag('until-stdin-ends') && call.terminal.stdin === process.stdin) await watchOver()
  const { bootstrap, brokers, seed } = kafka
  const { screen } = call
  const bold = (text: string): string => screen.paint('bold', text)
  await screen.print(call.json
    ? jsonLine({ type: 'listening', bootstrap, control: sidecar.url, brokers, clusterId: kafka.log.core.clusterId, seed })
    : `${screen.paint('green', 'listening')} on ${bold(bootstrap)}, controlled at ${bold(sidecar.url)}`)
  await screen.flush()
  await ended
  const failures = await sidecar.close()
  for (const { code, message } of failures) screen.say(`${message} (${code})`)
  return failures.length === 0 ? 0 : 1
}

/** Whatever tests ask it to do, it ends. Windows lets only one thread read what comes through a pipe. */
async function watchOver(): Promise<void> {
  if (process.platform === 'win32') return
  const { watchStdin } = await import('./stdin-watchdog.ts')
  await watchStdin()
}

function testOptions(call: Call, topics: TestTopics): TestBrokerOptions {
  const dir = call.given('folder')
  const from = call.text('from')
  const port = portOf(call, 'port')
  const host = call.text('host')
  const brokers = call.number('brokers', 1)
  const nodeId = call.number('node-id')
  const numPartitions = call.number('partitions', 1)
  const clock = call.oneOf('clock', ['real', 'virtual', 'skip'])
  const seed = call.number('seed')
  const emulate = call.text('emulate')
  return {
    topics, topicDefaults: settingsOf(call, 'topics of tests'), autoCreateTopics: !call.flag('no-auto-create'), security: securityOptions(call),
    strict: call.flag('strict'), timeout: call.text('timeout') ?? DEFAULT_TIMEOUT,
    ...(dir !== undefined && { dir }), ...(from !== undefined && { from }), ...(host !== undefined && { host }),
    ...(port !== undefined && port > 0 && { port }),
    ...(brokers !== undefined && { brokers }), ...(nodeId !== undefined && { nodeId }),
    ...(numPartitions !== undefined && { numPartitions }), ...(clock !== undefined && { clock }),
    ...(seed !== undefined && { seed }), ...(emulate !== undefined && { emulate }),
  }
}

function portOf(call: Call, name: string): number | undefined {
  const port = call.number(name)
  if (port !== undefined && port > LARGEST_PORT) throw new UsageError(`--${name} takes a port up to ${LARGEST_PORT}, not "${port}"`)
  return port
}

/** What the test kit says of options that cannot be is said of those of the command. */
function asUsage(error: unknown): never {
  throw error instanceof TypeError || error instanceof RangeError ? new UsageError(error.message) : error
}
