/*
 * `commitlog repair`: takes damage out of a log. Tells what it would do, and does it with `--yes`.
 */
import { relative } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { diskFileSystem } from '../files/disk.ts'
import { type RepairStep } from '../log/repair.ts'
import { repairLog } from '../topics/repair-log.ts'
import { allFindings, isSound, type LogReport } from '../topics/verify-log.ts'
import { type Call, type Command } from './command.ts'
import { counted, jsonLine, printable, size } from './text.ts'
import { check } from './verify.ts'

/** The subcommand. */
export const repair: Command = {
  name: 'repair',
  summary: 'takes damage out of a log; first says how, and does it with --yes',
  positionals: ['folder'],
  options: {
    yes: { short: 'y', help: 'do it; without it nothing is changed' },
  },
  notes: [
    'Damaged bytes are moved to files called torn-…, never deleted. Whole batches stay; a batch without records stands for the offsets',
    'that are lost, so that they are not given out again. Indexes are made again from the log. A torn tail is left to the next open.',
    'Ends with 1 when there is damage left. Keep a copy of the folder until you have looked at the result.',
  ],
  async run(call) {
    const folder = call.argument('folder')
    const apply = call.flag('yes')
    const { before, steps, left } = await repairLog(diskFileSystem, folder, {
      clock: systemClock, random: systemRandom, apply,
      onProgress: (done, total) => call.screen.bar(done, total, `${size(done)} of ${size(total)}`),
    })
    call.screen.clearBar()
    for (const step of steps) await printStep(call, folder, step)
    for (const message of left) call.screen.say(`nothing can be done here: ${printable(message)}`)
    const found = { steps: steps.length, applied: false, damage: damageIn(before) }
    if (isSound(before) && steps.length === 0) return ended(call, 'nothing to repair', found)
    if (!apply) return ended(call, `${counted(steps.length, 'step')}; nothing was changed: run it with --yes`, found)
    const damage = damageIn(await check(call, { folder }))
    const message = damage === 0 ? 'repaired: no damage is left' : `damage is left in ${counted(damage, 'place')}: see commitlog verify`
    return ended(call, message, { ...found, applied: true, damage })
  },
}

/** What `--json` ends with. */
interface Summary {
  readonly steps: number
  /** Whether the steps were done. */
  readonly applied: boolean
  /** Places of damage that are left. */
  readonly damage: number
}

async function printStep(call: Call, folder: string, { path, position, message }: RepairStep): Promise<void> {
  if (call.json) return call.screen.print(jsonLine({ path, position: position ?? null, message }))
  const name = printable(relative(folder, path))
  await call.screen.print(`${name}${position === undefined ? '' : ` @${position}`}: ${printable(message)}`)
}

/** The last line, in words or as JSON. Damage that is left decides the exit code. */
async function ended({ screen, json }: Call, message: string, summary: Summary): Promise<number> {
  await screen.print(json ? jsonLine(summary) : screen.paint(summary.damage === 0 ? 'green' : 'red', message))
  return summary.damage === 0 ? 0 : 1
}

function damageIn(report: LogReport): number {
  return allFindings(report).filter(({ kind }) => kind === 'damage').length
}
