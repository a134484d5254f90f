/*
 * A thread that opens a folder and says what came of it. Started by processes.test.ts.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { isLogError } from '../../src/base/errors.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'

try {
  const log = await CommitLog.open(workerData as string)
  await log.close()
  parentPort!.postMessage({ opened: true })
} catch (error) {
  parentPort!.postMessage(isLogError(error) ? { code: error.code, detail: error.detail } : { message: String(error) })
}
