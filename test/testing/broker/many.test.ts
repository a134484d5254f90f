/*
 * Test brokers come and go by the thousand: none leaves memory, ports or timers behind, and many live side by side.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { client, produceOne } from './harness.ts'

/** Bytes on the heap once everything that can go is gone. */
async function heapBytes(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let round = 0; round < 3; round++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().heapUsed
}

async function live(): Promise<void> {
  const kafka = await startTestBroker({ topics: { t: 1 } })
  kafka.topic('t').append({ value: 'v' })
  await kafka.group('g').describe()
  await kafka.reset()
  await kafka.close()
}

test('a thousand in a row leave nothing behind', async () => {
  for (let count = 0; count < 50; count++) await live()
  const [before, handles] = [await heapBytes(), process.getActiveResourcesInfo().length]
  for (let count = 0; count < 1000; count++) await live()
  expect((await heapBytes()) - before).toBeLessThan(4_000_000)
  expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(handles)
})

test('fifty at once do not see each other', async () => {
  const brokers = await Promise.all(Array.from({ length: 50 }, () => startTestBroker({ topics: { t: 1 } })))
  const work = async (kafka: TestBroker, index: number): Promise<void> => {
    const raw = await client(kafka)
    for (let count = 0; count <= index; count++) expect(await produceOne(raw, 't', 0, `${index}`)).toMatchObject({ errorCode: 0, baseOffset: count })
    expect(kafka.topic('t').records().every((record) => record.text() === `${index}`)).toBe(true)
  }
  await Promise.all(brokers.map(work))
  await Promise.all(brokers.map((kafka) => kafka.close()))
})
