/*
 * Waiting for a mirror, and no longer waiting for it.
 */
import { expect, test } from 'vitest'
import { connect, mirror } from '../../src/cluster/index.ts'
import { CommitLog, defineTopic, string } from '../../src/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'

const Words = defineTopic('words', { value: string })

test('a signal ends the waiting for a mirror to catch up or to stop, and the mirror goes on', async () => {
  const kafka = await startTestBroker()
  const log = await CommitLog.memory()
  const cluster = await connect({ brokers: kafka.bootstrap, timeoutMs: 600_000 })
  const words = await log.topic(Words)
  const mirroring = await mirror(log, cluster, { topics: [Words] })
  const silent = kafka.faults.on('Produce').silence()
  await words.send({ value: 'a' })
  await kafka.until(() => (silent.fired > 0 ? true : undefined), 'nothing was mirrored')
  const reason = new Error('enough')
  await expect(mirroring.caughtUp({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const controller = new AbortController()
  const waits = [mirroring.caughtUp({ signal: controller.signal }), mirroring.stop({ signal: controller.signal })]
  const thrown = waits.map((wait) => wait.then(() => undefined, (error: unknown) => error))
  controller.abort(reason)
  expect(await Promise.all(thrown)).toEqual([reason, reason])
  silent.cancel()
  await mirroring.done
  const copy: (string | null)[] = []
  for await (const { value } of (await cluster.topic(Words)).consumer({ until: 'end' })) copy.push(value)
  expect(copy).toEqual(['a'])
  await cluster.close()
  await log.close()
  await kafka.close()
})

test('a signal ends the beginning of a mirror, at once and with its reason', async () => {
  const kafka = await startTestBroker()
  const log = await CommitLog.memory()
  const cluster = await connect({ brokers: kafka.bootstrap, timeoutMs: 600_000 })
  await log.topic(Words)
  const silent = kafka.faults.on('CreateTopics').silence()
  const controller = new AbortController()
  const beginning = mirror(log, cluster, { topics: [Words], signal: controller.signal }).then(() => undefined, (error: unknown) => error)
  await kafka.until(() => (silent.fired > 0 ? true : undefined), 'nothing was made')
  const reason = new Error('enough')
  controller.abort(reason)
  expect(await beginning).toBe(reason)
  silent.cancel()
  await cluster.close()
  await log.close()
  await kafka.close()
})
