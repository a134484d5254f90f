/*
 * What crashes leave is no damage: after every process of many lives the folder is checked as `commitlog verify` does it, before anybody
 * recovers it. Only damage that was done on purpose would be some, and here none is.
 */
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { type Finding } from '../../src/log/findings.ts'
import { Mark } from '../../src/log/mark.ts'
import { type PartitionReport, verifyPartition } from '../../src/log/verify.ts'
import { TOPIC_ID } from '../log/harness.ts'
import { folderOf } from './process.ts'
import { drawSettings } from './settings.ts'
import { live } from './simulate.ts'
import { ROOT, World } from './world.ts'

const LIVES = 200
const PROCESSES = 4
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test('whatever a crash leaves, verify finds no damage in it', async () => {
  let checks = 0
  for (let seed = SEED; seed < SEED + LIVES; seed++) {
    const world = new World(seed, (draw) => ({ ...drawSettings(draw), damage: false }))
    for (let number = 0; number < PROCESSES; number++) {
      await live(world, 10 + world.draw.int(40))
      for (const { findings } of await checked(world)) {
        expect({ seed, number, damage: findings.filter(isDamage) }).toEqual({ seed, number, damage: [] })
        checks++
      }
    }
  }
  console.log(`${checks} checks of partitions, SEED=${SEED}`)
}, 120_000)

/** An index that a failing disk did not take is removed, and made again from the log: it is missed, and nothing is lost. */
function isDamage({ kind, path, reason }: Finding): boolean {
  return kind === 'damage' && !(reason === 'missing-file' && /index$/.test(path))
}

async function checked({ disk, models }: World): Promise<PartitionReport[]> {
  const mark = Mark.openReadOnly(disk, ROOT, systemClock)
  const reports: PartitionReport[] = []
  for (const partition of models.keys()) {
    const folder = folderOf(partition)
    if (disk.statSync(folder) === undefined) continue
    const { state } = mark.slot(TOPIC_ID, partition)
    const facts = { state, foreign: undefined, following: false }
    reports.push(await verifyPartition(disk, { folder, topic: 't', partition, topicId: TOPIC_ID, clock: systemClock, ...facts }))
  }
  return reports
}
