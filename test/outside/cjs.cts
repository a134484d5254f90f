/*
 * A program of somebody else, in CommonJS, against the installed package: `require` works since the package has no top-level await.
 */
import { CommitLog, defineTopic, json, string } from 'commitlog'

async function main(): Promise<void> {
  const log = CommitLog.memory()
  const notes = await (await log).topic(defineTopic('notes', { key: string, value: json<{ text: string }>() }))
  const { partition } = await notes.send({ key: 'n', value: { text: 'from CommonJS' } })
  for (const record of notes.partition(partition).read({ from: 0 })) console.log(record.value?.text)
  await (await log).close()
}

void main()
