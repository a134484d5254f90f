/*
 * `commitlog serve`: opens a folder to Kafka clients until Ctrl-C. With `--test` it is a Kafka for tests: serve-test.ts.
 */
import { settleAtMost } from '../base/at-most.ts'
import { isTopicName } from '../format/names.ts'
import { type KafkaListener, type ListenerEvent, type ListenOptions } from '../kafka/index.ts'
import { type RecoveryReport } from '../log/recovery-report.ts'
import type { TestTopics } from '../testing/index.ts'
import { CommitLog } from '../topics/commit-log.ts'
import { type LogNotice } from '../topics/diagnostics.ts'
import { type Call, type Command, UsageError } from './command.ts'
import { securityOptions, securityOptionsHelp } from './serve-security.ts'
import { checkTestOptions, serveTest, testOptionsHelp } from './serve-test.ts'
import { counted, jsonLine, printable, size } from './text.ts'
import { settingsOf } from './topic-changes.ts'

/** Kafka's. */
const DEFAULT_PORT = 9092
const LARGEST_PORT = 0xffff
const TOPICS_AT_A_TIME = 8

/** The subcommand. */
export const serve: Command = {
  name: 'serve',
  summary: 'opens a folder to Kafka clients, as a broker would',
  positionals: ['folder'],
  needs: 0,
  options: {
    port: { short: 'p', value: 'N', help: `TCP port, ${DEFAULT_PORT} by default; 0 for one that is free. Other brokers take the ports behind it` },
    host: { value: 'ADDRESS', help: 'address to listen on; by default loopback only. 0.0.0.0 is every address, and needs --advertised-host' },
    'advertised-host': { value: 'NAME', help: 'the host that clients are told and connect to: by default that of --host, or localhost' },
    brokers: { value: 'N', help: 'how many brokers clients see, 1 by default' },
    'node-id': { value: 'N', help: 'node.id of the first broker, 1 by default; those behind it count on' },
    topic: { short: 't', value: 'NAME[:PARTITIONS]', many: true, help: 'make this topic when it is not there; nothing of it is ever deleted' },
    partitions: { value: 'N', help: 'partitions of topics that clients make without saying, 1 by default' },
    set: { value: 'NAME=VALUE', many: true, help: 'a setting of topics that clients make, in place of Kafka\'s default: retention.ms=-1' },
    'no-auto-create': { help: 'do not make topics that clients only name' },
    durability: { value: 'WORD', help: 'of topics that are not given their own: sync, interval or os' },
    ...securityOptionsHelp,
    ...testOptionsHelp,
    verbose: { short: 'v', help: 'a line for each connection' },
    wait: { value: 'SECONDS', help: 'how long to wait while another process holds the folder' },
  },
  notes: [
    'Prints the address for bootstrap.servers when clients can connect. Ctrl-C answers what is under way, and closes the folder.',
    'What was acknowledged survives SIGKILL. Topics of --topic have the defaults of commitlog, those that clients make have Kafka\'s.',
    'serve --test needs no folder: GET /openapi.json of the control API tells what tests can do with it.',
  ],
  run,
}

async function run(call: Call): Promise<number> {
  checkTestOptions(call)
  const topics = call.texts('topic').map(parsedTopic)
  const ended = endOf(call)
  if (call.flag('test')) return serveTest(call, testTopics(topics), ended)
  if (call.given('folder') === undefined) throw new UsageError('<folder> is missing: commitlog serve <folder>, or commitlog serve --test')
  const options = listenOptions(call)
  await checkReachable(options)
  const durability = call.oneOf('durability', ['sync', 'interval', 'os'])
  // What sockets need is not loaded by the other commands.
  const { listen } = await import('../kafka/index.ts')
  const log = await CommitLog.open(call.argument('folder'), {
    waitMs: (call.number('wait') ?? 0) * 1000, signal: call.terminal.signal, onEvent: (event) => tellLog(call, event),
    ...(durability !== undefined && { durability }),
  })
  try {
    await openTopics(call, log)
    const kafka = await listen(log, { ...options, onEvent: (event) => tellListener(call, event) })
    try {
      for (const topic of topics) await makeTopic(log, kafka, topic)
      await sayReady(call, log, kafka)
      await ended
    } finally {
      await kafka.close()
    }
  } finally {
    await log.close()
  }
  return 0
}

function listenOptions(call: Call): ListenOptions {
  const port = call.number('port') ?? DEFAULT_PORT
  if (port > LARGEST_PORT) throw new UsageError(`--port takes a port up to ${LARGEST_PORT}, not "${port}"`)
  const host = call.text('host')
  const advertisedHost = call.text('advertised-host')
  const brokers = call.number('brokers', 1)
  const nodeId = call.number('node-id')
  const numPartitions = call.number('partitions', 1)
  return {
    port, autoCreateTopics: !call.flag('no-auto-create'), ...securityOptions(call),
    ...(host !== undefined && { host }), ...(advertisedHost !== undefined && { advertisedHost }),
    ...(brokers !== undefined && { brokers }), ...(nodeId !== undefined && { nodeId }), ...(numPartitions !== undefined && { numPartitions }),
    topicDefaults: settingsOf(call, 'topics that clients make'),
  }
}

/** In the words of the command, and before anything is opened. */
async function checkReachable({ host = 'localhost', advertisedHost }: ListenOptions): Promise<void> {
  const { isWildcard, plainHost } = await import('../kafka/addresses.ts')
  if (!isWildcard(plainHost(advertisedHost ?? host))) return
  throw new UsageError(advertisedHost === undefined
    ? `--host ${host} is every address: say with --advertised-host how clients reach this machine, by which name or address`
    : `--advertised-host is how clients reach this machine, and ${advertisedHost} is every address`)
}

/** Resolves when the user ends it, or whoever started it. */
function endOf(call: Call): Promise<void> {
  const { signal, stdin } = call.terminal
  const interrupted = aborted(signal)
  if (!call.flag('until-stdin-ends')) return interrupted
  const ended = new Promise<void>((resolve) => {
    for (const event of ['end', 'error', 'close']) stdin.once(event, resolve)
    stdin.resume()
  })
  // A stdin that is read keeps the process alive.
  return Promise.race([interrupted, ended]).finally(() => stdin.pause())
}

interface NamedTopic {
  readonly name: string
  /** Undefined: as many as there are, or one. */
  readonly partitions: number | undefined
}

function parsedTopic(text: string): NamedTopic {
  const [, name, partitions] = /^([^:]+)(?::(\d{1,6}))?$/.exec(text) ?? []
  if (name === undefined || !isTopicName(name)) throw new UsageError(`--topic takes NAME or NAME:PARTITIONS, not "${text}"`)
  return { name, partitions: partitions === undefined ? undefined : Number(partitions) }
}

function testTopics(topics: readonly NamedTopic[]): TestTopics {
  return Object.fromEntries(topics.map(({ name, partitions }) => [name, partitions ?? {}]))
}

/**
 * A topic with commitlog's own defaults: whoever names it on the command line asked for nothing to be deleted. Its codecs are left open, as of
 * those that clients make. One that is there gets the partitions that it lacks.
 */
async function makeTopic(log: CommitLog, { cluster }: KafkaListener, { name, partitions: asked }: NamedTopic): Promise<void> {
  const partitions = asked ?? cluster.options.numPartitions
  const here = cluster.topic(name)
  if (here === undefined) await log.plainTopic(name, { partitions, key: undefined, value: undefined, settings: {} })
  else if (partitions > here.partitions) await cluster.core.admin.addPartitions(name, partitions - here.partitions)
}

/** Opens all topics before anybody connects, so that nobody waits for a recovery. */
async function openTopics(call: Call, log: CommitLog): Promise<void> {
  const { topics } = log.core
  let done = 0
  try {
    await settleAtMost(TOPICS_AT_A_TIME, topics, async ({ name }) => {
      await log.core.existingTopic(name)
      call.screen.bar(++done, topics.length, `${done} of ${counted(topics.length, 'topic')}`)
    })
  } finally {
    call.screen.clearBar()
  }
}

async function sayReady(call: Call, log: CommitLog, kafka: KafkaListener): Promise<void> {
  const { screen } = call
  const { bootstrap, brokers } = kafka
  const topics = log.core.topics.length
  if (call.json) await screen.print(jsonLine({ type: 'listening', bootstrap, brokers, clusterId: log.core.clusterId, topics }))
  else await screen.print(`${screen.paint('green', 'listening')} on ${screen.paint('bold', bootstrap)}: ${counted(topics, 'topic')} in ${log.folder}`)
  await screen.flush()
}

function tellLog(call: Call, event: LogNotice): void {
  if (event.type === 'recovery') return tellRecovery(call, event.topic, event.partition, event.report)
  if (event.type !== 'fenced' && event.type !== 'disk-full' && event.type !== 'housekeeping-failed') return
  say(call, event, `${event.topic}-${event.partition}: ${event.type}: ${reasonOf(event.cause)}`)
}

function tellRecovery(call: Call, topic: string, partition: number, report: RecoveryReport): void {
  const { scannedBytes } = report
  if (scannedBytes === 0) return
  say(call, { type: 'recovery', topic, partition, ...report }, `${topic}-${partition}: recovered, ${size(scannedBytes)} read again`)
}

/** What is told only to who asks for it. */
const quiet: readonly ListenerEvent['type'][] = ['connected', 'disconnected', 'authenticated']

function tellListener(call: Call, event: ListenerEvent): void {
  const text = listenerText(event)
  if (call.flag('verbose') || !quiet.includes(event.type)) say(call, event, text)
}

function listenerText(event: ListenerEvent): string {
  switch (event.type) {
    case 'connected': return `connection ${event.connection} from ${event.address} (${event.listener})`
    case 'disconnected': return `connection ${event.connection} closed${event.reason === undefined ? '' : `: ${event.reason}`}`
    case 'malformed': return `connection ${event.connection}: ${event.reason}`
    case 'unprotected':
      return `${event.address} (${event.listener}) asks nobody who they are: whoever reaches it may do everything; see --sasl and --tls`
    case 'refused': return `refused ${event.address}: ${event.reason}`
    case 'authenticated': return `connection ${event.connection} is ${event.principal} (${event.mechanism})`
    case 'authentication-failed': return `connection ${event.connection}: ${event.mechanism} failed: ${event.reason}`
    case 'denied':
      return `connection ${event.connection}: ${event.principal} may not ${event.operation} ${event.resourceType} ${printable(event.resourceName)}`
    case 'request-failed': return `connection ${event.connection}: ${event.api} failed: ${reasonOf(event.cause)}`
    default: return JSON.stringify(event)
  }
}

function say(call: Call, event: object, text: string): void {
  if (!call.json) return call.screen.say(text)
  void call.screen.print(jsonLine({ ...event, ...('cause' in event && { cause: reasonOf(event.cause) }) }))
  void call.screen.flush()
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
