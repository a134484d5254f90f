/*
 * Every program in examples/ runs to its end, in a process of its own that must exit by itself, against the built package.
 */
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Outside, outsideProject, root, run, tsc } from './tools/outside.ts'
import { installPacked } from './tools/packed.ts'

const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.ts')).sort()

/** What an example is run with, to be quick, and what it must print. */
const told: Record<string, { readonly parameters?: string[]; readonly prints?: RegExp[] }> = {
  'beside.ts': { prints: [/the child cannot write/, /the child reads job 1\n(?:.*\n)*.*job 5/] },
  'consume.ts': { prints: [/dead: eve is blocked, tried 3 times/, /3 replayed\nand what was dead:\n {2}mail 1 to eve/] },
  'events.ts': {
    prints: [
      /5000 flights of 182 airports/, /ORD MSP, 18 times, 6012 miles: as in the data/, /ORD: 269 departures, 10 of/, /bad days of ORD: 3/,
      /the routes are the same/, /272 events, .*it is gone/,
    ],
  },
  'follow.ts': { prints: [/kitchen 18.5 °C at offset 0/, /again, from the second minute on:\n {2}kitchen 19.2 °C\n {2}kitchen 18.9 °C/] },
  'outbox.ts': { prints: [/p-1 Accepted .*\np-1 Shipped \{"truck":7\}\np-1 Delivered/, /on the cluster \d+ ms after/, /3 events, 0 left/] },
  'quickstart.ts': {
    parameters: ['--records', '20000'],
    prints: [/SIGKILL/, /Nothing that was acknowledged is missing/, /20,000 flights of \d+ airports/],
  },
  'service.ts': {
    prints: [/added: \{ version: 3, position: 2 \}/, /refused: 409/, /no cart: 400/, /sold: \{ tea: 4, milk: 2 \}/, /fed: 4 ItemAdded of request-7/],
  },
}

let outside: Outside

beforeAll(async () => {
  outside = await outsideProject(installPacked)
  await tsc('-p', 'examples', '--outDir', join(outside.folder, 'examples'))
}, 300_000)

afterAll(() => outside?.remove())

test('there are examples', () => expect(examples).toContain('quickstart.ts'))

for (const name of examples) {
  test(`${name} runs to its end and leaves nothing behind`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'commitlog-example-'))
    try {
      const program = join(outside.folder, 'examples', name.replace(/\.ts$/, '.js'))
      const parameters = [program, ...told[name]?.parameters ?? []]
      const { code, stdout, stderr } = await run(process.execPath, parameters, { cwd: folder, env: { TMPDIR: folder } })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      for (const line of told[name]?.prints ?? []) expect(stdout).toMatch(line)
      expect(readdirSync(folder)).toEqual([])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }, 120_000)
}
