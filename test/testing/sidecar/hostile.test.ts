/*
 * The control API against clients that mean no good, or do not know what they do: what is too much, of the wrong kind, from elsewhere, or gone.
 */
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { RawClient } from '../../kafka/harness.ts'
import { produceOne } from '../broker/harness.ts'
import { ask, control, told } from './harness.ts'

const json = { 'content-type': 'application/json' }

test('a body that is too large is refused, whether it says so or not, so that who sends it can read why', async () => {
  const it = await control({ topics: { orders: 1 } })
  const url = `${it.url}/topics/orders/records`
  const large = Buffer.alloc(17 * 1024 * 1024, ' ')
  expect(await ask(url, { method: 'POST', headers: json, content: large })).toMatchObject({ status: 413, body: { code: 'BODY_TOO_LARGE' } })
  const sent = async (head: string, body: readonly (string | Buffer)[]): Promise<string> => {
    const socket = connect({ port: Number(new URL(it.url).port), host: '127.0.0.1' })
    const answer = new Promise<string>((resolve) => {
      let text = ''
      socket.on('data', (bytes: Buffer) => { text += String(bytes) }).on('error', () => {}).on('close', () => resolve(text))
    })
    socket.write(`POST /topics/orders/records HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n${head}\r\n\r\n`)
    for (const piece of body) socket.write(piece)
    return answer
  }
  const chunk = [`${large.length.toString(16)}\r\n`, large, '\r\n']
  expect(await sent('transfer-encoding: chunked', [...chunk, '0\r\n\r\n'])).toMatch(/^HTTP\/1\.1 413 /)
  expect(await sent('content-length: 999999999', [])).toMatch(/^HTTP\/1\.1 413 /)
  // Who goes on without an end, and without a word of it, is cut off at some time, and may not hear why.
  expect(await sent('transfer-encoding: chunked', [...chunk, ...chunk, ...chunk, ...chunk])).toMatch(/^(?:HTTP\/1\.1 413 |$)/)
  expect(await it.done('GET', '/health')).toMatchObject({ status: 'ok' })
})

test('what is no JSON, nested very deep, or not UTF-8 is refused', async () => {
  const it = await control({ topics: { orders: 1 } })
  const sent = async (content: string | Uint8Array): Promise<unknown> => {
    const { status, body } = await ask(`${it.url}/topics/orders/records`, { method: 'POST', headers: json, content })
    return { status, code: body.code, detail: body.detail }
  }
  expect(await sent('{"records":')).toEqual({ status: 400, code: 'INVALID_JSON', detail: expect.stringContaining('the body is no JSON') })
  expect(await sent('['.repeat(1_000_000))).toEqual({ status: 400, code: 'INVALID_JSON', detail: 'the body is nested more than 64 deep' })
  expect(await sent(`{"records":[{"value":${'[{"a":'.repeat(40)}1${'}]'.repeat(40)}}]}`)).toMatchObject({ code: 'INVALID_JSON' })
  expect(await sent(Buffer.from([0x22, 0xff, 0x22]))).toEqual({ status: 400, code: 'INVALID_JSON', detail: 'the body is not UTF-8' })
  // Brackets in a text are text.
  expect(await sent(JSON.stringify({ records: [{ value: '["{\\"'.repeat(100) }] }))).toMatchObject({ status: 201 })
  const proto = '{"records":[{"value":{"__proto__":{"a":1}},"headers":{"__proto__":"x","constructor":"y"}}]}'
  expect(await sent(proto)).toMatchObject({ status: 201 })
  const [, record] = (await it.done('GET', '/topics/orders/records')).records
  expect(record).toMatchObject({ text: '{"__proto__":{"a":1}}', headers: [{ name: '__proto__', value: 'x' }, { name: 'constructor', value: 'y' }] })
})

test('fields by the names of what every object has are as unknown as others', async () => {
  const it = await control()
  for (const field of ['constructor', 'toString', 'hasOwnProperty', '__proto__']) {
    const { status, body } = await ask(`${it.url}/topics`, { method: 'POST', headers: json, content: `{"name":"t","${field}":1}` })
    expect({ status, detail: body.detail }).toEqual({ status: 400, detail: expect.stringContaining(`unknown field "${field}"`) })
    expect(await it.refused('GET', `/journal?${field}=1`)).toMatchObject(told(400, `unknown parameter "${field}"`))
  }
})

test('a body is JSON by its type, since pages in a browser may send others unasked', async () => {
  const it = await control()
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1', 'application/jsonp']) {
    const { status, headers, body } = await ask(`${it.url}/reset`, { method: 'POST', headers: { 'content-type': type }, content: '{}' })
    expect({ status, code: body.code, accept: headers['accept'] }).toEqual({
      status: 415, code: 'UNSUPPORTED_MEDIA_TYPE', accept: 'application/json',
    })
  }
  expect((await ask(`${it.url}/reset`, { method: 'POST', content: '{}' })).status).toBe(415)
  const other = { 'content-type': 'Application/JSON; charset="UTF-8"' }
  expect((await ask(`${it.url}/reset`, { method: 'POST', headers: other, content: '{}' })).status).toBe(204)
  expect((await ask(`${it.url}/reset`, { method: 'POST' })).status).toBe(204)
})

test('whoever comes by another name, or from a page of another site, is refused', async () => {
  const it = await control()
  const { port } = new URL(it.url)
  const hosts = ['evil.example', `evil.example:${port}`, 'localhost.evil.example'].map((host) => ({ host }))
  const origins = ['https://evil.example', 'null', 'http://localhost:3000', `https://localhost:${port}`].map((origin) => ({ origin }))
  for (const headers of [...hosts, ...origins]) {
    expect(await ask(`${it.url}/health`, { headers })).toMatchObject({ status: 403, body: { code: 'FOREIGN_ORIGIN' } })
  }
  for (const headers of [{ host: 'localhost' }, { host: `127.0.0.1:${port}` }, { host: `[::1]:${port}` }, { origin: `http://localhost:${port}` }]) {
    expect((await ask(`${it.url}/health`, { headers })).status).toBe(200)
  }
})

test('paths, methods and parameters that there are not are told, with what was probably meant', async () => {
  const it = await control({ topics: { orders: 1 } })
  expect(await it.refused('GET', '/topcs')).toMatchObject({ status: 404, code: 'UNKNOWN_ROUTE', detail: 'there is no /topcs: did you mean /topics?' })
  expect(await it.refused('GET', '/x/y/z/some/thing/else')).toMatchObject(told(404, 'GET /openapi.json tells all'))
  const wrong = await it.ask('PUT', '/topics')
  expect(wrong).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, POST' }, body: { code: 'METHOD_NOT_ALLOWED' } })
  expect(await it.refused('GET', '/topics/orders/records?form=1')).toMatchObject({
    detail: 'the query has an unknown parameter "form": did you mean "from"?',
  })
  expect(await it.refused('GET', '/topics/orders/records?from=1&from=2')).toMatchObject(told(400, '"from" is in the query more than once'))
  expect(await it.refused('GET', '/topics/orders/records?from=-1')).toMatchObject(told(400, '"from" of the query is at least 0, not -1'))
  expect(await it.refused('GET', '/topics/orders/records?from=1e3')).toMatchObject({ status: 400 })
  expect(await it.refused('GET', '/topics/orders/records?isolation=comitted')).toMatchObject({ detail: expect.stringContaining('is one of') })
  expect(await it.refused('GET', '/topics/%E0%A4%A')).toMatchObject(told(400, 'the path has % where no escape is'))
  expect(await it.refused('GET', '/topics//records')).toMatchObject({ status: 400 })
  expect((await ask(`${it.url}/${'x'.repeat(9000)}`, {})).status).toBe(400)
  expect(await it.refused('POST', '/journal/clear', {})).toMatchObject({ status: 404 })
  expect(await it.refused('DELETE', '/journal', { all: true })).toMatchObject(told(400, 'DELETE /journal takes no body'))
})

test('HEAD is answered as GET, without what is in it', async () => {
  const it = await control()
  const { status, headers, text } = await ask(`${it.url}/health`, { method: 'HEAD' })
  expect({ status, text, type: headers['content-type'] }).toEqual({ status: 200, text: '', type: 'application/json' })
  expect(Number(headers['content-length'])).toBeGreaterThan(10)
})

test('there are as many forks, checkpoints and faults as there is room for', async () => {
  const it = await control()
  for (let count = 0; count < 32; count++) await it.done('POST', '/forks')
  expect(await it.refused('POST', '/forks')).toEqual({
    status: 409, code: 'LIMIT_REACHED', detail: 'there are 32 forks, and no room for another one: delete some first',
  })
  await it.done('DELETE', '/forks/7')
  expect(await it.done('POST', '/forks')).toMatchObject({ id: '33' })
})

test('a wait ends when whoever waits has gone, and takes nothing with it', async () => {
  const it = await control({ topics: { orders: 1 } })
  const leaving = new AbortController()
  const gone = ask(`${it.url}/topics/orders/next`, { method: 'POST', headers: json, content: '{"timeout":"60s"}', signal: leaving.signal })
  const looked = it.kafka.topic('orders')
  await it.done('GET', '/health')
  leaving.abort()
  await expect(gone).rejects.toThrow()
  await expect.poll(() => it.sidecar.underway).toBe(0)
  await it.done('POST', '/topics/orders/records', { records: [{ value: 'for who stays' }] })
  expect(looked.untaken()).toHaveLength(1)
  expect(await it.done('POST', '/topics/orders/next')).toMatchObject({ value: 'for who stays' })
})

test('a pattern that would take years is given up, wherever it is asked, and everybody else is answered', async () => {
  const topic = `${'a'.repeat(60)}.`
  const it = await control({ topics: { orders: 1, [topic]: 1 } })
  const slow = '^(a+)+$'
  const text = `${'a'.repeat(60)}!`
  const raw = await RawClient.connect(it.kafka.brokers[0]!.port)
  raw.clientId = text
  await produceOne(raw, 'orders', 0, text)
  for (const [method, path, body] of [
    ['POST', '/expect', { matcher: 'toHaveProduced', topic: 'orders', record: { value: { $matches: slow } } }],
    ['POST', '/expect', { matcher: 'toHaveReceivedRequest', api: 'Produce', client: { pattern: slow } }],
    ['POST', '/topics/orders/wait-for', { record: { value: { $not: { $matches: slow } } } }],
    ['GET', `/journal?clientPattern=${encodeURIComponent(slow)}`, undefined],
  ] as const) {
    expect(await it.refused(method, path, body)).toMatchObject(told(400, 'takes too long with a text of 61 letters', 'PATTERN_TOO_SLOW'))
  }
  const { id } = await it.done('POST', '/contracts', { topic: 'orders', key: { type: ['string', 'null'] }, value: { pattern: slow } })
  expect((await produceOne(raw, 'orders', 0, JSON.stringify(text))).errorCode).toBe(87)
  expect((await it.done('GET', `/contracts/${id}`)).violations).toMatchObject([{ reason: expect.stringContaining('takes too long') }])
  await it.done('DELETE', `/contracts/${id}`)
  const error = [{ type: 'error', error: 'UNKNOWN_SERVER_ERROR' }]
  for (const fault of [{ target: { client: { pattern: slow } } }, { matching: { topicData: [{ name: { $matches: '^([a-z]+)+$' } }] } }]) {
    await it.done('POST', '/faults', { api: 'Produce', actions: error, optional: true, ...fault })
    expect((await produceOne(raw, topic, 0, 'x')).errorCode).toBe(0)
    expect(await it.refused('POST', '/verify')).toMatchObject(told(409, 'takes too long with a text of 61 letters', 'LOG_FAULT_UNFIRED'))
    await it.done('DELETE', '/faults')
  }
})

test('bytes that are no HTTP end a connection, and no other', async () => {
  const it = await control()
  const socket = connect({ port: Number(new URL(it.url).port), host: '127.0.0.1' })
  const ended = new Promise<void>((resolve) => void socket.on('close', () => resolve()).on('error', () => {}).resume())
  socket.write(Buffer.from([0, 0, 0, 14, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255]))
  await ended
  expect(await it.done('GET', '/health')).toMatchObject({ status: 'ok' })
})
