/*
 * Races that are planted in small services, and found; and the same services without them, in which nothing is.
 */
import { promisify } from 'node:util'
import { type Consumer, Kafka, logLevel } from 'kafkajs'
import { expect, test } from 'vitest'
import { isLogError, type LogError } from '../../../src/index.ts'
import { explore, type ExploredRun, type FaultSpec } from '../../../src/testing/index.ts'
import { fakeTimers } from '../../../src/testing/clock/fake-timers.ts'

test('two handlers that read, wait and write are found to lose an update, by one deviation', async () => {
  const error = await failureOf(explore(updates(false), { seed: 1 }))
  expect(error.detail['deviations']).toHaveLength(1)
  expect(error.message).toMatch(/expected 2 to be 3[^]*it takes one deviation from the default order/)
  expect(error.message).toContain('again: explore(test, { replay: "seed 1; hold step/save#1 1" })')
  await explore(updates(true), { seed: 1, runs: 50 })
})

test('an offset that is committed before the record is processed is found to lose it', async () => {
  const broker = { topics: { orders: 1 } }
  const error = await failureOf(explore(billing({ commitFirst: true }), { seed: 16, broker, runs: 300, longest: '3s' }))
  expect((error.detail['deviations'] as unknown[]).length).toBeLessThanOrEqual(2)
  expect(error.message).toContain('order 0 was charged')
  await failureOf(explore(billing({ commitFirst: true }), { broker, replay: String(error.detail['schedule']) }))
  await explore(billing({ commitFirst: false }), { seed: 16, broker, runs: 20, longest: '3s' })
}, 120_000)

test('two consumers that both believe to own a partition are found to charge twice', async () => {
  const broker = { topics: { orders: 1 } }
  const error = await failureOf(explore(owners({ byOffset: false }), { seed: 16, broker, runs: 300, longest: '10s' }))
  expect(error.detail['deviations']).toHaveLength(1)
  expect(error.message).toContain('charged twice')
  await explore(owners({ byOffset: true }), { seed: 16, broker, runs: 20, longest: '10s' })
}, 120_000)

test('a retry that is not idempotent is found to store a record twice, by one fault', async () => {
  const broker = { topics: { invoices: 1 } }
  const faults: FaultSpec[] = [{ api: 'Produce', actions: [{ type: 'close', when: 'after-apply' }] }]
  const error = await failureOf(explore(retries({ idempotent: false }), { seed: 7, broker, faults, longest: '10s' }))
  expect(error.detail['deviations']).toEqual([{ kind: 'fault', fault: 1, call: expect.any(Number) as number }])
  await explore(retries({ idempotent: true }), { seed: 7, broker, faults, runs: 20, longest: '10s' })
}, 120_000)

test('the same seed explores the same schedules', async () => {
  const broker = { topics: { invoices: 1 } }
  const faults: FaultSpec[] = [{ api: 'Produce', actions: [{ type: 'close', when: 'after-apply' }] }]
  const find = (): Promise<LogError> => failureOf(explore(retries({ idempotent: false }), { seed: 3, broker, faults, longest: '3s' }))
  const [first, second] = [await find(), await find()]
  expect(second.message).toBe(first.message)
  expect(second.detail).toEqual(first.detail)
}, 120_000)

test('a test that fails in the default order, one that never ends, and one that is not the same twice are told', async () => {
  const wrong = await failureOf(explore(() => Promise.reject(new Error('wrong')), { seed: 1 }))
  expect([wrong.message, wrong.detail['schedule']]).toEqual([expect.stringContaining('run 1 of seed 1 failed; in the default order'), 'seed 1'])
  const endless = await failureOf(explore(() => new Promise(() => {}), { seed: 1 }))
  expect(endless.message).toContain('the test does not end: nothing is under way, and nobody waits for any time that a run knows of')
  const slow = await failureOf(explore((run) => run.sleep('2h'), { seed: 1 }))
  expect(slow.message).toContain('it was not over after 600000 ms of virtual time')
  let count = 0
  const chance = await failureOf(explore(() => (count++ === 0 ? Promise.reject(new Error('once')) : Promise.resolve()), { seed: 1 }))
  expect(chance.message).toMatch(/once[^]*run again, passed/)
})

test('time and chance are of the run, and of the machine behind it', async () => {
  const draws: unknown[] = []
  const { runs } = await explore(async (run) => {
    const began = Date.now()
    await run.sleep('1h')
    draws.push([began, Date.now() - began, new Date().getTime() - began, Math.random(), await new Promise((resolve) => {
      let ticks = 0
      const timer = setInterval(() => void (++ticks === 3 && (clearInterval(timer), resolve(ticks))), 100)
    })])
  }, { runs: 2, seed: 1, most: '2h' })
  // Without messages there is one order.
  expect(runs).toBe(1)
  expect(draws[0]).toEqual([Date.UTC(2026, 0, 1), 3_600_000, 3_600_000, expect.any(Number), 3])
  expect(fakeTimers()).toBeUndefined()
  expect(Date.now()).toBeGreaterThan(Date.UTC(2026, 0, 2))
})

test('timers that were set before a run are those of the machine, whatever their numbers are', async () => {
  const before = setTimeout(() => { throw new Error('it was cleared') }, 50)
  let other: NodeJS.Timeout | undefined
  await explore(() => {
    other = setTimeout(() => {}, 10_000)
    return Promise.resolve()
  }, { runs: 1, seed: 1 })
  await explore(async () => {
    const fired = Array.from({ length: 10 }, () => new Promise((resolve) => { setTimeout(resolve, 10) }))
    clearTimeout(before)
    clearTimeout(other)
    await Promise.all(fired)
    expect(await promisify(setTimeout)(20, 'slept')).toBe('slept')
  }, { runs: 1, seed: 1 })
  await new Promise((resolve) => { setTimeout(resolve, 100) })
})

test('whatever fails when a run ends, the rest is ended too', async () => {
  const ended: string[] = []
  const error = await failureOf(explore(async (run) => {
    run.onEnd(() => ended.push('first'))
    run.onEnd(() => Promise.reject(new Error('no end')))
  }, { seed: 1, runs: 1 }))
  expect(error.message).toContain('no end')
  expect(ended[0]).toBe('first')
})

const misuse: readonly (readonly [name: string, options: object, message: RegExp])[] = [
  ['an option that there is not', { sead: 1 }, /did you mean "seed"/], ['no runs', { runs: 0 }, /runs/],
  ['a clock', { broker: { clock: 'real' } }, /explore's own/],
  ['text that is no schedule', { replay: 'seed 1; hald x 1' }, /hald x 1/], ['nothing as a schedule', { replay: '' }, /replay is a schedule/],
  ['faults that are none', { faults: 7 }, /faults is a list/],
]
for (const [name, options, message] of misuse) {
  test(`${name} is refused`, () => expect(explore(async () => {}, options)).rejects.toThrow(message))
}

/** Two updates of one number: with a turn, or without. */
function updates(inTurn: boolean): (run: ExploredRun) => Promise<void> {
  return async (run) => {
    let balance = 0
    let turn = Promise.resolve()
    const add = async (amount: number): Promise<void> => {
      const read = balance
      await run.step('save')
      balance = read + amount
    }
    const begin = (amount: number): Promise<void> => (inTurn ? (turn = turn.then(() => add(amount))) : add(amount))
    const first = begin(1)
    await run.step('request')
    await Promise.all([first, begin(2)])
    expect(balance).toBe(3)
  }
}

type Charge = (offset: number, isAlive: () => boolean) => Promise<void>

/** A service that reads orders: what it does with one, and what it commits when. */
async function startService(run: ExploredRun, clientId: string, charge: Charge, commitFirst = false): Promise<() => Promise<void>> {
  const { kafka } = run
  const client = new Kafka({
    clientId, brokers: kafka.bootstrap.split(','), socketFactory: kafka.socketFactory(), logLevel: logLevel.NOTHING,
    retry: { retries: 50, initialRetryTime: 50 },
  })
  const consumer: Consumer = client.consumer({ groupId: 'billing', sessionTimeout: 6000, heartbeatInterval: 1000, maxWaitTimeInMs: 500 })
  let alive = true
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    alive = false
    return (stopped ??= consumer.disconnect())
  }
  run.onEnd(stop)
  await consumer.connect()
  await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, partition, message: { offset } }) => {
      const commit = (): Promise<void> => consumer.commitOffsets([{ topic, partition, offset: String(Number(offset) + 1) }])
      if (commitFirst) await commit()
      await charge(Number(offset), () => alive)
      if (!commitFirst) await commit()
    },
  })
  return stop
}

/** A service that is stopped at some time, as by a deploy, and another one that goes on where it was. */
function billing({ commitFirst }: { readonly commitFirst: boolean }): (run: ExploredRun) => Promise<void> {
  return async (run) => {
    const { kafka } = run
    const charged = new Set<number>()
    const charge: Charge = async (offset, isAlive) => {
      await run.step('charge')
      if (!isAlive()) throw new Error('the process is gone')
      charged.add(offset)
    }
    kafka.topic('orders').append([{ value: 'a' }, { value: 'b' }])
    const stop = await startService(run, 'first', charge, commitFirst)
    await run.step('deploy')
    void stop().catch(() => {})
    await startService(run, 'second', charge, commitFirst)
    await Promise.race([run.until(() => charged.size === 2), run.sleep('20s')])
    for (const offset of [0, 1]) expect(charged.has(offset), `order ${offset} was charged`).toBe(true)
  }
}

/** Two services, and an account that is charged by one that has an order. */
function owners({ byOffset }: { readonly byOffset: boolean }): (run: ExploredRun) => Promise<void> {
  return async (run) => {
    const { kafka } = run
    const charges: number[] = []
    let under = 0
    const charge: Charge = async (offset) => {
      under++
      await run.step('charge')
      if (!byOffset || !charges.includes(offset)) charges.push(offset)
      under--
    }
    await startService(run, 'first', charge)
    await startService(run, 'second', charge)
    kafka.topic('orders').append([{ value: 'a' }, { value: 'b' }])
    await run.until(() => under === 0 && [0, 1].every((offset) => charges.includes(offset)))
    expect(charges.length, 'charged twice').toBe(new Set(charges).size)
  }
}

/** A service that sends until it is told that what it sent is there. */
function retries({ idempotent }: { readonly idempotent: boolean }): (run: ExploredRun) => Promise<void> {
  return async ({ kafka }) => {
    const client = new Kafka({
      clientId: 'service', brokers: kafka.bootstrap.split(','), socketFactory: kafka.socketFactory(), logLevel: logLevel.NOTHING,
      retry: { retries: 50, initialRetryTime: 50 },
    })
    const producer = client.producer({ idempotent })
    await producer.connect()
    for (const id of ['i-1', 'i-2', 'i-3']) await producer.send({ topic: 'invoices', messages: [{ key: id, value: id }] })
    await producer.disconnect()
    expect(kafka.topic('invoices').records().map(({ key }) => key)).toEqual(['i-1', 'i-2', 'i-3'])
  }
}

async function failureOf(exploration: Promise<unknown>): Promise<LogError> {
  const error: unknown = await exploration.then(() => undefined, (reason: unknown) => reason)
  if (isLogError(error, 'LOG_SCHEDULE_FAILED')) return error
  throw error ?? new Error('nothing was found')
}
