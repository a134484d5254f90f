import { expect, test } from 'vitest'
import { CommitLog, string, type Topic } from '../../src/index.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

// SEED=534887176 of the sweeps (sweeps.test.ts) found it.
test('what was aborted stays so though an open after a crash fails to sync the folder, and the power goes after the next one', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const first = new SimulatedDisk({ seed })
    await abortOne(await open(first))
    const killed = first.crash({ power: false })
    const heal = killed.inject({ verb: 'syncFolder', path: '/log/t-0', error: 'EIO' })
    await expect(open(killed)).rejects.toMatchObject({ code: 'LOG_IO' })
    heal()
    const again = await open(killed)
    await again.topic.send({ value: 'later' })
    await again.log.close()
    const { log, topic } = await open(killed.crash({ power: true }))
    expect([...topic.partition(0).read()].map(({ value }) => value), `SEED=${seed}`).toEqual(['before', 'later'])
    await log.close()
  }
})

interface Opened {
  readonly log: CommitLog
  readonly topic: Topic<string, string>
}

async function open(disk: SimulatedDisk): Promise<Opened> {
  const log = await CommitLog.open('/log', { files: disk })
  try {
    return { log, topic: await log.topic('t', { value: string }) }
  } catch (error) {
    await log.close()
    throw error
  }
}

/** The list of aborted transactions is there then, and its entry in the folder not synced. */
async function abortOne({ log, topic }: Opened): Promise<void> {
  await topic.send({ value: 'before' })
  const tx = await log.beginTransaction()
  await tx.send(topic, { value: 'never' })
  await tx.abort()
}
