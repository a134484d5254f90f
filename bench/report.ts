/*
 * From the figures of all rounds to what is said: medians with their spread, ratios round by round, goals met or missed; as a table for
 * people. The same data as JSON is in `TrialResult`.
 */
import { type Figures } from './job.ts'
import { type Machine } from './machine.ts'
import { summarize, type Summary } from './statistics.ts'
import { BEST_ASYNC_PEER, BEST_PEER, type Contestant, type Goal, type Trial } from './trials.ts'

/** What a contestant did. */
export interface ContestantResult {
  readonly contestant: Contestant
  /** By name of the figure; empty when it could not take part. */
  readonly figures: Readonly<Record<string, Summary>>
  /** Why it could not take part. */
  readonly missing?: string
}

/** How a goal came out. */
export interface Verdict {
  readonly goal: Goal
  /** Whom it was held against, by name. */
  readonly against: string | undefined
  readonly value: Summary | undefined
  readonly met: boolean
  readonly reached: boolean | undefined
}

/** One row with everything measured. */
export interface TrialResult {
  readonly trial: Trial
  readonly contestants: readonly ContestantResult[]
  readonly verdicts: readonly Verdict[]
  /** Load average over one minute before the first round and after the last. */
  readonly load: readonly [number, number]
  readonly rounds: number
}

/** Sums up the rounds of a trial. `rounds` has for each contestant its figures in each round, or why there are none. */
export function concludeTrial(trial: Trial, rounds: readonly (readonly Figures[] | string)[], load: readonly [number, number]): TrialResult {
  const contestants = trial.contestants.map((contestant, index): ContestantResult => {
    const figures = rounds[index]!
    if (typeof figures === 'string') return { contestant, figures: {}, missing: figures }
    const names = Object.keys(figures[0] ?? {})
    return { contestant, figures: Object.fromEntries(names.map((name) => [name, summarize(figures.map((round) => round[name]!))])) }
  })
  const verdicts = trial.goals.map((goal) => judge(trial, goal, contestants))
  return { trial, contestants, verdicts, load, rounds: Math.max(...rounds.map((one) => (typeof one === 'string' ? 0 : one.length))) }
}

function judge(trial: Trial, goal: Goal, results: readonly ContestantResult[]): Verdict {
  const figure = goal.figure ?? trial.figure
  const less = trial.unit !== 'records/s' && trial.unit !== 'MB/s'
  const mine = results.find(({ contestant }) => contestant.name === goal.of)?.figures[figure]
  const rival = goal.against === undefined ? undefined : findRival(goal.against, results, figure, less)
  if (mine === undefined || (goal.against !== undefined && rival === undefined)) {
    return { goal, against: rival?.contestant.name, value: undefined, met: false, reached: undefined }
  }
  const theirs = rival?.figures[figure]
  const held = (sample: number, round: number): number => {
    if (theirs === undefined) return sample
    return goal.by === 'difference' ? sample - theirs.samples[round]! : sample / theirs.samples[round]!
  }
  const value = summarize(mine.samples.map(held))
  const within = (bound: number): boolean => (goal.most === undefined ? value.median >= bound : value.median <= bound)
  const reached = goal.goal === undefined ? undefined : within(goal.goal)
  return { goal, against: rival?.contestant.name, value, met: within(boundOf(goal)), reached }
}

function boundOf(goal: Goal): number {
  return goal.most ?? goal.least!
}

function findRival(name: string, results: readonly ContestantResult[], figure: string, less: boolean): ContestantResult | undefined {
  const measured = results.filter(({ figures }) => figures[figure] !== undefined)
  if (name !== BEST_PEER && name !== BEST_ASYNC_PEER) return measured.find(({ contestant }) => contestant.name === name)
  const peers = measured.filter(({ contestant }) => contestant.kind === 'peer' && (name === BEST_PEER || contestant.blocks !== true))
  const medians = peers.map(({ figures }) => figures[figure]!.median)
  return peers[medians.indexOf(less ? Math.min(...medians) : Math.max(...medians))]
}

/** The run's heading. */
export function describeRun(machine: Machine): string {
  const { date, commit, node, cpu, cores, memoryGiB, system, fileSystem, load } = machine
  return `${date} · ${commit} · Node ${node} · ${cores} × ${cpu}, ${memoryGiB} GiB · ${system} · ${fileSystem} · load ${load.join(' ')}`
}

/** A trial as text: who, how fast (median and range over the rounds), how that compares, and how far the goals are. */
export function describeTrial(result: TrialResult): string {
  const { trial, contestants, verdicts, load, rounds } = result
  const rows = contestants.map((one) => contestantRow(trial, one, contestants))
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  const padded = (cell: string, column: number): string => (column === 1 ? cell.padStart(widths[1]!) : cell.padEnd(widths[column] ?? 0))
  const lines = rows.map((row) => `  ${row.map(padded).join('  ')}`.trimEnd())
  return [
    `${trial.name}: ${trial.what}`,
    `  (${trial.conditions}; ${rounds} rounds, load ${load[0].toFixed(1)} to ${load[1].toFixed(1)})`,
    ...lines,
    ...verdicts.map((verdict) => `  ${describeVerdict(trial, verdict)}`),
  ].join('\n')
}

/** A trial as a Markdown table with its goals below, for docs/benchmarks.md. */
export function markdownTrial(result: TrialResult): string {
  const { trial, contestants, verdicts, load, rounds } = result
  const rows = contestants.map((one) => contestantRow(trial, one, contestants))
  return [
    `**${trial.name}**: ${trial.what}`,
    '',
    `| | median (range over ${rounds} rounds) | × raw | | how, and what its durability means |`,
    '|---|--:|--:|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
    `${verdicts.map((verdict) => describeVerdict(trial, verdict).slice(2)).join('; ')}. Load ${load[0].toFixed(1)} to ${load[1].toFixed(1)}.`,
  ].join('\n')
}

function contestantRow(trial: Trial, { contestant, figures, missing }: ContestantResult, all: readonly ContestantResult[]): string[] {
  if (missing !== undefined) return [contestant.name, 'missing', '', '', missing]
  const main = figures[trial.figure]!
  const base = all.find((one) => one.contestant.kind === 'raw')?.figures[trial.figure]
  const ratio = base === undefined ? undefined : summarize(main.samples.map((sample, round) => sample / base.samples[round]!))
  const others = Object.entries(figures).filter(([name]) => name !== trial.figure)
  const beside = others.map(([name, summary]) => `${name} ${summary.min === summary.max ? short(summary.median) : spread(summary)}`)
  return [
    contestant.name,
    spread(main, ` ${trial.unit}`),
    ratio === undefined || main === base ? '' : `${ratio.median.toFixed(2)} × (${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)})`,
    beside.join(', '),
    contestant.means,
  ]
}

function describeVerdict(trial: Trial, { goal, against, value, met, reached }: Verdict): string {
  const rival = goal.against === undefined || goal.against === against || against === undefined ? goal.against : `${goal.against} (${against})`
  const relation = rival === undefined ? '' : goal.by === 'difference' ? ` above ${rival}` : ` × ${rival}`
  const whose = goal.figure === undefined || goal.figure === trial.figure ? goal.of : `${goal.of} ${goal.figure}`
  const wanted = goal.goal === undefined ? '' : `, goal ${short(goal.goal)}`
  const bound = `${goal.most === undefined ? 'at least' : 'at most'} ${short(boundOf(goal))}${wanted}`
  if (value === undefined) return `- ${whose}${relation}: ${bound}: not measured`
  const hoped = reached === undefined ? '' : reached ? ', goal reached' : ', goal not reached'
  return `${met ? (reached === false ? '~' : '+') : '-'} ${whose} ${spread(value)}${relation}: ${bound}: ${met ? 'met' : 'MISSED'}${hoped}`
}

function spread({ median, min, max }: Summary, unit = ''): string {
  return `${short(median)}${unit} (${short(min)}..${short(max)})`
}

/** A number with three significant digits. */
export function short(value: number): string {
  const size = Math.abs(value)
  if (Number.isNaN(value)) return '–'
  if (size >= 999_500) return `${(value / 1e6).toPrecision(3)} M`
  if (size >= 9_995) return `${(value / 1e3).toPrecision(3)} k`
  return size >= 100 ? Math.round(value).toString() : size === 0 ? '0' : value.toPrecision(3)
}
