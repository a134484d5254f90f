/*
 * Programs against the portable contracts alone: what runs here runs on a local log and on a cluster. test/types/portable.test.ts compiles
 * each against both; test/topics/portable.test.ts runs them on a local log.
 */
import { defineTopic, json, type PortableLog, type PortableRecord, string } from '../../src/index.ts'

/** What the examples send. */
export interface Order {
  readonly total: number
}

export const Orders = defineTopic('orders', { partitions: 3, key: string, value: json<Order>() })

/** Sends one and several records, with everything that a record may have. */
export async function sends(log: PortableLog): Promise<number> {
  const orders = await log.topic(Orders)
  const { offset } = await orders.send({ key: 'o-1', value: { total: 12 } })
  const results = await orders.send([
    { key: 'o-1', value: null, headers: [['trace', 'a'], ['trace', 'b']] },
    { key: null, value: { total: 1 }, headers: { reason: Buffer.from('x') }, timestamp: 5 },
    { value: { total: 2 }, partition: 2 },
  ], { signal: new AbortController().signal })
  return offset + results.length
}

/** Reads to the end, record by record. */
export async function reads(log: PortableLog): Promise<number> {
  const orders = await log.topic(Orders)
  let sum = 0
  for await (const record of orders.consumer({ from: 'earliest', until: 'end' })) sum += total(record)
  return sum
}

/** Reads in batches, from several places. */
export async function readsBatches(log: PortableLog): Promise<number> {
  const orders = await log.topic(Orders)
  const consumer = orders.consumer({ from: new Map<number, number | 'latest'>([[0, 0], [1, 0], [2, 0]]), until: 'end', isolation: 'read_committed' })
  let count = 0
  for await (const batch of consumer.batches()) for (const { headers } of batch) count += 1 + headers.length
  await consumer.close()
  return count
}

/** Positions, seeking, pausing. */
export async function positions(log: PortableLog): Promise<readonly number[]> {
  const orders = await log.topic(Orders, { create: false })
  const consumer = orders.consumer({ partitions: [0, 2], from: { timestamp: 0 }, until: 'end' })
  consumer.pause(0)
  consumer.resume()
  consumer.seek(2, 'earliest')
  for await (const { header } of consumer) void header
  return consumer.assignment.map((partition) => consumer.position(partition))
}

/** A producer with its own partitioner. */
export async function produces(log: PortableLog): Promise<number> {
  const orders = await log.topic(Orders)
  const producer = orders.producer({ partitioner: ({ value }, partitions) => (value?.total ?? 0) % partitions })
  const { partition } = await producer.send({ value: { total: 4 } })
  await producer.flush()
  await producer.close()
  return partition
}

/** Several records that count together; then some that do not. */
export async function transacts(log: PortableLog): Promise<readonly string[]> {
  const orders = await log.topic(Orders)
  const sent = await log.transaction(async (tx) => {
    void tx.send(orders, { key: 't-1', value: { total: 1 } })
    void tx.commitOffsets('portable', [{ topic: 'orders', partition: 0, offset: 0, metadata: 'm' }])
    return (await tx.send(orders, [{ key: 't-2', value: { total: 2 }, partition: 1 }])).map(({ partition }) => `${partition}`)
  })
  const other = await log.beginTransaction({ transactionalId: 'mine', timeoutMs: 1000 })
  await other.send(orders, { key: 't-3', value: null })
  await other.abort()
  return sent
}

/** A group shares partitions and knows how far it is. */
export async function groups(log: PortableLog): Promise<readonly string[]> {
  const orders = await log.topic(Orders)
  await orders.send([{ key: 'g-1', value: { total: 1 } }, { key: 'g-2', value: { total: 2 } }])
  const consumer = orders.consumer({
    group: 'portable-group', autoCommit: false, until: 'end', onAssigned: (partitions) => void partitions.length, onRevoked: async () => {},
  })
  for await (const record of consumer) await consumer.commit(record, { metadata: 'done' })
  const committed = await consumer.committed(0)
  for await (const { topic } of log.consumer({ group: 'portable-all', topics: [Orders, /^none-/], until: 'end' })) if (topic !== 'orders') break
  await log.groups.resetOffsets('portable-group', { topic: 'orders', partitions: [0], to: 'earliest', dryRun: true })
  const lags = await log.groups.lag('portable-group')
  await log.groups.delete('portable-all')
  return [...(await log.groups.list()).map(({ group }) => group), ...lags.map(({ lag }) => `${lag}`), committed?.metadata ?? '']
}

/** What there is. */
export async function lists(log: PortableLog): Promise<readonly string[]> {
  return (await log.topics()).map(({ name, partitions }) => `${name} ${partitions}`)
}

/** Every example, by name. */
export const examples = { sends, reads, readsBatches, positions, produces, groups, transacts, lists } as const

function total({ value, header }: PortableRecord<string, Order>): number {
  void header
  return value === null ? 0 : value.total
}
