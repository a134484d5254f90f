/*
 * `commitlog repair`: takes damage out of a log. Tells what it would do, and does it with `--yes`.
 */
import { relative } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { diskFileSystem } from '../files/disk.ts'
import { type RepairStep } from '../log/repair.ts'
import { repairLog } from '../topics/repair-log.ts'
import { allFindings, isSound } from '../topics/verify-log.ts'
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
    if (isSound(before) && steps.length === 0) return ended(call, 'nothing to repair', 0)
    if (!apply) return ended(call, `${counted(steps.length, 'step')}; nothing was changed: run it with --yes`, isSound(before) ? 0 : 1)
    const damage = allFindings(await check(call, { folder })).filter(({ kind }) => kind === 'damage').length
    if (damage === 0) return ended(call, 'repaired: no damage is left', 0)
    return ended(call, `damage is left in ${counted(damage, 'place')}: see commitlog verify`, 1)
  },
}

async function printStep(call: Call, folder: string, { path, position, message }: RepairStep): Promise<void> {
  if (call.json) return call.screen.print(jsonLine({ path, position: position ?? null, message }))
  const name = printable(relative(folder, path))
  await call.screen.print(`${name}${position === undefined ? '' : ` @${position}`}: ${printable(message)}`)
}

async function ended(call: Call, message: string, code: number): Promise<number> {
  if (!call.json) await call.screen.print(call.screen.paint(code === 0 ? 'green' : 'red', message))
  return code
}
