/*
 * `commitlog restore`: a log from its backup.
 */
import { type Command } from './command.ts'
import { copy, copyOptions } from './copy.ts'

/** The subcommand. */
export const restore: Command = {
  name: 'restore',
  summary: 'makes a log from a backup, checked, in a new folder',
  positionals: ['backup', 'folder'],
  options: copyOptions,
  notes: [
    'The folder must be new or empty: move what is there away first. Each partition begins a new leader epoch, so that what was derived',
    'from the log after the backup can tell that its history has changed.',
  ],
  run: (call) => copy(call, call.argument('backup'), call.argument('folder')),
}
