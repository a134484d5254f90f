import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, test } from 'vitest'
import { afterwards, diskLog, freshFolder, memoryLog } from './harness.ts'

/** What is published on a channel during the test. */
function heard(name: string): unknown[] {
  const messages: unknown[] = []
  const listen = (message: unknown): void => void messages.push(message)
  subscribe(name, listen)
  afterwards(() => void unsubscribe(name, listen))
  return messages
}

test('appends, rounds and syncs are published for who subscribes', async () => {
  const [appends, rounds, syncs, slow] = ['append', 'round', 'sync', 'slow-sync'].map((name) => heard(`commitlog:${name}`))
  const folder = freshFolder()
  const topic = await (await diskLog(folder)).topic('t')
  await topic.send({ value: 1 })
  await topic.partition(0).durable(topic.partition(0).append({ value: 2 }))
  const where = { log: folder, topic: 't', partition: 0 }
  expect(appends).toEqual([{ ...where, offset: 0 }, { ...where, offset: 1 }])
  expect(rounds).toContainEqual({ type: 'round', ...where, bytes: expect.any(Number), ms: expect.any(Number) })
  expect(syncs).toContainEqual({ type: 'sync', ...where, ms: expect.any(Number) })
  expect(slow!.length).toBeLessThanOrEqual(syncs!.length)
})

test('what a listener throws is thrown on its own, and the log goes on', async () => {
  const thrown = new Error('in the listener')
  const caught: unknown[] = []
  const original = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => caught.push(error))
  try {
    const log = await memoryLog({ onEvent: () => { throw thrown } })
    const topic = await log.topic('t', { segmentBytes: 100, batchSize: 1 })
    for (let n = 0; n < 5; n++) await topic.send({ value: Buffer.alloc(50) })
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of original) process.on('uncaughtException', listener)
  }
  expect(caught).toContain(thrown)
})
