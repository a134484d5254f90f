/*
 * Our store in Emmett's shape, without Emmett: its contract as docs/events.md has it. Emmett itself runs on it in test/interop.
 */
import { expect, test } from 'vitest'
import { emmettEventStore, type EmmettStoreOptions } from '../../src/emmett/emmett-store.ts'
import { type EmmettPackage43 } from '../../src/emmett/emmett-package.ts'
import { type EmmettCheckpoints, type EmmettEvent, type EmmettEventStore, type EmmettProcessor } from '../../src/emmett/types.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'
import { type StoreUnderTest } from '../../src/testing/store-under-test.ts'
import { emmettStoreUnderTest, eventStoreUnderTest } from '../../src/testing/stores-under-test.ts'
import { eventStore } from '../../src/events/event-store.ts'
import { json } from '../../src/topics/codecs.ts'
import { diskLog, failure, freshFolder, memoryLog } from '../topics/harness.ts'

const event = (type: string, data: Record<string, unknown> = {}): EmmettEvent => ({ type, data })
const store = async (options?: EmmettStoreOptions): Promise<EmmettEventStore> => emmettEventStore(await memoryLog(), options)

async function ours(folder = freshFolder()): Promise<StoreUnderTest> {
  const log = await diskLog(folder)
  return eventStoreUnderTest(await eventStore(log, { category: 'c' }), { close: () => log.close(), reopen: () => ours(folder) })
}

async function throughEmmett(folder = freshFolder()): Promise<StoreUnderTest> {
  const log = await diskLog(folder)
  return emmettStoreUnderTest(await emmettEventStore(log), { close: () => log.close(), reopen: () => throughEmmett(folder) })
}

storeConformance({ test: (name, run) => test(`the event store: ${name}`, run), open: ours })
storeConformance({ test: (name, run) => test(`Emmett's view of it: ${name}`, run), open: throughEmmett })

test('dates and bigints of data come back, and what an event says of itself', async () => {
  const carts = await store()
  const data = { at: new Date(5), count: 7n }
  const appended = await carts.appendToStream('s', [{ ...event('A', data), metadata: { by: 'me', correlationId: 'c', big: 5n } }])
  expect(appended).toEqual({ nextExpectedStreamVersion: 1n, createdNewStream: true, lastEventGlobalPosition: 0n })
  const { events: [read], currentStreamVersion, streamExists } = await carts.readStream('s')
  expect([currentStreamVersion, streamExists]).toEqual([1n, true])
  expect(read).toEqual({
    type: 'A', kind: 'Event', data,
    metadata: { by: 'me', big: '5', correlationId: 'c', streamName: 's', streamPosition: 1n, globalPosition: 0n, messageId: expect.any(String) },
  })
})

test('a conflict is known by its code, says which version there is, and may be of Emmett\'s own class', async () => {
  const carts = await store()
  await carts.appendToStream('s', [event('A'), event('B')])
  const conflict = await failure(() => carts.appendToStream('s', [event('C')], { expectedStreamVersion: 'STREAM_DOES_NOT_EXIST' }))
  expect(conflict).toMatchObject({ errorCode: 412, current: '2', expected: 'STREAM_DOES_NOT_EXIST' })
  expect(await failure(() => carts.readStream('s', { expectedStreamVersion: 1n }))).toMatchObject({ errorCode: 412, current: '2', expected: '1' })
  class Own extends Error {}
  const own = await store({ ConflictError: Own as never })
  expect(await failure(() => own.appendToStream('s', [event('C')], { expectedStreamVersion: 3n }))).toBeInstanceOf(Own)
})

test('an aggregate tells the head, or of a part of the stream the last version that is in it', async () => {
  const carts = await store()
  await carts.appendToStream('s', [event('A'), event('B'), event('C')])
  const count = (read?: { from?: bigint; to?: bigint }): Promise<unknown> => carts.aggregateStream('s', {
    evolve: (state: number) => state + 1, initialState: () => 0, ...(read !== undefined && { read }),
  })
  expect(await count()).toEqual({ currentStreamVersion: 3n, state: 3, streamExists: true })
  expect(await count({ to: 2n })).toEqual({ currentStreamVersion: 2n, state: 2, streamExists: true })
  expect(await count({ from: 2n })).toEqual({ currentStreamVersion: 3n, state: 2, streamExists: true })
})

test('an append of nothing changes nothing, and is checked all the same', async () => {
  const carts = await store()
  expect(await carts.appendToStream('s', [])).toMatchObject({ nextExpectedStreamVersion: 0n, createdNewStream: false })
  await carts.appendToStream('s', [event('A')])
  expect(await carts.appendToStream('s', [], { expectedStreamVersion: 1n })).toMatchObject({ nextExpectedStreamVersion: 1n })
  expect(await failure(() => carts.appendToStream('s', [], { expectedStreamVersion: 2n }))).toMatchObject({ errorCode: 412 })
})

test('inline projections have the events of an append before it resolves, in the order of all appends', async () => {
  const seen: string[] = []
  const projection = {
    canHandle: ['A'],
    handle: async (events: readonly { type: string; metadata: { globalPosition: bigint } }[], context: { readonly name: string }) => {
      await Promise.resolve()
      for (const { type, metadata } of events) seen.push(`${context.name} ${type} ${metadata.globalPosition}`)
    },
  }
  const carts = await store({ projections: [{ type: 'inline', projection: projection as never }], projectionContext: { name: 'x' } })
  await carts.appendToStream('s', [event('A'), event('B')])
  expect(seen).toEqual(['x A 0'])
  await Promise.all([carts.appendToStream('s', [event('A')]), carts.appendToStream('t', [event('A')])])
  expect(seen).toEqual(['x A 0', 'x A 2', 'x A 3'])
})

test('events are brought to the version that is stored, and to the one that is wanted', async () => {
  const carts = await store()
  const downcast = (given: EmmettEvent): EmmettEvent => ({ ...given, data: { n: String(given.data['n']) } })
  await carts.appendToStream('s', [event('A', { n: 5 })], { schema: { versioning: { downcast } } })
  expect((await carts.readStream('s')).events[0]!.data).toEqual({ n: '5' })
  const upcast = (given: EmmettEvent): EmmettEvent => ({ ...given, data: { n: Number(given.data['n']) } })
  expect((await carts.readStream('s', { schema: { versioning: { upcast } } })).events[0]!.data).toEqual({ n: 5 })
})

test('a consumer hands events to processors from where they stand, and goes on as they come', async () => {
  const carts = await store()
  await carts.appendToStream('s', [event('A'), event('B')])
  const checkpoints = await carts.checkpoints()
  const run = async (until: string): Promise<string[]> => {
    const seen: string[] = []
    const state = { active: false }
    const processor: EmmettProcessor = {
      id: 'p', get isActive() { return state.active },
      start: async () => {
        state.active = true
        const { lastCheckpoint } = await checkpoints.read({ processorId: 'p' }, undefined as never)
        return lastCheckpoint === null ? 'BEGINNING' : { lastCheckpoint }
      },
      close: async () => {},
      handle: async (messages: { type: string; metadata: { globalPosition: bigint } }[]) => {
        for (const message of messages) {
          if (!state.active) return
          seen.push(message.type)
          const { lastCheckpoint } = await checkpoints.read({ processorId: 'p' }, undefined as never)
          await checkpoints.store({ message, processorId: 'p', version: 1, lastCheckpoint }, undefined as never)
          if (message.type === until) state.active = false
        }
      },
    }
    const consumer = carts.consumer({ processors: [processor] })
    const running = consumer.start()
    expect(consumer.isRunning).toBe(true)
    if (until === 'C') await carts.appendToStream('s', [event('C')])
    await running
    await consumer.close()
    return seen
  }
  expect(await run('B')).toEqual(['A', 'B'])
  expect(await run('C')).toEqual(['C'])
  const stale = { message: { metadata: { globalPosition: 1n } }, processorId: 'p', version: 1, lastCheckpoint: null }
  expect(await checkpoints.store(stale, undefined as never)).toEqual({ success: false, reason: 'IGNORED' })
  expect((await failure(() => carts.consumer({ processors: [] }).start())).message).toContain('at least a single processor')
})

test('global positions may be in the shape of 0.43', async () => {
  const carts = await store({ shape: '0.43' })
  await carts.appendToStream('s', [event('A')])
  const { events: [read] } = await carts.readStream('s')
  expect(read!.metadata).toMatchObject({ globalPosition: '0000000000000000000', checkpoint: '0000000000000000000' })
})

/** Emmett 0.43 by its shape, without its work: consumers are what they were made of, operations run in a scope that names where they come from. */
interface Setup {
  readonly source: {
    read(options: { readonly from: unknown; readonly signal: AbortSignal }): AsyncIterable<{ readonly type: string; readonly metadata: Metadata43 }>
    readLastMessageCheckpoint(): Promise<string | null>
  }
  readonly until: unknown
  readonly reactorFactory: (options: object) => { readonly checkpoints: EmmettCheckpoints }
  readonly projectorFactory: (options: object) => { readonly hooks: { onInit(context: object): Promise<void> } }
}
interface Metadata43 {
  readonly checkpoint: string
  readonly correlationId?: string
}
const scope = { context: { correlationId: 'flow', traceId: 't' } }
let ids = 0
const emmett43: EmmettPackage43 = {
  bigIntProcessorCheckpoint: String, MessageSourceCaughtUp: (checkpoint: string) => ({ type: 'caught up', metadata: { checkpoint } }),
  consumer: (setup) => setup, reactor: (options) => options, projector: (options) => options, workflowProcessor: (options) => options,
  JSONSerializer: { from: () => ({ serialize: JSON.stringify, deserialize: (text: string) => ({ ...JSON.parse(text) as object, parsed: true }) }) },
  mergeObservability: () => undefined, withOperationScope: () => undefined,
  eventStoreObservability: () => ({ contextGenerator: { generateMessageId: () => `id-${++ids}` } }),
  eventStoreCollector: () => ({
    instrumentRead: (_: string, run: (given: object) => unknown) => run(scope),
    instrumentAggregate: (_: string, run: (given: object) => unknown) => run(scope),
    instrumentAppend: (_: string, _events: unknown, run: (given: object) => unknown) => run(scope),
    instrumentInlineProjection: (_: string, _scope: object, run: (given: object) => unknown) => run(scope),
  }),
}
const setupOf = (carts: EmmettEventStore<EmmettPackage43>, options?: object): Setup => carts.consumer(options) as unknown as Setup
const store43 = async (options: EmmettStoreOptions = {}): Promise<EmmettEventStore<EmmettPackage43>> => (
  emmettEventStore(await memoryLog(), { ...options, emmett: emmett43 })
)

test('the package says which version it is: positions are text in 0.43, and events say which flow they belong to', async () => {
  const carts = await store43()
  const { lastEventGlobalPosition } = await carts.appendToStream('s', [event('A'), { ...event('B'), metadata: { by: 'me' } }])
  expect(lastEventGlobalPosition).toBe('0000000000000000001')
  const { events } = await carts.readStream('s')
  expect(events.map(({ metadata }) => metadata)).toMatchObject([
    { checkpoint: '0000000000000000000', correlationId: 'flow', traceId: 't', messageId: 'id-1' },
    { checkpoint: '0000000000000000001', correlationId: 'flow', by: 'me', messageId: 'id-2' },
  ])
  expect(await failure(async () => (await store({ shape: '0.43' })).consumer({ processors: [] }))).toBeInstanceOf(TypeError)
})

test('a source of messages gives what is stored, a word that this is all, and what comes, until it is aborted', async () => {
  const carts = await store43()
  const { source } = setupOf(carts)
  expect(await source.readLastMessageCheckpoint()).toBe(null)
  const stop = new AbortController()
  const seen: string[] = []
  const reading = (async () => {
    const messages = source.read({ from: 'BEGINNING', signal: stop.signal })
    for await (const { type, metadata } of messages) seen.push(`${type} ${Number(metadata.checkpoint)}`)
  })()
  await expect.poll(() => seen).toEqual(['caught up 0'])
  await carts.appendToStream('s', [event('A'), event('B')])
  await expect.poll(() => seen).toEqual(['caught up 0', 'A 0', 'B 1', 'caught up 1'])
  expect(await source.readLastMessageCheckpoint()).toBe('0000000000000000001')
  stop.abort()
  await reading
  const first = async (from: unknown): Promise<string | undefined> => {
    for await (const { type } of source.read({ from, signal: new AbortController().signal })) return type
    return undefined
  }
  expect(await first({ lastCheckpoint: '0000000000000000000' })).toBe('B')
  expect(await first('END')).toBe('caught up')
})

test('processors of 0.43 keep checkpoints in the log, and a projection that is built anew sets its back', async () => {
  const carts = await store43()
  const { checkpoints } = setupOf(carts).reactorFactory({ processorId: 'p' })
  const at = (position: number, lastCheckpoint: string | null): never => (
    { message: { metadata: { globalPosition: String(position) } }, processorId: 'p', version: 1, lastCheckpoint } as never
  )
  const five = '0000000000000000005'
  expect(await checkpoints.read({ processorId: 'p' }, undefined as never)).toEqual({ lastCheckpoint: null })
  expect(await checkpoints.store(at(5, null), undefined as never)).toEqual({ success: true, newCheckpoint: five })
  expect(await checkpoints.read({ processorId: 'p', partition: 'emt:default' }, undefined as never)).toEqual({ lastCheckpoint: five })
  expect(await checkpoints.store(at(5, five), undefined as never)).toEqual({ success: false, reason: 'IGNORED' })
  expect(await checkpoints.store(at(3, null), undefined as never)).toEqual({ success: false, reason: 'CURRENT_AHEAD' })
  expect(await checkpoints.store(at(7, null), undefined as never)).toEqual({ success: false, reason: 'MISMATCH' })
  expect(await checkpoints.store(at(2, five), undefined as never)).toEqual({ success: true, newCheckpoint: '0000000000000000002' })
  const own = {} as EmmettCheckpoints
  expect(setupOf(carts).reactorFactory({ checkpoints: own }).checkpoints).toBe(own)
  expect(setupOf(carts, { stopWhen: { noMessagesLeft: true } }).until).toEqual({ noMessagesLeft: true })
})

test('projections are told to begin, inline ones when the store opens', async () => {
  const begun: unknown[] = []
  const projection = { canHandle: ['A'], handle: () => {}, init: ({ registrationType, version }: Record<string, unknown>) => {
    begun.push(registrationType, version)
  } }
  const carts = await store43({ projections: [{ type: 'inline', projection }] })
  expect(begun).toEqual(['inline', 1])
  const order: string[] = []
  const onInit = async (): Promise<void> => void order.push(`hook behind ${begun.length}`)
  await setupOf(carts).projectorFactory({ projection: { ...projection, version: 2 }, hooks: { onInit } }).hooks.onInit({})
  expect([begun.slice(2), order]).toEqual([['async', 2], ['hook behind 4']])
})

test('data is serialized as 0.43 does it when that is asked for', async () => {
  const carts = await store43({ serialization: { options: { parseDates: true } } })
  await carts.appendToStream('s', [event('A', { n: 1 })])
  expect((await carts.readStream('s', { serialization: {} })).events[0]!.data).toEqual({ n: 1, parsed: true })
  expect(await failure(() => store43({ serialization: {}, value: json() }))).toBeInstanceOf(TypeError)
  expect(await failure(() => store({ serialization: {} }))).toBeInstanceOf(TypeError)
})

test('inline projections have appends of several streams in their order, though a stream goes on meanwhile', async () => {
  const positions: number[] = []
  const handle = (events: readonly { metadata: { globalPosition: bigint } }[]): void => {
    for (const { metadata } of events) positions.push(Number(metadata.globalPosition))
  }
  const log = await diskLog(freshFolder())
  const carts = await emmettEventStore(log, { projections: [{ type: 'inline', projection: { canHandle: ['A'], handle: handle as never } }] })
  const appends: Promise<unknown>[] = []
  for (let number = 0; number < 200; number++) {
    appends.push(carts.appendToStream('s', [event('A')]))
    if (number % 3 === 0) appends.push(carts.appendToStream(`t-${number % 5}`, [event('A')]))
    if (number % 10 === 0) await new Promise(setImmediate)
  }
  await Promise.all(appends)
  expect(positions).toEqual(positions.map((_, index) => index))
})

test('an inline projection may append', async () => {
  const projection = {
    canHandle: ['A'],
    handle: async (_: unknown, { eventStore: carts }: { eventStore: EmmettEventStore }) => { await carts.appendToStream('audit', [event('B')]) },
  }
  const carts = await store({ projections: [{ type: 'inline', projection: projection as never }] })
  await carts.appendToStream('s', [event('A')])
  expect((await carts.readStream('audit')).currentStreamVersion).toBe(1n)
  await carts.close()
})

test('a processor that fails is handed nothing behind what it failed at', async () => {
  const carts = await store()
  const seen: Record<string, number[]> = { good: [], bad: [] }
  const processor = (id: string, fails: number): EmmettProcessor => ({
    id, isActive: true, start: async () => 'BEGINNING', close: async () => {},
    handle: async (messages: { data: { n: number } }[]) => {
      for (const { data: { n } } of messages) {
        if (n === fails) throw new Error('no')
        seen[id]!.push(n)
      }
    },
  })
  await carts.appendToStream('s', [1, 2, 3].map((n) => event('A', { n })))
  const consumer = carts.consumer({ processors: [processor('good', 0), processor('bad', 2)] })
  const running = failure(() => consumer.start())
  await expect.poll(() => seen['good']).toEqual([1, 2, 3])
  await carts.appendToStream('s', [event('A', { n: 4 })])
  await expect.poll(() => seen['good']).toEqual([1, 2, 3, 4])
  expect(seen['bad']).toEqual([1])
  await consumer.close()
  expect((await running).message).toBe('no')
})

test('all who ask for the checkpoints of a category share them', async () => {
  const carts = await store()
  const [one, two] = [await carts.checkpoints(), await carts.checkpoints()]
  const at = (globalPosition: bigint): never => (
    { message: { metadata: { globalPosition } }, processorId: 'p', version: 1, lastCheckpoint: null } as never
  )
  expect(await one.store(at(7n), undefined as never)).toEqual({ success: true, newCheckpoint: 7n })
  expect(await two.store(at(3n), undefined as never)).toEqual({ success: false, reason: 'IGNORED' })
})

test('an expected version that is none is refused, and not taken for no check', async () => {
  const carts = await store()
  for (const expectedStreamVersion of [1, 'NO_STREAM', null] as never[]) {
    expect(await failure(() => carts.appendToStream('s', [event('A')], { expectedStreamVersion }))).toBeInstanceOf(TypeError)
  }
  expect(await carts.streamExists('s')).toBe(false)
})
