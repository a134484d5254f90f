/*
 * A life of a compacted log, drawn from one seed: records, batches, transactions, rolls and cleanings over a disk that fails, through
 * processes that are killed or lose their power in the middle of a cleaning. After each step readers must get what a naive model keeps
 * (test/log/compaction-model.ts), and in the end the files are checked as `commitlog verify` checks them.
 */
import { type Random, seededRandom } from '../../src/base/random.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { CompactedLog, type Step } from '../log/compaction-model.ts'

const codecs = ['none', 'gzip'] as const
const disturbances = ['kill', 'power cut', 'failure'] as const

/** Lives through the life that `seed` describes. Throws what was wrong with it. */
export async function simulate(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const log = new CompactedLog((clock) => new SimulatedDisk({ seed, clock }), { bufferBytes: random.int(3) === 0 ? 5000 : Infinity })
  await log.open()
  for (let left = 20 + random.int(100); left > 0; left--) {
    const step = drawStep(random)
    await log.run(step)
    check(log.problem(log.read()), seed, `after ${JSON.stringify(step)}`)
  }
  await log.run({ do: 'roll' })
  await log.clean()
  const open = log.entries.some(({ transaction }) => transaction?.state === 'open')
  check(log.problem(log.read(), open ? 0 : log.log.nextOffset), seed, 'after the last cleaning')
  await log.opened.close()
  check((await log.damage())[0], seed, 'after the close')
  check(log.disk.openHandles === 0 ? undefined : `${log.disk.openHandles} files are still open`, seed, 'after the close')
}

function check(problem: string | undefined, seed: number, when: string): void {
  if (problem !== undefined) throw new Error(`${problem}, ${when}, SEED=${seed}`)
}

function drawStep(random: Random): Step {
  const keys = Array.from({ length: 1 + random.int(6) }, () => random.int(10))
  const dice = random.int(36)
  if (dice < 12) return { do: 'append', key: random.int(10), tombstone: random.int(2) === 0 }
  if (dice < 16) return { do: 'batch', keys, compression: codecs[random.int(2)]!, producer: random.int(3) }
  if (dice < 20) return { do: 'transaction', keys, producer: random.int(3) }
  if (dice < 23) return { do: 'end', producer: random.int(3), type: random.int(2) === 0 ? 'COMMIT' : 'ABORT' }
  if (dice < 26) return { do: 'roll' }
  if (dice < 27) return { do: 'reopen' }
  if (dice < 31) return { do: 'clean', whole: random.int(2) === 0 }
  if (dice < 33) return { do: 'wait', ms: random.int(1500) }
  return { do: 'disturbed', calls: random.int(60), by: disturbances[random.int(3)]! }
}
