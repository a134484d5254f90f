/*
 * A web service on events: commands by POST, a view by GET, and a live feed by server-sent events that goes on where a client lost it.
 *
 *   POST /carts/:id/items { sku, quantity }     POST /carts/:id/checkout     GET /carts/:id     GET /sold     GET /events
 *
 * Without --serve it calls itself through HTTP, prints what it gets, and ends.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo } from 'node:net'
import { CommitLog, isLogError } from 'commitlog'
import { defineEvents, defineProjection, eventStore, project, withOrigin } from 'commitlog/events'

type CartEvent =
  | { type: 'ItemAdded', data: { sku: string, quantity: number } }
  | { type: 'CheckedOut', data: { items: number } }
type Command = { add: { sku: string, quantity: number } } | { checkOut: true }

const log = process.argv.includes('--serve') ? await CommitLog.open('./carts') : await CommitLog.memory()
const carts = await eventStore(log, defineEvents<CartEvent>('cart'))
const cart = carts.aggregate({
  initial: () => ({ items: 0, closed: false }),
  evolve: (state, event) => (event.type === 'CheckedOut' ? { ...state, closed: true } : { ...state, items: state.items + event.data.quantity }),
  decide: (command: Command, state) => {
    if (state.closed) throw new Refused('the cart is checked out')
    if ('add' in command) return { type: 'ItemAdded' as const, data: command.add }
    if (state.items === 0) throw new Refused('the cart is empty')
    return { type: 'CheckedOut' as const, data: { items: state.items } }
  },
})
const sold = await project(carts, defineProjection<CartEvent, number>({
  name: 'sold', inline: true,
  key: (event) => (event.type === 'ItemAdded' ? event.data.sku : undefined),
  initial: () => 0,
  on: { ItemAdded: (count, event) => count + event.data.quantity },
}))

class Refused extends Error {}
const statuses: { [code: string]: number } = { LOG_VERSION_CONFLICT: 412, LOG_EVENT_INVALID: 400, LOG_STREAM_INVALID: 400 }
const closing = new AbortController()

const server = createServer((request, response) => {
  // Whatever is appended for a request carries its id.
  const correlation = request.headers['x-request-id'] ?? crypto.randomUUID()
  withOrigin({ correlation: String(correlation) }, () => answer(request, response)).catch((error: unknown) => {
    const status = error instanceof Refused ? 409 : (isLogError(error) && statuses[error.code]) || 500
    if (response.headersSent) response.destroy()
    else send(response, status, { error: (error as Error).message })
  })
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '/' } = request
  const [, what, id = '', action] = new URL(url, 'http://localhost').pathname.split('/')
  if (method === 'GET' && what === 'events') return feed(request, response)
  if (method === 'GET' && what === 'sold') return send(response, 200, Object.fromEntries(sold.entries()))
  if (method === 'GET' && what === 'carts') return send(response, 200, await cart.load(id))
  if (method === 'POST' && action === 'items') return handle(response, id, { add: await bodyOf(request) as { sku: string, quantity: number } })
  if (method === 'POST' && action === 'checkout') return handle(response, id, { checkOut: true })
  send(response, 404, { error: `there is no ${method} ${url}` })
}

async function handle(response: ServerResponse, id: string, command: Command): Promise<void> {
  const { version, position } = await cart.handle(id, command)
  send(response, 200, { version, position })
}

/** Events as they come; a client that lost the connection says the last id that it saw, and goes on behind it. */
async function feed(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const last = request.headers['last-event-id']
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const signal = AbortSignal.any([gone.signal, closing.signal])
  try {
    for await (const event of carts.all({ from: last === undefined ? 'earliest' : Number(last) + 1, signal })) {
      const flows = response.write(`id: ${event.position}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
      if (!flows) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
    }
  } catch (error) {
    if (!signal.aborted) throw error
    response.end()
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString())
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}

server.listen(process.argv.includes('--serve') ? 8080 : 0)
await new Promise((resolve) => server.once('listening', resolve))
const address = `http://localhost:${(server.address() as AddressInfo).port}`
if (process.argv.includes('--serve')) console.log(`listening at ${address}`)
else await tryOut()

/** What a client would do. */
async function tryOut(): Promise<void> {
  const post = (path: string, body: unknown = {}): Promise<Response> => fetch(address + path, {
    method: 'POST', body: JSON.stringify(body), headers: { 'x-request-id': 'request-7' },
  })
  for (const sku of ['tea', 'milk', 'tea']) console.log('added:', await (await post('/carts/c-1/items', { sku, quantity: 2 })).json())
  console.log('checked out:', (await post('/carts/c-1/checkout')).status)
  const again = await post('/carts/c-1/items', { sku: 'tea', quantity: 1 })
  console.log('refused:', again.status, await again.json())
  console.log('no cart:', (await post(`/carts/${'x'.repeat(2000)}/items`, { sku: 'tea', quantity: 1 })).status)
  console.log('sold:', await (await fetch(`${address}/sold`)).json())
  console.log('cart:', await (await fetch(`${address}/carts/c-1`)).json())

  const live = await fetch(`${address}/events`, { headers: { 'last-event-id': '1' } })
  await post('/carts/c-2/items', { sku: 'salt', quantity: 1 })           // while the feed is open
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of live.body!) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    if (text.includes('salt')) break
  }
  for (const [, id, type, data] of text.matchAll(/id: (\d+)\nevent: (\w+)\ndata: (.*)/g)) {
    console.log(`fed: ${id} ${type} of ${(JSON.parse(data!) as { metadata: { correlation: string } }).metadata.correlation}`)
  }
  closing.abort()
  server.close()
  server.closeAllConnections()
  await sold.close()
  await log.close()
}
