/*
 * A connection in memory whose messages a scheduler delivers: requests and answers, one after the other in each direction, as TCP keeps them.
 */
import { apis } from '../../kafka/apis.ts'
import { MemorySocket } from '../../kafka/memory-socket.ts'
import { FrameCutter } from './frame-cutter.ts'
import { type Scheduler } from './scheduler.ts'

const apiNames: ReadonlyMap<number, string> = new Map(apis.map(({ key, name }) => [key, name]))
/** Length, API, version and correlation id. */
const CLIENT_ID_AT = 12
const CORRELATION_AT = 8
const ANSWERED_CORRELATION_AT = 4

/** The two ends of a connection: that of the client, and that of the broker. `wrote` is called with every write of either. */
export function scheduledLink(scheduler: Scheduler, wrote: () => void): readonly [MemorySocket, MemorySocket] {
  const [client, fromClient] = MemorySocket.pair(wrote)
  const [fromBroker, broker] = MemorySocket.pair(wrote)
  /** By correlation id. */
  const asked = new Map<number, string>()
  forward(scheduler, fromClient, fromBroker, (frame) => {
    const name = scheduler.nextName(kindOf(frame))
    if (frame.length >= CLIENT_ID_AT) asked.set(frame.readInt32BE(CORRELATION_AT), name)
    return name
  })
  forward(scheduler, fromBroker, fromClient, (frame) => {
    if (frame.length < ANSWERED_CORRELATION_AT + 4) return undefined
    const request = asked.get(frame.readInt32BE(ANSWERED_CORRELATION_AT))
    return request === undefined ? undefined : `${request}<`
  })
  return [client, broker]
}

function forward(scheduler: Scheduler, from: MemorySocket, to: MemorySocket, nameOf: (frame: Buffer) => string | undefined): void {
  const channel = scheduler.channel()
  const cutter = new FrameCutter()
  const pass = (frames: readonly Buffer[]): void => {
    for (const frame of frames) {
      scheduler.send(channel, { name: nameOf(frame), deliver: () => void (to.destroyed || to.writableEnded || to.write(frame)) })
    }
  }
  from.on('data', (chunk: Buffer) => pass(cutter.push(chunk)))
  from.on('error', () => {})
  from.on('end', () => {
    pass(cutter.end())
    scheduler.send(channel, { name: undefined, deliver: () => void (to.destroyed || to.end()) })
  })
  from.on('close', () => scheduler.send(channel, { name: undefined, deliver: () => void to.destroy() }))
}

/** Who asks for what. Names have no blanks, so that schedules are easily read. */
function kindOf(frame: Buffer): string {
  if (frame.length < CLIENT_ID_AT + 2) return 'client/bytes'
  const length = Math.max(0, frame.readInt16BE(CLIENT_ID_AT))
  const client = frame.toString('utf8', CLIENT_ID_AT + 2, CLIENT_ID_AT + 2 + length)
  const key = frame.readInt16BE(4)
  return `${client === '' ? 'client' : nameText(client)}/${apiNames.get(key) ?? `api${key}`}`
}

/** A name that stands in a schedule. */
export function nameText(name: string): string {
  return encodeURIComponent(name).replaceAll(/[;#<]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)
}
