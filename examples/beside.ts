/*
 * Two processes on one folder: this one writes, a child opens it with `readOnly` and follows it live. The child sees a record once it is
 * acknowledged, and changes nothing on disk.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommitLog, defineTopic, isLogError, json, string } from 'commitlog'

const Jobs = defineTopic('jobs', { key: string, value: json<{ readonly number: number }>() })
const LAST = 5

if (process.argv[2] === undefined) await write()
else await readBeside(process.argv[2])

async function write(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'commitlog-beside-'))
  const log = await CommitLog.open(folder)
  const jobs = await log.topic(Jobs)
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), folder], { stdio: 'inherit' })
  const ended = new Promise<number | null>((resolve) => { child.once('close', resolve) })
  for (let number = 1; number <= LAST; number++) await jobs.send({ key: 'job', value: { number } })
  process.exitCode = (await ended) ?? 1
  await log.close()
  rmSync(folder, { recursive: true })
}

async function readBeside(folder: string): Promise<void> {
  await CommitLog.open(folder).catch((error: unknown) => {
    if (!isLogError(error, 'LOG_LOCKED')) throw error
    console.log('the child cannot write: the folder is held by its parent')
  })
  const log = await CommitLog.open(folder, { readOnly: true })
  for await (const { value } of (await log.topic(Jobs)).consumer()) {
    console.log(`the child reads job ${value?.number}`)
    if (value?.number === LAST) break
  }
  await log.close()
}
