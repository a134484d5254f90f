/*
 * The profile of a trial as a few lines: where a process spent its own time, by function. Reads what `node --cpu-prof` wrote.
 */
import { readFileSync } from 'node:fs'

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}
interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** The functions with the most time of their own, in percent, as lines. */
export function describeProfile(path: string, count = 20): string[] {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path, 'utf8')) as Profile
  const names = new Map(nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
    return [id, `${functionName || '(anonymous)'} ${url === '' ? '' : `${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`}`]
  }))
  const times = new Map<string, number>()
  let total = 0
  for (const [index, id] of samples.entries()) {
    const name = names.get(id)!
    times.set(name, (times.get(name) ?? 0) + timeDeltas[index]!)
    total += timeDeltas[index]!
  }
  const sorted = [...times].sort((one, other) => other[1] - one[1]).slice(0, count)
  return sorted.map(([name, time]) => `${((time / total) * 100).toFixed(1).padStart(5)} %  ${(time / 1000).toFixed(0).padStart(6)} ms  ${name}`)
}
