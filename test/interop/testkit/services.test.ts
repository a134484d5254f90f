/*
 * Services as people write them, each in its own process and language, against one test: an order is invoiced once, also when the leader of the
 * invoices moves on the way. docs/testing.md points here.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, inject, onTestFinished, test } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import '../../../src/testing/vitest.ts'
import { cached } from '../cache.ts'
import { pythonPath } from '../clients/toolchains.ts'
import { javaClassPath, javaOptions } from '../java.ts'
import { mustRun } from '../processes.ts'

const here = fileURLToPath(new URL('services/', import.meta.url))
const INSTALL_MS = 600_000

/** How a service is started, once what it needs is there. */
const services: Readonly<Record<string, () => Promise<readonly [command: string, ...parameters: string[]]>>> = {
  'kafkajs': async () => [process.execPath, join(await nodeFolder(), 'kafkajs.mjs')],
  '@platformatic/kafka': async () => [process.execPath, join(await nodeFolder(), 'platformatic.mjs')],
  'NestJS': async () => [process.execPath, join(await nodeFolder(), 'nestjs.mjs')],
  'Python': async () => [await pythonPath(), join(here, 'billing.py')],
  'Java': async () => ['java', ...javaOptions, '-cp', await javaClassPath(inject('jars'), join(here, 'Billing.java')), 'Billing'],
}

for (const [name, command] of Object.entries(services)) {
  test(`a service of ${name} invoices an order once, whatever becomes of the leader`, async () => {
    const kafka = await startTestBroker({ brokers: 3, topics: { orders: 1, invoices: 1 }, timeout: '30s' })
    onTestFinished(() => kafka.close().catch(() => {}))
    const service = await started(await command(), kafka.env())
    await kafka.group('billing').ready()

    kafka.faults.on('Produce', { topic: 'invoices' }).once().error('NOT_LEADER_OR_FOLLOWER')
    kafka.topic('orders').append({ key: 'o-1', value: { id: 'o-1', total: 10 } })
    await expect(kafka).toHaveProduced('invoices', { key: 'o-1', value: { id: 'o-1', due: 12 } })
    await expect(kafka).toBeCaughtUp('billing')
    await expect(kafka).toHaveProducedExactly('invoices', 1)

    await service.stop()
    await kafka.close()
  }, INSTALL_MS)
}

async function started([command, ...parameters]: readonly string[], env: Readonly<Record<string, string>>): Promise<{ stop(): Promise<void> }> {
  const child: ChildProcess = spawn(command!, parameters, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = new Promise<void>((resolve) => void child.once('close', () => resolve()))
  onTestFinished(() => void child.kill('SIGKILL'))
  return {
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
  }
}

/** The services of Node, beside the packages that they import; the one of NestJS is translated, since its decorators are not of JavaScript. */
function nodeFolder(): Promise<string> {
  const names = ['package.json', 'package-lock.json', 'kafkajs.mjs', 'platformatic.mjs', 'nestjs.ts']
  return cached('services', names.map((name) => readFileSync(join(here, name))), async (folder) => {
    for (const name of names) copyFileSync(join(here, name), join(folder, name))
    const { outputText } = ts.transpileModule(readFileSync(join(here, 'nestjs.ts'), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, experimentalDecorators: true, emitDecoratorMetadata: true,
      },
    })
    writeFileSync(join(folder, 'nestjs.mjs'), outputText)
    await mustRun('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], { cwd: folder, timeoutMs: 300_000 })
  })
}
