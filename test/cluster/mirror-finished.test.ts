/*
 * What a consume finished above its commit, and mirrors: it counts offsets of the source, which are others on the target.
 */
import { expect, test, vi } from 'vitest'
import { connect, mirror } from '../../src/cluster/index.ts'
import { CommitLog, defineTopic, string } from '../../src/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { collect } from '../topics/harness.ts'
import { overListener } from './harness.ts'

const Words = defineTopic('words', { partitions: 1, key: string, value: string })

test('a mirror carries nothing of what consume finished above a commit: no record is taken for another one on the target', () => (
  overListener(async ({ log: source }) => {
    const target = await CommitLog.memory()
    const words = await source.topic(Words)
    const mirroring = await mirror(source, target, { topics: ['words'], groups: ['g'], groupIntervalMs: 20 })
    // Two transactions on the target: a marker stands between, and places behind it are others than on the source.
    for (const values of [['0', '1', '2'], ['3', '4', '5']]) {
      await words.send(values.map((value) => ({ key: value, value })))
      await mirroring.caughtUp()
    }
    const [handled, held] = [[] as (string | null)[], ['1', '3']]
    const first = words.consume({ group: 'g', order: 'key' }, async ({ value }) => {
      if (held.includes(value!)) await new Promise(() => {})
      handled.push(value)
    })
    await vi.waitFor(() => expect(handled).toEqual(['0', '2', '4', '5']), 20_000)
    await first.stop({ deadlineMs: 0 })
    const consumer = words.consumer({ group: 'g', autoCommit: false })
    expect(await consumer.committed(0)).toEqual({ offset: 1, metadata: '' })
    await consumer.close()
    await mirroring.caughtUp()
    await mirroring.stop()
    const rest: (string | null)[] = []
    const second = (await target.topic(Words)).consume({ group: 'g', order: 'key' }, ({ value }) => void rest.push(value))
    await vi.waitFor(() => expect(rest).toEqual(['1', '2', '3', '4', '5']), 20_000)
    await second.stop()
    await target.close()
  })
), 60_000)

test('records of which the target tells that it has them, and not any more where, are mirrored again: groups go on at the right ones', async () => {
  const kafka = await startTestBroker()
  const source = await CommitLog.memory()
  const words = await source.topic(Words)
  await words.send(['a', 'b', 'c'].map((value) => ({ key: value, value })))
  await source.transaction((transaction) => transaction.commitOffsets('g', [{ topic: 'words', partition: 0, offset: 1 }]))
  const target = await connect({ brokers: kafka.bootstrap })
  kafka.faults.on('Produce').matching((request) => JSON.stringify(request).includes('"words"')).once().answer((response) => (
    JSON.parse(JSON.stringify(response), (name, value: unknown) => (
      name === 'errorCode' ? DUPLICATE_SEQUENCE_NUMBER : name === 'baseOffset' ? -1 : value
    )) as Readonly<Record<string, unknown>>
  ))
  const mirroring = await mirror(source, target, { topics: ['words'], groups: ['g'], until: 'end' })
  await mirroring.done
  const rest = await collect((await target.topic(Words)).consumer({ group: 'g', until: 'end' }))
  expect(rest.map(({ value }) => value)).toEqual(['b', 'c'])
  await target.close()
  await source.close()
  await kafka.close()
}, 60_000)

const DUPLICATE_SEQUENCE_NUMBER = 46
