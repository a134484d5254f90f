import { expect, test } from 'vitest'
import { CommitLog, string } from '../../src/index.ts'
import { type DiskCall } from '../../src/testing/disk-faults.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

test('a log that was closed in good order is open before the disk has answered; what must be durable is, before anything is written', async () => {
  for (let seed = 1; seed <= 50; seed++) {
    let calls: DiskCall[] = []
    let early: readonly string[] = []
    const disk = new SimulatedDisk({
      seed, onCall: (call) => {
        if (call.path.endsWith('.log') && ['write', 'truncate'].includes(call.verb) && early.length === 0) early = missing(calls)
        calls.push(call)
      },
    })
    const before = await CommitLog.open('/log', { files: disk })
    await (await before.topic('t', { value: string })).send({ value: 'one' })
    await before.close()
    calls = []
    early = []
    const log = await CommitLog.open('/log', { files: disk })
    const topic = await log.topic('t', { value: string })
    const waited = missing(calls)
    await topic.send({ value: 'two' })
    expect(early, `SEED=${seed}`).toEqual([])
    expect(waited, `SEED=${seed}`).not.toEqual([])
    await log.close()
  }
})

/** What is not stored yet of what an open must store. */
function missing(calls: readonly DiskCall[]): string[] {
  const stored = new Set(calls.filter(({ outcome }) => outcome === 'ok').map(({ verb, path }) => `${verb} ${path}`))
  return ['sync /log/mark-a', 'sync /log/mark-b', 'syncFolder /log'].filter((call) => !stored.has(call))
}
