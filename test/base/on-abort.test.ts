import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { onAbort } from '../../src/base/on-abort.ts'
import { pause } from '../../src/base/pause.ts'
import { systemClock } from '../../src/base/clock.ts'

test('however many wait for a signal it has one listener, and none when nobody waits', () => {
  const { signal } = new AbortController()
  const ends = Array.from({ length: 20 }, () => onAbort(signal, () => {}))
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  for (const end of [...ends, ...ends]) end()
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  onAbort(signal, () => {})
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
})

test('all who listen are called once, also one that listens twice; one that was ended is not, also by another one', () => {
  const controller = new AbortController()
  const called: string[] = []
  const twice = (): void => void called.push('twice')
  const ends: (() => void)[] = []
  onAbort(controller.signal, twice)
  onAbort(controller.signal, () => { for (const end of ends) end() })
  onAbort(controller.signal, twice)
  ends.push(onAbort(controller.signal, () => void called.push('ended')))
  controller.abort()
  expect(called).toEqual(['twice', 'twice'])
})

test('nothing is waited for with a signal that is aborted', async () => {
  await pause(systemClock, 3_600_000, AbortSignal.abort())
})
