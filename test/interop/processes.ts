/*
 * Programs that these tests run: to their end, with all that they printed.
 */
import { execFileSync, spawn } from 'node:child_process'

/** What a program printed and how it ended. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, or to its time limit. */
export function run(command: string, parameters: readonly string[], options: {
  readonly cwd?: string
  readonly input?: string
  readonly timeoutMs?: number
  readonly env?: Readonly<Record<string, string>>
} = {}): Promise<Ran> {
  const { cwd, input, timeoutMs = 60_000, env } = options
  return new Promise((resolve, reject) => {
    const limit = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const
    const child = spawn(command, parameters, { cwd, stdio: ['pipe', 'pipe', 'pipe'], ...limit, env: { ...process.env, ...env } })
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []]
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(input ?? '')
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout: String(Buffer.concat(stdout)), stderr: String(Buffer.concat(stderr)) }))
  })
}

/** As `run`, for what has to end well. */
export async function mustRun(command: string, parameters: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, parameters, options)
  if (code !== 0) throw new Error(`${command} ${parameters.join(' ')} ended with ${code}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`)
  return stdout
}

/** What a command printed; undefined when it failed or is not there. */
export function succeeds([command, ...parameters]: readonly string[], env: Record<string, string> = {}): string | undefined {
  try {
    const given = { ...process.env, ...env }
    return execFileSync(command!, parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env: given, maxBuffer: 64 << 20 })
  } catch {
    return undefined
  }
}
