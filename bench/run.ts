/*
 * Runs the trials: each contestant in a fresh process, rounds interleaved (A B C A B C …), so that what disturbs a round disturbs all.
 * Started by start.js. Data goes to build/bench-data, on the disk of the project, and is removed afterwards.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Figures, type Job } from './job.ts'
import { describeMachine, freeBytes } from './machine.ts'
import { describeProfile } from './profile.ts'
import { concludeTrial, describeRun, describeTrial, markdownTrial, type TrialResult } from './report.ts'
import { type Contestant, type Goal, type Trial, trials } from './trials.ts'

const USAGE = `Usage: npm run bench -- [options]

  --filter TEXT   only trials whose name contains TEXT; may be given several times
  --only TEXT     only contestants whose name contains TEXT; may be given several times
  --rounds N      rounds of each trial (default 5; memory at most 3)
  --quick         tiny sizes, one round, no peers: shows that what is ours works, not how fast
  --json          results as JSON on standard output, progress on standard error
  --against DIR   measures ours also with the build in DIR, a copy of build/bench made before a change: for tuning
  --markdown      results as the tables of docs/benchmarks.md
  --profile       profiles our own contestants and prints where their time went
  --list          names and conditions of the trials
  --help          this text
`

const build = fileURLToPath(new URL('../build/', import.meta.url))
const trialFile = fileURLToPath(new URL('trial.ts', import.meta.url))

/** A trial process may take so long before it counts as hung. */
const TIMEOUT_MS = 10 * 60_000

/** Trials that run at once where nothing is measured: many of them wait for brokers that start. */
const QUICK_LANES = 3

const OTHER_BUILD = ', other build'

/** Folders of data that several trials read, once they are filled. */
const filledFolders = new Set<string>()

/** Subjects that a quick run has seen at work with a real Kafka. */
const seenWithKafka = new Set<string>()

const options = readOptions()
const children = new Set<ReturnType<typeof spawn>>()
process.exitCode = await main()

async function main(): Promise<number> {
  if (options.help) return print(USAGE)
  const chosen = trials.filter(({ name }) => options.filter.length === 0 || options.filter.some((text) => name.includes(text)))
  if (chosen.length === 0) return refuse(`no trial is called like ${options.filter.join(', ')}: --list names them`)
  if (options.list) return print(chosen.map(({ name, what, conditions }) => `${name}: ${what}\n  (${conditions})\n`).join(''))
  fs.mkdirSync(build, { recursive: true })
  const data = fs.mkdtempSync(join(build, 'bench-data-'))
  const leave = (): void => {
    for (const child of children) killGroup(child)
    fs.rmSync(data, { recursive: true, force: true })
    process.exit(130)
  }
  process.once('SIGINT', leave).once('SIGTERM', leave)
  try {
    return await runAll(chosen, data)
  } finally {
    fs.rmSync(data, { recursive: true, force: true })
  }
}

async function runAll(chosen: readonly Trial[], data: string): Promise<number> {
  const machine = describeMachine(data)
  const results: TrialResult[] = []
  if (!options.json) print(`${describeRun(machine)}\n${options.quick ? 'QUICK: these figures mean nothing.\n' : ''}\n`)
  const wanted = chosen.filter(({ contestants, like }) => contestants.some(takesPart) && !(options.quick && like !== undefined))
  const runOne = async (trial: Trial): Promise<void> => {
    const sized = options.quick ? quickened(trial) : trial
    const needed = (options.quick ? 0.5 : (sized.diskGiB ?? 2)) * 2 ** 30
    if (freeBytes(data) < needed) {
      note(`${trial.name} is left out: it needs ${(needed / 2 ** 30).toFixed(1)} GiB of free disk`)
      return
    }
    const result = await runTrial(sized, join(data, trial.data ?? trial.name))
    results.push(result)
    if (!options.json) print(`${options.markdown ? markdownTrial(result) : describeTrial(result)}\n\n`)
  }
  // Where nothing is measured, several at once.
  const chains = (options.quick ? byData(wanted) : [wanted]).values()
  await Promise.all(Array.from({ length: options.quick ? QUICK_LANES : 1 }, async () => {
    for (const chain of chains) for (const trial of chain) await runOne(trial)
  }))
  if (options.json) print(`${JSON.stringify({ machine, quick: options.quick, results }, null, 1)}\n`)
  const missing = results.flatMap(({ trial, contestants }) => contestants.flatMap((one) => (one.missing === undefined ? [] : [{ trial, ...one }])))
  const broken = missing.filter(({ contestant }) => contestant.kind !== 'peer').map(({ trial, contestant }) => `${trial.name}: ${contestant.name}`)
  if (broken.length > 0) note(`failed: ${broken.join(', ')}`)
  return broken.length > 0 ? 1 : 0
}

/** What can run at once: chains of trials that read the same data. */
function byData(list: readonly Trial[]): Trial[][] {
  const chains = new Map<string, Trial[]>()
  for (const trial of list) chains.set(trial.data ?? trial.name, [...(chains.get(trial.data ?? trial.name) ?? []), trial])
  return [...chains.values()]
}

async function runTrial(whole: Trial, folder: string): Promise<TrialResult> {
  const wanted = whole.contestants.filter(takesPart)
  const contestants = options.against === undefined ? wanted : wanted.flatMap((contestant) => withOtherBuild(contestant, resolve(options.against!)))
  const trial = { ...whole, contestants, goals: [...whole.goals, ...comparisons(contestants)] }
  const rounds: (Figures[] | string)[] = contestants.map(() => [])
  const attempt = async (index: number, work: (contestant: Contestant, own: string) => Promise<Figures | undefined>): Promise<void> => {
    const figures = rounds[index]!
    if (typeof figures === 'string') return
    try {
      const own = join(folder, folderName(contestants[index]!))
      fs.mkdirSync(own, { recursive: true })
      const done = await work(contestants[index]!, own)
      if (done !== undefined) figures.push(done)
    } catch (error) {
      rounds[index] = (error as Error).message
      note(`${trial.name}: ${contestants[index]!.name} cannot take part: ${(error as Error).message}`)
    }
  }
  const { fill } = trial
  if (fill !== undefined) {
    for (const index of contestants.keys()) {
      await attempt(index, async (contestant, own) => {
        if (filledFolders.has(own)) return undefined
        note(`${trial.name}: filling for ${contestant.name}`)
        await runProcess(jobOf(trial, contestant, own, { work: 'fill', records: scaled(fill, fillShare(trial, contestant)) }))
        if (trial.data !== undefined) filledFolders.add(own)
        return undefined
      })
    }
  }
  const before = os.loadavg()[0]!
  for (let round = 1; round <= Math.min(options.rounds, trial.rounds ?? Infinity); round++) {
    for (const index of contestants.keys()) {
      await attempt(index, async (contestant, own) => {
        note(`${trial.name}: round ${round}, ${contestant.name}`)
        const filled = fill === undefined ? {} : { filled: scaled(fill, fillShare(trial, contestant)) }
        const profile = profileOf(trial, contestant, round)
        const inside = trial.broker === true && profile.length > 0
        const job = jobOf(trial, contestant, own, { ...filled, ...(inside && { nodeOptions: profile }) })
        const figures = await runProcess(job, inside ? [] : profile)
        if (fill === undefined) fs.rmSync(own, { recursive: true, force: true })
        return figures
      })
    }
  }
  const result = concludeTrial(trial, rounds, [before, os.loadavg()[0]!])
  if (trial.data === undefined) fs.rmSync(folder, { recursive: true, force: true })
  if (options.profile) for (const contestant of contestants) showProfile(trial, contestant)
  return result
}

/** Of a contestant, for what it stores: by its name, since others may take part in another trial with the same data. */
function folderName({ name }: Contestant): string {
  return name.replace(/[^\w]+/g, '-')
}

function takesPart({ name }: Contestant): boolean {
  return options.only.length === 0 || options.only.some((text) => name.includes(text))
}

function withOtherBuild(contestant: Contestant, build: string): Contestant[] {
  if (contestant.kind !== 'ours') return [contestant]
  return [contestant, { ...contestant, name: contestant.name + OTHER_BUILD, kind: 'reference', build }]
}

/** Ours against the other build. */
function comparisons(contestants: readonly Contestant[]): Goal[] {
  const others = contestants.filter(({ build }) => build !== undefined)
  return others.map(({ name }) => ({ of: name.slice(0, -OTHER_BUILD.length), against: name, least: 0 }))
}

/** A scan goes over all that was filled; reads by offset go over the same records for all. */
function fillShare(trial: Trial, contestant: Contestant): number {
  return trial.work === 'random' ? 1 : contestant.share ?? 1
}

function jobOf(trial: Trial, contestant: Contestant, folder: string, rest: Partial<Job>): Job {
  const { subject, how, durability, build: ownBuild, share = 1 } = contestant
  return {
    subject, work: trial.work, folder, records: scaled(trial.records, share), bytes: trial.bytes, ...trial.job,
    ...(how !== undefined && { how }), ...(durability !== undefined && { durability }),
    ...(ownBuild !== undefined && { build: ownBuild }), ...rest,
  }
}

function scaled(records: number, share: number): number {
  return Math.ceil(records * share)
}

/**
 * The same trial so small that it shows only whether it works: without the peers, which tell nothing of that. A Kafka, which takes seconds to
 * start, is seen to work once with each subject.
 */
function quickened(trial: Trial): Trial {
  const contestants = trial.contestants.filter(({ kind, how, subject }) => {
    if (kind === 'peer') return false
    if (kind === 'ours' || how !== 'kafka') return true
    const first = !seenWithKafka.has(subject)
    seenWithKafka.add(subject)
    return first
  })
  const smaller = (records: number): number => Math.min(records, Math.max(10_000, Math.ceil(records / 200)))
  const { fill, job } = trial
  return {
    ...trial, contestants, goals: [], records: smaller(trial.records), ...(fill !== undefined && { fill: smaller(fill) }),
    ...(job !== undefined && { job: { ...job, ...(job.ms !== undefined && { ms: 100 }), ...(job.warmUpMs !== undefined && { warmUpMs: 20 }) } }),
  }
}

/** Does a job in a fresh process and gives its figures. A process that is killed by its own hand has told them before. */
function runProcess(job: Job, nodeOptions: readonly string[] = []): Promise<Figures> {
  return new Promise((resolve, reject) => {
    const command = [...nodeOptions, '--disable-warning=ExperimentalWarning', trialFile, JSON.stringify(job)]
    // A group of its own: what it starts ends with it.
    // Where nothing is measured, virtual machines of Java compile little: their brokers start sooner.
    const env = options.quick ? { ...process.env, JAVA_TOOL_OPTIONS: '-XX:TieredStopAtLevel=1' } : process.env
    const running = spawn(process.execPath, command, { detached: true, env })
    children.add(running)
    const timer = setTimeout(() => killGroup(running), TIMEOUT_MS)
    let output = ''
    let errors = ''
    running.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
    running.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
    running.on('error', reject)
    running.on('close', (code, signal) => {
      clearTimeout(timer)
      children.delete(running)
      if (code !== 0) killGroup(running)
      const line = output.trimEnd().split('\n').at(-1) ?? ''
      if ((code === 0 || signal === 'SIGKILL') && line.startsWith('{')) return resolve(JSON.parse(line) as Figures)
      reject(new Error(reasonOf(errors) ?? `ended with ${signal ?? code}`))
    })
  })
}

/** Ends a trial with the brokers that it started. */
function killGroup({ pid }: ReturnType<typeof spawn>): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** The line that names the error, out of what Node prints of an uncaught one. */
function reasonOf(errors: string): string | undefined {
  const lines = errors.trim().split('\n')
  return lines.find((line) => /^\S*Error\b.*: /.test(line)) ?? lines.find((line) => line.trim() !== '')
}

function profileOf(trial: Trial, contestant: Contestant, round: number): string[] {
  if (!options.profile || contestant.kind !== 'ours' || round > 1) return []
  const to = [`--cpu-prof-dir=${join(build, 'bench-profiles')}`, `--cpu-prof-name=${profileName(trial, contestant)}`]
  return ['--cpu-prof', '--cpu-prof-interval=200', ...to]
}

function profileName(trial: Trial, contestant: Contestant): string {
  return `${trial.name}-${contestant.name}.cpuprofile`
}

function showProfile(trial: Trial, contestant: Contestant): void {
  const path = join(build, 'bench-profiles', profileName(trial, contestant))
  if (contestant.kind === 'ours' && fs.existsSync(path)) note(`${path}\n${describeProfile(path).join('\n')}`)
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        filter: { type: 'string', multiple: true, default: [] }, only: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string' }, against: { type: 'string' },
        markdown: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false }, list: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
      },
    })
    const rounds = values.rounds === undefined ? (values.quick ? 1 : 5) : Number(values.rounds)
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds is a whole number from 1 on')
    return { ...values, rounds }
  } catch (error) {
    return process.exit(refuse(`${(error as Error).message}\n${USAGE}`))
  }
}

function print(text: string): 0 {
  process.stdout.write(text)
  return 0
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

function refuse(text: string): 2 {
  note(`bench: ${text}`)
  return 2
}
