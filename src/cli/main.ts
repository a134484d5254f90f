/*
 * The command `commitlog`: finds the subcommand, runs it, and turns what went wrong into one line and an exit code.
 *
 *   0  done
 *   1  damage was found, or the work failed
 *   2  the command, an option or the folder is wrong
 *   130  ended by the user
 */
import { isLogError, type LogError } from '../base/errors.ts'
import { InputError } from '../base/input-error.ts'
import { backup } from './backup.ts'
import { type Command, columns, commandHelp, parseCall, suggestion, UsageError } from './command.ts'
import { compact } from './compact.ts'
import { dlq } from './dlq.ts'
import { dump } from './dump.ts'
import { events } from './events.ts'
import { exportRecords } from './export.ts'
import { groups } from './groups.ts'
import { importRecords } from './import.ts'
import { mirror } from './mirror.ts'
import { packageVersion } from './package-version.ts'
import { produce } from './produce.ts'
import { repair } from './repair.ts'
import { restore } from './restore.ts'
import { OutputGone, Screen, type Terminal } from './screen.ts'
import { serve } from './serve.ts'
import { tail } from './tail.ts'
import { topics } from './topics.ts'
import { verify } from './verify.ts'

const commands: readonly Command[] = [
  topics, groups, dump, verify, repair, tail, produce, exportRecords, importRecords, compact, dlq, events, serve, backup, restore, mirror,
]

const INTERRUPTED = 130

/**
 * Runs the command.
 *
 * @param words  what stands behind `commitlog`
 * @returns the exit code, when everything is printed
 */
export async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  const screen = new Screen(terminal)
  try {
    const code = await run(words, screen, terminal)
    await screen.finish()
    return code
  } catch (error) {
    return explained(error, words[0], screen, terminal.signal)
  }
}

async function run(words: readonly string[], screen: Screen, terminal: Terminal): Promise<number> {
  const [name, ...rest] = words
  if (name === undefined) {
    screen.say(help())
    return 2
  }
  if (name === '--version' || name === '-v') return printed(screen, packageVersion())
  if (name === '--help' || name === '-h') return printed(screen, help())
  if (name === 'help') return printed(screen, rest[0] === undefined ? help() : commandHelp(find(rest[0])))
  const command = find(name)
  const call = parseCall(command, rest, screen, terminal)
  return call === undefined ? printed(screen, commandHelp(command)) : command.run(call)
}

async function printed(screen: Screen, text: string): Promise<number> {
  await screen.print(text)
  return 0
}

function find(name: string): Command {
  const found = commands.find((command) => command.name === name)
  if (found !== undefined) return found
  if (name.startsWith('-')) throw new UsageError(`unknown option "${name}": options stand behind the command, see commitlog --help`)
  const meant = suggestion(name, commands.map((command) => command.name))
  throw new UsageError(`unknown command "${name}"${meant === '' ? ': see commitlog --help' : meant}`)
}

function explained(error: unknown, name: string | undefined, screen: Screen, signal: AbortSignal): number {
  if (error instanceof OutputGone) return 0
  if (signal.aborted && error === signal.reason) return INTERRUPTED
  const who = commands.some((command) => command.name === name) ? `commitlog ${name}` : 'commitlog'
  if (error instanceof UsageError) {
    screen.say(`${who}: ${error.message}`)
    return 2
  }
  if (isLogError(error, 'LOG_LOCKED')) {
    screen.say(`${who}: ${lockedText(error)}`)
    return 1
  }
  if (isLogError(error)) {
    screen.say(`${who}: ${error.message} (${error.code})`)
    return error.code === 'LOG_NOT_FOUND' || error.code === 'LOG_NOT_A_LOG' ? 2 : 1
  }
  const { message, stack, code } = error as Error & { code?: string }
  // Of a mistake of ours more is wanted than its message.
  const expected = error instanceof InputError || code !== undefined
  screen.say(`${who}: ${expected ? message : (stack ?? String(error))}`)
  return 1
}

/** In the words of a shell: `waitMs` and `readOnly` are for programs. */
function lockedText({ message, detail: { folder, pid, host, since } }: LogError): string {
  if (pid === undefined) return `${message} (LOG_LOCKED)`
  const who = `process ${String(pid)} on ${String(host)} since ${new Date(since as number).toISOString()}`
  return `${String(folder)} is open for writing: ${who}. End it, or wait for it with --wait SECONDS (LOG_LOCKED)`
}

function help(): string {
  return [
    'commitlog <command> <folder> [options]', '',
    'Looks into and takes care of the folders of commitlog, and of those that a Kafka broker wrote.', '',
    ...columns(commands.map(({ name, summary }) => [name, summary])), '',
    ...columns([['commitlog <command> --help', 'what a command takes'], ['commitlog --version', 'the version']]), '',
    'Every command takes --json. Exit codes: 0 done, 1 damage or failure, 2 a wrong command, option or folder.',
  ].join('\n')
}
