/*
 * Follows a topic as it grows: one loop reads what is there and then waits for more, while the same process appends. Then it goes back in
 * time. The log is in memory; `CommitLog.open(folder)` in its place keeps it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { CommitLog, defineTopic, msgpack, string } from 'commitlog'

interface Reading {
  readonly celsius: number
}

const Temperatures = defineTopic('temperatures', { partitions: 2, key: string, value: msgpack<Reading>() })

const log = await CommitLog.memory()
const temperatures = await log.topic(Temperatures)
const stop = new AbortController()
const started = Date.now()

const following = follow()
for (const [minute, celsius] of [18.5, 19, 19.2, 18.9].entries()) {
  await temperatures.send({ key: 'kitchen', value: { celsius }, timestamp: started + minute * 60_000 })
  await sleep(10)                                             // so that one can watch them arrive one by one
}
await following

console.log('again, from the second minute on:')
const consumer = temperatures.consumer({ from: { timestamp: started + 120_000 }, until: 'end' })
for await (const { key, value } of consumer) console.log(`  ${key} ${value?.celsius} °C`)
await log.close()

/** Ends when the signal is aborted; a loop then throws the signal's reason. */
async function follow(): Promise<void> {
  let seen = 0
  try {
    for await (const { key, value, partition, offset } of temperatures.consumer({ signal: stop.signal })) {
      console.log(`${key} ${value?.celsius} °C at offset ${offset} of partition ${partition}`)
      if (++seen === 4) stop.abort()
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
}
