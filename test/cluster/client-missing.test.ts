/*
 * Without the client's package, which is an optional peer: in a process in which Node finds no module of that name, as in a folder where nobody
 * installed it.
 */
import { tmpdir } from 'node:os'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { bundledPrograms } from '../tools/bundled-program.ts'
import { mustRun } from '../tools/outside.ts'

const hooks = `
export async function resolve(specifier, context, next) {
  if (!specifier.includes('@platformatic/kafka')) return next(specifier, context)
  throw Object.assign(new Error("Cannot find package '@platformatic/kafka'"), { code: 'ERR_MODULE_NOT_FOUND' })
}`

test('without the client that speaks to clusters connect is LOG_CLIENT_MISSING, and says what to install', async () => {
  const cluster = await bundledPrograms('./src/cluster/index.ts')
  const program = `
    import { register } from 'node:module'
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)})
    const { connect } = await import(${JSON.stringify(pathToFileURL(cluster.paths[0]!))})
    const { name, code, retriable, message } = await connect({ brokers: 'localhost:1' }).catch((error) => error)
    console.log(JSON.stringify({ name, code, retriable, message }))`
  try {
    const { stdout } = await mustRun(process.execPath, ['--input-type=module', '--eval', program], { cwd: tmpdir() })
    expect(JSON.parse(stdout)).toMatchObject({ name: 'LogError', code: 'LOG_CLIENT_MISSING', retriable: false })
    expect(JSON.parse(stdout)).toMatchObject({ message: expect.stringContaining('npm install @platformatic/kafka') as string })
  } finally {
    cluster.remove()
  }
})
