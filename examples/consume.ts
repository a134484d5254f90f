/*
 * A worker: mails are sent by a group, four at a time and in order for each recipient. Some fail now and then and are tried again; one never
 * works, goes to the dead letters, and is replayed once the cause is gone. The log is in memory; `CommitLog.open(folder)` keeps it.
 */
import { CommitLog, defineTopic, exponential, json, string } from 'commitlog'

interface Mail {
  readonly to: string
  readonly text: string
}

const Mails = defineTopic('mails', { partitions: 2, key: string, value: json<Mail>() })
const people = ['ada', 'bob', 'eve', 'kim']
const blocked = new Set(['eve'])
let left = 12

const log = await CommitLog.memory()
const mails = await log.topic(Mails)
await mails.send(Array.from({ length: 12 }, (_, index) => {
  const to = people[index % people.length]!
  return { key: to, value: { to, text: `mail ${Math.floor(index / people.length) + 1}` } }
}))

await work('everything that works')
const letters = mails.deadLetters('postman')
for await (const { error, info } of letters.list()) console.log(`dead: ${error}, tried ${info.deliveryCount} times`)

blocked.clear()
const { replayed } = await letters.replay()
left = replayed
console.log(`${replayed} replayed`)
await work('and what was dead')
await log.close()

/** Sends what there is, until nothing is left. */
async function work(what: string): Promise<void> {
  console.log(`${what}:`)
  const running = mails.consume({
    group: 'postman', order: 'key', concurrency: 4, retry: { attempts: 3, delay: exponential(5) },
    onFailure: ({ error, attempt, next }) => console.log(`  ${(error as Error).message}, attempt ${attempt}: ${next}`),
  }, send)
  while (running.stats().handled + running.stats().deadLetters < left) await new Promise((resolve) => setTimeout(resolve, 5))
  await running.stop()
}

async function send({ value, attempt }: { readonly value: Mail | null; readonly attempt: number }): Promise<void> {
  const { to, text } = value!
  if (blocked.has(to)) throw new Error(`${to} is blocked`)
  if (to === 'kim' && attempt === 1) throw new Error('the line is busy')
  console.log(`  ${text} to ${to}`)
}
