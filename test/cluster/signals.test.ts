/*
 * Signals through the door of clusters: what is only there, beside what every log does (portable-conformance.test.ts).
 */
import { getEventListeners } from 'node:events'
import { expect, test, vi } from 'vitest'
import { defineTopic, string } from '../../src/index.ts'
import { collect } from '../topics/harness.ts'
import { overListener } from './harness.ts'

const Words = defineTopic('words', { partitions: 1, value: string })

test('one signal is for a whole service: it has one listener, however many wait', () => overListener(async ({ log }) => {
  const topic = await log.topic(Words)
  const controller = new AbortController()
  const { signal } = controller
  const handled: (string | null)[] = []
  const loops = Array.from({ length: 6 }, () => collect(topic.consumer({ signal })).catch(() => []))
  const consumptions = Array.from({ length: 6 }, (_, number) => (
    topic.consume({ group: `g${number}`, signal }, ({ value }) => void handled.push(value))
  ))
  const listening: number[] = []
  const look = (): void => void listening.push(getEventListeners(signal, 'abort').length)
  look()
  await Promise.all([topic.send({ value: 'a' }, { signal }), log.groups.list({ signal }), topic.offsets({ signal })].map((asked) => {
    look()
    return asked
  }))
  await vi.waitFor(() => expect(handled).toHaveLength(6), 20_000)
  look()
  expect(Math.max(...listening)).toBe(1)
  controller.abort()
  await Promise.all([...loops, ...consumptions.map(({ done }) => done)])
  await vi.waitFor(() => expect(getEventListeners(signal, 'abort')).toHaveLength(0), 20_000)
}), 60_000)
