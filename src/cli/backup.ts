/*
 * `commitlog backup`: a copy of a log at one moment, also while it is written.
 */
import { type Command } from './command.ts'
import { copy, copyOptions } from './copy.ts'

/** The subcommand. */
export const backup: Command = {
  name: 'backup',
  summary: 'copies a log to another folder, also while a process writes it',
  positionals: ['folder', 'target'],
  options: copyOptions,
  notes: [
    'The copy holds, of each partition, what consumers could see when it was copied: whole batches, in order, without a gap at the end.',
    'It is checked before it gets its name, and is a log like any other. The target must be new or empty.',
  ],
  run: (call) => copy(call, call.argument('folder'), call.argument('target')),
}
