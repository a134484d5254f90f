/*
 * A journal as a capture file, so that Wireshark shows it: each connection becomes a TCP conversation with a handshake, sequence numbers and
 * checksums, from a made-up address to port 9092 of its broker. Spec: the classic pcap format, RFC 791, RFC 9293.
 */
import { type JournalEntry } from './entry.ts'

const PORT = 9092
const FIRST_CLIENT_PORT = 10_000
/** Bytes of a message in one packet: an IP packet has 65,535. */
const MOST_PAYLOAD = 60_000
const IP_HEADER = 20
const TCP_HEADER = 20
/** Packets are bare IP. */
const LINKTYPE_RAW = 101
const SYN = 0x02
const ACK = 0x10
const PSH_ACK = 0x18

/** A conversation so far: the next sequence numbers of both sides. */
interface Conversation {
  readonly clientAddress: number
  readonly brokerAddress: number
  readonly clientPort: number
  client: number
  broker: number
}

interface Message {
  /** Of all that the journal has: time may stand. */
  readonly order: number
  readonly since: number
  readonly entry: JournalEntry
  readonly fromClient: boolean
  readonly bytes: Uint8Array
}

/** The capture file. `began` is the wall time at which the journal began, in ms. */
export function pcapOf(entries: readonly JournalEntry[], began: number): Buffer {
  const messages = entries.flatMap((entry) => messagesOf(entry)).sort((one, other) => one.order - other.order)
  const conversations = new Map<number, Conversation>()
  const packets: Buffer[] = [fileHeader()]
  for (const { since, entry, fromClient, bytes } of messages) {
    const at = began + since
    let conversation = conversations.get(entry.connection)
    if (conversation === undefined) {
      conversation = conversationOf(entry)
      conversations.set(entry.connection, conversation)
      packets.push(...handshake(conversation, at))
    }
    for (let from = 0; from < bytes.length; from += MOST_PAYLOAD) {
      packets.push(packet(conversation, { at, fromClient, flags: PSH_ACK, payload: bytes.subarray(from, from + MOST_PAYLOAD) }))
    }
  }
  return Buffer.concat(packets)
}

function messagesOf(entry: JournalEntry): Message[] {
  const { since, durationMs, order, requestFrame, responseFrame } = entry
  const length = Buffer.alloc(4)
  length.writeInt32BE(requestFrame.length)
  const request = { order: order.asked, since, entry, fromClient: true, bytes: Buffer.concat([length, requestFrame]) }
  if (durationMs === undefined || responseFrame === undefined) return [request]
  return [request, { order: order.answered, since: since + durationMs, entry, fromClient: false, bytes: responseFrame }]
}

function conversationOf({ connection, broker }: JournalEntry): Conversation {
  return {
    // 10.0.x.y to 10.1.x.y
    clientAddress: 0x0a00_0000 + (connection & 0xffff), brokerAddress: 0x0a01_0000 + (broker & 0xffff),
    clientPort: FIRST_CLIENT_PORT + (connection % 50_000), client: 1000, broker: 5000,
  }
}

function handshake(conversation: Conversation, at: number): Buffer[] {
  const empty = new Uint8Array(0)
  const syn = packet(conversation, { at, fromClient: true, flags: SYN, payload: empty })
  conversation.client++
  const both = packet(conversation, { at, fromClient: false, flags: SYN | ACK, payload: empty })
  conversation.broker++
  return [syn, both, packet(conversation, { at, fromClient: true, flags: ACK, payload: empty })]
}

function fileHeader(): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2_c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(0xffff, 16)
  header.writeUInt32LE(LINKTYPE_RAW, 20)
  return header
}

interface PacketParts {
  readonly at: number
  readonly fromClient: boolean
  readonly flags: number
  readonly payload: Uint8Array
}

function packet(conversation: Conversation, { at, fromClient, flags, payload }: PacketParts): Buffer {
  const { clientAddress, brokerAddress, clientPort, client, broker } = conversation
  const size = IP_HEADER + TCP_HEADER + payload.length
  const bytes = Buffer.alloc(16 + size)
  bytes.writeUInt32LE(Math.floor(at / 1000), 0)
  bytes.writeUInt32LE(Math.floor((at % 1000) * 1000), 4)
  bytes.writeUInt32LE(size, 8)
  bytes.writeUInt32LE(size, 12)
  const ip = bytes.subarray(16)
  ip[0] = 0x45
  ip.writeUInt16BE(size, 2)
  ip[8] = 64
  ip[9] = 6
  ip.writeUInt32BE(fromClient ? clientAddress : brokerAddress, 12)
  ip.writeUInt32BE(fromClient ? brokerAddress : clientAddress, 16)
  ip.writeUInt16BE(checksum(ip.subarray(0, IP_HEADER), 0), 10)
  const tcp = ip.subarray(IP_HEADER)
  tcp.writeUInt16BE(fromClient ? clientPort : PORT, 0)
  tcp.writeUInt16BE(fromClient ? PORT : clientPort, 2)
  tcp.writeUInt32BE((fromClient ? client : broker) >>> 0, 4)
  tcp.writeUInt32BE(((flags & ACK) === 0 ? 0 : fromClient ? broker : client) >>> 0, 8)
  tcp[12] = (TCP_HEADER / 4) << 4
  tcp[13] = flags
  tcp.writeUInt16BE(0xffff, 14)
  tcp.set(payload, TCP_HEADER)
  tcp.writeUInt16BE(checksum(tcp, pseudoHeader(ip, tcp.length)), 16)
  if (fromClient) conversation.client += payload.length
  else conversation.broker += payload.length
  return bytes
}

/** What TCP's checksum covers beside the segment: both addresses, the protocol and the length. */
function pseudoHeader(ip: Buffer, length: number): number {
  let sum = 6 + length
  for (let at = 12; at < IP_HEADER; at += 2) sum += ip.readUInt16BE(at)
  return sum
}

function checksum(bytes: Buffer, start: number): number {
  let sum = start
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  if (bytes.length % 2 === 1) sum += bytes[bytes.length - 1]! << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000)
  return ~sum & 0xffff
}
