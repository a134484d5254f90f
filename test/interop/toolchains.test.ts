/*
 * Everything that the programs of other languages run on can be had: what is missing is fetched and built. Each test here that needs some of it
 * would do so itself; .ci/run has this file do it beside steps that leave a core idle.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject, test } from 'vitest'
import { LONGEST_BUILD_MS } from './cache.ts'
import { goProgram, goTest, goTestIn, javaProgram, jsFolder, needKcat, pythonPath, rustProgram } from './clients/toolchains.ts'
import { emmettPackages } from './emmett/packages.ts'

const here = fileURLToPath(new URL('.', import.meta.url))

const toolchains: Readonly<Record<string, () => Promise<unknown>>> = {
  'the client of Rust': rustProgram,
  'the clients of JavaScript': jsFolder,
  'Emmett': emmettPackages,
  'the clients of Python': pythonPath,
  'the libraries that know OpenAPI': () => pythonPath(join(here, 'sidecar', 'requirements.txt')),
  'the clients of Go': async () => {
    for (const name of ['franz', 'sarama', 'segmentio', 'confluent']) await goProgram(name)
    await goTest('orders')
    await goTestIn(join(here, '../../examples/go'))
  },
  'the clients of Java': async () => {
    for (const name of ['Kills', 'Scenarios', 'Security'] as const) await javaProgram(inject('jars'), name)
  },
  'kcat': needKcat,
}

for (const [name, make] of Object.entries(toolchains)) test(name, async () => void await make(), LONGEST_BUILD_MS)
