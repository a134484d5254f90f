/*
 * What a schedule does otherwise than the default order: a list of deviations. All else of a run follows from the seed, so that such a list is the
 * whole schedule: it can be drawn, shortened, printed and run again.
 */

/** One deviation from the default order, which delivers messages as they were sent, and moves time when nobody has anything else to do. */
export type Deviation =
  /** A message waits until so many others have been delivered, or nothing else is left to be. */
  | { readonly kind: 'hold'; readonly message: string; readonly others: number }
  /** A message is under way for so long, in ms of virtual time. */
  | { readonly kind: 'delay'; readonly message: string; readonly ms: number }
  /** A fault of the list, from 1 on, strikes the request of this number that it is about. */
  | { readonly kind: 'fault'; readonly fault: number; readonly call: number }

/** A schedule: what is drawn in the run, and what deviates. */
export interface Schedule {
  readonly seed: number
  readonly deviations: readonly Deviation[]
}

/** A schedule as one line of text, for {@link parseSchedule}. */
export function scheduleText({ seed, deviations }: Schedule): string {
  return [`seed ${seed}`, ...deviations.map(deviationCode)].join('; ')
}

/**
 * The schedule of a line of text.
 *
 * @throws TypeError for text that is none
 */
export function parseSchedule(text: string): Schedule {
  const [first = '', ...others] = text.split(';').map((part) => part.trim())
  const seed = Number(/^seed (\d{1,10})$/.exec(first)?.[1] ?? NaN)
  if (!(seed <= 0xffff_ffff)) throw notASchedule(first)
  return { seed, deviations: others.map(parseDeviation) }
}

/** A deviation in words. `faults` are those of the list, in words. */
export function deviationText(deviation: Deviation, faults: readonly string[]): string {
  switch (deviation.kind) {
    case 'hold': return `${messageText(deviation.message)} waits for ${deviation.others === 1 ? 'another message' : `${deviation.others} others`}`
    case 'delay': return `${messageText(deviation.message)} takes ${deviation.ms} ms`
    case 'fault': return `request ${deviation.call} meets the fault ${faults[deviation.fault - 1] ?? deviation.fault}`
  }
}

/** The name of a message in words. Names are `client/Api#n` for requests, with `<` behind for their answers, and `step/name#n` for steps. */
export function messageText(message: string): string {
  const [, who, what, number, answer] = /^(.*)\/([^/]*)#(\d+)(<?)$/.exec(message) ?? []
  if (who === undefined) return message
  if (who === 'step') return `step ${decodeURIComponent(what!)} (${number})`
  return `${answer === '<' ? 'the answer to ' : ''}${what} ${number} of ${decodeURIComponent(who)}`
}

function deviationCode(deviation: Deviation): string {
  switch (deviation.kind) {
    case 'hold': return `hold ${deviation.message} ${deviation.others}`
    case 'delay': return `delay ${deviation.message} ${deviation.ms}ms`
    case 'fault': return `fault ${deviation.fault} on ${deviation.call}`
  }
}

function parseDeviation(text: string): Deviation {
  const [, held, others] = /^hold (\S+) (\d{1,9})$/.exec(text) ?? []
  if (held !== undefined) return { kind: 'hold', message: held, others: Number(others) }
  const [, delayed, ms] = /^delay (\S+) (\d{1,9})ms$/.exec(text) ?? []
  if (delayed !== undefined) return { kind: 'delay', message: delayed, ms: Number(ms) }
  const [, fault, call] = /^fault (\d{1,4}) on (\d{1,9})$/.exec(text) ?? []
  if (fault !== undefined) return { kind: 'fault', fault: Number(fault), call: Number(call) }
  throw notASchedule(text)
}

function notASchedule(text: string): TypeError {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
  return new TypeError(`replay is a schedule that explore has printed, as 'seed 7; hold worker/Fetch#2 3', not ${JSON.stringify(shown)}`)
}
