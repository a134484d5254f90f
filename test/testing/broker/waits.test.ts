/*
 * Waits of a test broker that whoever waits ends himself, by a signal.
 */
import { expect, test } from 'vitest'
import { matchers } from '../../../src/testing/index.ts'
import { startBroker } from './harness.ts'

const { toBeCaughtUp, toHaveProduced, toHaveProducedExactly, toHaveReceivedRequest } = matchers

test('every wait ends with its signal, and with the reason of it', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  const topic = kafka.topic('orders')
  const group = kafka.group('g')
  for (const wait of [
    (signal: AbortSignal) => topic.next({ signal }),
    (signal: AbortSignal) => topic.waitFor(() => false, { signal }),
    (signal: AbortSignal) => group.ready({ signal }),
    (signal: AbortSignal) => group.caughtUp({ signal }),
    (signal: AbortSignal) => group.rebalanced({ signal }),
    (signal: AbortSignal) => kafka.until(() => undefined, 'nothing', 10_000, signal),
    (signal: AbortSignal) => toHaveProduced(kafka, 'orders', { key: 'a' }, { signal }),
    (signal: AbortSignal) => toHaveProducedExactly(kafka, 'orders', 1, { signal }),
    (signal: AbortSignal) => toBeCaughtUp(kafka, 'g', { signal }),
    (signal: AbortSignal) => toHaveReceivedRequest(kafka, 'Produce', {}, { signal }),
  ]) {
    const controller = new AbortController()
    const waiting = wait(controller.signal)
    controller.abort(new Error('no more'))
    await expect(waiting).rejects.toThrow('no more')
  }
})

test('a wait whose signal is aborted already does not begin', async () => {
  const kafka = await startBroker({ topics: { orders: 1 } })
  kafka.topic('orders').append({ value: 'here' })
  await expect(kafka.topic('orders').next({ signal: AbortSignal.abort(new Error('too late')) })).rejects.toThrow('too late')
  expect((await kafka.topic('orders').next()).text()).toBe('here')
})

test('a broker that is down says so', async () => {
  const kafka = await startBroker({ brokers: 2 })
  await kafka.faults.broker(2).down()
  expect([1, 2].map((nodeId) => kafka.faults.broker(nodeId).isUp)).toEqual([true, false])
  await kafka.faults.broker(2).up()
  expect(kafka.faults.broker(2).isUp).toBe(true)
})
