/*
 * Events of several tenants in one folder: a category for each, with its own order, projections, keys and end. And tenants of one category, by
 * the names of their streams.
 */
import { expect, test } from 'vitest'
import { exportEvents, importEvents } from '../../src/events/transfer.ts'
import { defineEvents, defineProjection, eventStore, isForgotten, logKeys, project, react, shredded } from '../../src/events/index.ts'
import { type LocalEventStore } from '../../src/events/event-store.ts'
import { type Projection } from '../../src/events/projection-types.ts'
import { type CommitLog } from '../../src/index.ts'
import { collect, diskLog, freshFolder, memoryLog } from '../topics/harness.ts'

type Ordered = { readonly type: 'Ordered'; readonly data: { readonly customer: string; readonly cents: number } }

const TENANTS = Array.from({ length: 12 }, (_, number) => `tenant-${number}`)
const Sums = defineProjection<Ordered, number>({
  name: 'sums', key: ({ data }) => data.customer, initial: () => 0, on: { Ordered: (sum, { data }) => sum + data.cents },
})

interface Tenant {
  readonly store: LocalEventStore<Ordered>
  readonly sums: Projection<number>
}

async function tenantOf(log: CommitLog, tenant: string): Promise<Tenant> {
  const keys = await logKeys(log, `${tenant}.keys`)
  for (const customer of ['ada', 'bob']) await keys.create(customer)
  const value = shredded<Ordered['data']>({ keys, subject: ({ customer }) => customer })
  const store = await eventStore(log, defineEvents<Ordered>(`${tenant}.orders`, { value, settings: { durability: 'os' } }))
  return { store, sums: await project(store, Sums) }
}

test('each tenant of a folder has categories of its own: streams of the same names, ids, positions and projections do not meet', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const tenants = await Promise.all(TENANTS.map((tenant) => tenantOf(log, tenant)))
  await Promise.all(tenants.flatMap(({ store }, number) => Array.from({ length: 20 }, (_, order) => (
    store.append(`order-${order % 5}`, { type: 'Ordered', data: { customer: order % 2 === 0 ? 'ada' : 'bob', cents: number }, id: `id-${order}` })
  ))))
  for (const [number, { store, sums }] of tenants.entries()) {
    await sums.caughtUp()
    expect([store.nextPosition, store.streamCount, store.head('order-0')]).toEqual([20, 5, 4])
    expect([...sums.entries()].sort()).toEqual([['ada', number * 10], ['bob', number * 10]])
    expect((await store.append('order-0', { type: 'Ordered', data: { customer: 'ada', cents: number }, id: 'id-0' })).duplicate).toBe(true)
  }
  // Somebody is forgotten by one tenant, and by no other.
  const keys = await logKeys(log, 'tenant-3.keys')
  await keys.forget('ada')
  const forgotten = async ({ store }: Tenant): Promise<number> => (
    (await collect(store.all({ until: 'end' }))).filter(({ data }) => isForgotten(data)).length
  )
  expect(await Promise.all(tenants.map(forgotten))).toEqual(TENANTS.map((_, number) => (number === 3 ? 10 : 0)))
  // One moves to a folder of its own, and its topics go.
  const moved = await eventStore<Ordered>(await memoryLog(), { category: 'orders' })
  await importEvents(moved, (async function* () { for await (const { line } of exportEvents(tenants[5]!.store)) yield line })())
  expect(moved.nextPosition).toBe(20)
  await tenants[5]!.sums.close()
  await tenants[5]!.store.close()
  for (const { name } of await log.topics()) if (name.startsWith('tenant-5.')) await log.deleteTopic(name)
  await Promise.all(tenants.filter((_, number) => number !== 5).map(({ sums }) => sums.close()))
  await log.close()
  const again = await diskLog(folder)
  expect((await again.topics()).some(({ name }) => name.startsWith('tenant-5.'))).toBe(false)
  const { sums } = await tenantOf(again, 'tenant-7')
  expect(sums.get('bob')).toBe(70)
  await sums.close()
})

test('many small tenants share a category: streams are named by tenant, and rows and reactions told apart by it', async () => {
  const store = await eventStore<Ordered>(await memoryLog(), { category: 'orders' })
  const tenantIn = (stream: string): string => stream.slice(0, stream.indexOf('/'))
  const sums = await project(store, defineProjection<Ordered, number>({
    name: 'sums', key: ({ stream, data }) => `${tenantIn(stream)}/${data.customer}`, initial: () => 0,
    on: { Ordered: (sum, { data }) => sum + data.cents },
  }))
  const told: string[] = []
  const bell = await react(store, { name: 'bell', handle: ({ stream }) => { told.push(tenantIn(stream)) } })
  for (const tenant of ['red', 'blue']) {
    await store.append(`${tenant}/order-1`, { type: 'Ordered', data: { customer: 'ada', cents: tenant.length } }, { expected: 'none' })
  }
  await Promise.all([sums.caughtUp(), bell.caughtUp()])
  expect([[...sums.entries()], told]).toEqual([[['red/ada', 3], ['blue/ada', 4]], ['red', 'blue']])
  await Promise.all([sums.close(), bell.close()])
})
