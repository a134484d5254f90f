/*
 * What must be a mistake to a program of somebody else, by whichever TypeScript: the types of a topic reach everything that reads it. Were a
 * record `any`, the lines below that are to be refused would not be.
 */
import { CommitLog, defineTopic, json, string } from 'commitlog'
import { listen } from 'commitlog/kafka'
import { ManualClock } from 'commitlog/testing'

interface Order {
  readonly total: number
}

export async function check(): Promise<void> {
  const log = await CommitLog.memory({ clock: new ManualClock() })
  const orders = await log.topic(defineTopic('orders', { key: string, value: json<Order>() }))

  // @ts-expect-error a key is text
  await orders.send({ key: 1, value: { total: 1 } })
  for await (const record of orders.consumer()) {
    // @ts-expect-error a number is no text
    const text: string = record.value!.total
    console.log(text)
  }
  for await (const batch of orders.consumer({ group: 'billing' }).batches()) {
    // @ts-expect-error a number is no text
    const text: string = batch[0]!.value!.total
    console.log(text)
  }
  const next = await orders.consumer()[Symbol.asyncIterator]().next()
  if (next.done !== true) {
    // @ts-expect-error text is no number
    const key: number | null = next.value.key
    console.log(key)
  }
  orders.consume({ group: 'billing' }, ({ value }) => {
    // @ts-expect-error a number is no text
    const text: string = value!.total
    console.log(text)
  })
  const kafka = await listen(log)
  // @ts-expect-error text is no number
  const port: number = kafka.bootstrap
  console.log(port)
}
