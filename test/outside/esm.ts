/*
 * A program of somebody else, in ESM, against the installed package: typed from end to end. Prints what it read.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommitLog, defineTopic, isLogError, json, string } from 'commitlog'
import { listen } from 'commitlog/kafka'

interface Order {
  readonly total: number
}

const Orders = defineTopic('orders', { partitions: 2, key: string, value: json<Order>() })
const folder = mkdtempSync(join(tmpdir(), 'commitlog-esm-'))

const log = await CommitLog.open(folder)
const orders = await log.topic(Orders)
const { partition, offset } = await orders.send({ key: 'o-1', value: { total: 3 } })
for (const record of orders.partition(partition).read({ from: offset })) {
  const total: number = record.value?.total ?? NaN
  const key: string | null = record.key
  console.log(key, total)
}
const kafka = await listen(log)
const ports: number[] = kafka.brokers.map(({ port }) => port)
console.log(kafka.bootstrap === `localhost:${ports[0]}`)
await kafka.close()
await log.close()

try {
  await orders.send({ key: 'o-2', value: { total: 4 } })
} catch (error) {
  if (!isLogError(error, 'LOG_CLOSED')) throw error
  const code: 'LOG_CLOSED' | string = error.code
  console.log(code)
}
rmSync(folder, { recursive: true })
