/*
 * An outbox without a table to poll: what a service decides is an event on its disk, and a mirror takes every event to a Kafka cluster, once and in
 * order. With addresses of brokers it goes there; without, to a cluster of this process.
 *
 *   node outbox.js [host:port,host:port]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommitLog, defineTopic, json } from 'commitlog'
import { connect, mirror } from 'commitlog/cluster'
import { eventStore } from 'commitlog/events'
import { listen } from 'commitlog/kafka'

const stand = process.argv[2] === undefined ? await listen(await CommitLog.memory()) : undefined
const folder = await mkdtemp(join(tmpdir(), 'outbox-'))
const log = await CommitLog.open(folder)
const cluster = await connect({ brokers: process.argv[2] ?? stand!.bootstrap })

const parcels = await eventStore(log, { category: 'parcel' })
await parcels.append('p-1', [{ type: 'Accepted', data: { from: 'ada', to: 'grace' } }])

// What was there before the mirror is taken along; from here on it follows.
const outbox = await mirror(log, cluster, { topics: ['parcel'] })
const started = performance.now()
await parcels.append('p-1', [{ type: 'Shipped', data: { truck: 7 } }, { type: 'Delivered', data: { at: 'the door' } }])

// Any Kafka client reads them; this one is the portable consumer of a cluster.
const topic = await cluster.topic(defineTopic('parcel', { value: json<object>() }), { create: false })
let seen = 0
for await (const event of topic.consumer({ from: 'earliest' })) {
  console.log(`${event.key} ${String(event.header('cl-type'))} ${JSON.stringify(event.value)}`)
  if (++seen === 3) break
}
console.log(`on the cluster ${Math.ceil(performance.now() - started)} ms after they were appended`)

await outbox.caughtUp()
const { records, lag } = await outbox.status()
console.log(`${records} events, ${lag} left`)
await outbox.stop()
await cluster.close()
await log.close()
await stand?.close()
await rm(folder, { recursive: true })
