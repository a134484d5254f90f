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

/** What there is. */
export async function lists(log: PortableLog): Promise<readonly string[]> {
  return (await log.topics()).map(({ name, partitions }) => `${name} ${partitions}`)
}

/** Every example, by name. */
export const examples = { sends, reads, readsBatches, positions, produces, lists } as const

function total({ value, header }: PortableRecord<string, Order>): number {
  void header
  return value === null ? 0 : value.total
}
