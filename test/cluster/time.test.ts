/*
 * Time-outs and signals of the cluster door: `timeoutMs` bounds every call, also when brokers take questions and answer nothing.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ClusterLog, type ClusterTopic, connect, type ConnectOptions } from '../../src/cluster/index.ts'
import { defineTopic, isLogError, string } from '../../src/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'

/** One request may take this long: whoever waited for it would wait for a minute. */
const REQUEST_MS = 60_000
const CALL_MS = 400
/** Well below a request's time, and well above a call's on a machine that is busy. */
const SOON_MS = 15_000

const Words = defineTopic('words', { value: string })

type Words = ClusterTopic<string, string>

/** What is called, what it asks the cluster for, and how. */
const calls: readonly (readonly [name: string, api: string, call: (log: ClusterLog, topic: Words, signal?: AbortSignal) => Promise<unknown>])[] = [
  ['topic', 'Metadata', (log, _topic, signal) => log.topic(Words, given(signal))],
  ['topics', 'Metadata', (log, _topic, signal) => log.topics(given(signal))],
  ['offsets', 'ListOffsets', (_log, topic, signal) => topic.offsets(given(signal))],
  ['groups.list', 'ListGroups', (log, _topic, signal) => log.groups.list(given(signal))],
  ['groups.describe', 'DescribeGroups', (log, _topic, signal) => log.groups.describe('g', given(signal))],
  ['groups.lag', 'OffsetFetch', (log, _topic, signal) => log.groups.lag('g', given(signal))],
  ['groups.resetOffsets', 'OffsetCommit', (log, _topic, signal) => log.groups.resetOffsets('g', { to: 'earliest', ...given(signal) })],
  ['send', 'Produce', (_log, topic, signal) => topic.send({ value: 'w' }, given(signal))],
  ['beginTransaction', 'InitProducerId', (log, _topic, signal) => log.beginTransaction(given(signal))],
  ['transaction', 'EndTxn', (log, topic, signal) => log.transaction((tx) => void tx.send(topic, { value: 'w' }), given(signal))],
  ['commit', 'OffsetCommit', (_log, topic, signal) => topic.consumer({ group: 'g' }).commit([{ partition: 0, offset: 0 }], given(signal))],
  ['committed', 'OffsetFetch', (_log, topic, signal) => topic.consumer({ group: 'g' }).committed(0, given(signal))],
  // Last, since it goes on when nobody waits for it any more.
  ['groups.delete', 'DeleteGroups', (log, _topic, signal) => log.groups.delete('g', given(signal))],
]

function given(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

let kafka: TestBroker

beforeAll(async () => {
  kafka = await startTestBroker({ brokers: 2 })
  const log = await connect({ brokers: kafka.bootstrap })
  await log.topic(Words)
  await log.transaction((tx) => tx.commitOffsets('g', [{ topic: 'words', partition: 0, offset: 0 }]))
  await log.close()
})

afterAll(() => kafka.close())

async function over(options: Partial<ConnectOptions>, run: (log: ClusterLog, topic: Words) => Promise<void>): Promise<void> {
  const log = await connect({ brokers: kafka.bootstrap, requestTimeoutMs: REQUEST_MS, ...options })
  const topic = await log.topic(Words)
  try {
    await run(log, topic)
  } finally {
    await log.close()
  }
}

for (const [name, api, call] of calls) {
  test(`${name} of brokers that are silent is given up after timeoutMs`, () => over({ timeoutMs: CALL_MS }, async (log, topic) => {
    const silent = kafka.faults.on(api as 'Produce').silence()
    const before = performance.now()
    const error = await call(log, topic).then(() => undefined, (thrown: unknown) => thrown)
    const took = performance.now() - before
    silent.cancel()
    const unknown = api === 'Produce' || api === 'EndTxn'
    expect(isLogError(error) ? error.code : error).toBe(unknown ? unknownCode[api] : 'LOG_CLUSTER_UNAVAILABLE')
    expect(took).toBeLessThan(SOON_MS)
  }))

  test(`${name} of brokers that are silent ends at once with its signal`, () => over({}, async (log, topic) => {
    const silent = kafka.faults.on(api as 'Produce').silence()
    const controller = new AbortController()
    const reason = new Error('enough')
    const calling = call(log, topic, controller.signal).then(() => undefined, (thrown: unknown) => thrown)
    await kafka.until(() => (silent.fired > 0 ? true : undefined), 'it was not asked')
    controller.abort(reason)
    expect(await calling).toBe(reason)
    silent.cancel()
    kafka.faults.broker(1).dropConnections()
    kafka.faults.broker(2).dropConnections()
  }))
}

const unknownCode = { Produce: 'LOG_SEND_UNKNOWN', EndTxn: 'LOG_COMMIT_UNKNOWN' }

test('a broker that is silent leaves the others their share of the time', () => over({ timeoutMs: 3 * CALL_MS }, async (log) => {
  const silent = kafka.faults.on('Metadata').times(1).silence()
  expect((await log.topics()).map(({ name }) => name)).toEqual(['words'])
  expect(silent.fired).toBe(1)
}))

test('a connect to addresses that are silent is given up after timeoutMs', async () => {
  const silent = kafka.faults.on('Metadata').silence()
  const before = performance.now()
  const error = await connect({ brokers: kafka.bootstrap, requestTimeoutMs: REQUEST_MS, timeoutMs: CALL_MS }).catch((thrown: unknown) => thrown)
  silent.cancel()
  expect(isLogError(error) ? error.code : error).toBe('LOG_CLUSTER_UNAVAILABLE')
  expect(performance.now() - before).toBeLessThan(SOON_MS)
})
