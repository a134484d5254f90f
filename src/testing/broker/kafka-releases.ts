/*
 * Which APIs releases of Kafka served, and up to which version. Up to 3.9 all versions from the first on; 4.0 took the oldest away, as we have it.
 * APIs that we do not serve are left out. Source: Kafka's protocol definitions of each release.
 */

/** First and last version of an API. */
export type VersionRange = readonly [first: number, last: number]

/** The newest version of each API by release: `key:version`. */
const newest: Readonly<Record<string, string>> = {
  '1.0':
    '0:5 1:6 2:2 3:5 8:3 9:3 10:1 11:2 12:1 13:1 14:1 15:1 16:1 17:1 18:1 19:2 20:1 21:0 22:0 23:0 24:0 25:0 26:0 28:0 29:0 30:0 ' +
    '31:0 32:0 33:0 35:0 36:0 37:0',
  '2.0':
    '0:6 1:8 2:3 3:6 8:4 9:4 10:2 11:3 12:2 13:2 14:2 15:2 16:2 17:1 18:2 19:3 20:2 21:1 22:1 23:1 24:1 25:1 26:1 28:1 29:1 30:1 ' +
    '31:1 32:2 33:1 35:1 36:0 37:1 42:1',
  '2.4':
    '0:8 1:11 2:5 3:9 8:8 9:6 10:3 11:6 12:4 13:4 14:4 15:5 16:3 17:1 18:3 19:5 20:4 21:1 22:2 23:3 24:1 25:1 26:1 28:2 29:1 30:1 ' +
    '31:1 32:2 33:1 35:1 36:1 37:1 42:2 43:2 44:1 45:0 46:0 47:0',
  '2.8':
    '0:9 1:12 2:6 3:11 8:8 9:7 10:3 11:7 12:4 13:4 14:5 15:5 16:4 17:1 18:3 19:7 20:6 21:2 22:4 23:4 24:3 25:3 26:3 28:3 29:2 30:2 ' +
    '31:2 32:4 33:2 35:2 36:2 37:3 42:2 43:2 44:1 45:0 46:0 47:0 48:1 49:1 50:0 51:0 57:0 60:0 61:0',
  '3.3':
    '0:9 1:13 2:7 3:12 8:8 9:8 10:4 11:9 12:4 13:5 14:5 15:5 16:4 17:1 18:3 19:7 20:6 21:2 22:4 23:4 24:3 25:3 26:3 28:3 29:3 30:3 ' +
    '31:3 32:4 33:2 35:4 36:2 37:3 42:2 43:2 44:1 45:0 46:0 47:0 48:1 49:1 50:0 51:0 57:1 60:0 61:0 65:0 66:0',
  '3.6':
    '0:9 1:15 2:8 3:12 8:8 9:8 10:4 11:9 12:4 13:5 14:5 15:5 16:4 17:1 18:3 19:7 20:6 21:2 22:4 23:4 24:4 25:3 26:3 28:3 29:3 30:3 ' +
    '31:3 32:4 33:2 35:4 36:2 37:3 42:2 43:2 44:1 45:0 46:0 47:0 48:1 49:1 50:0 51:0 57:1 60:0 61:0 65:0 66:0',
  '3.9':
    '0:11 1:17 2:9 3:12 8:9 9:9 10:6 11:9 12:4 13:5 14:5 15:5 16:5 17:1 18:4 19:7 20:6 21:2 22:5 23:4 24:5 25:4 26:4 28:4 29:3 ' +
    '30:3 31:3 32:4 33:2 35:4 36:2 37:3 42:2 43:2 44:1 45:0 46:0 47:0 48:1 49:1 50:0 51:0 57:1 60:1 61:0 65:0 66:1 68:0 69:0',
  '4.0':
    '0:12 1:17 2:10 3:13 8:9 9:9 10:6 11:9 12:4 13:5 14:5 15:6 16:5 17:1 18:4 19:7 20:6 21:2 22:5 23:4 24:5 25:4 26:5 28:5 29:3 ' +
    '30:3 31:3 32:4 33:2 35:4 36:2 37:3 42:2 43:2 44:1 45:0 46:0 47:0 48:1 49:1 50:0 51:0 57:2 60:2 61:0 65:0 66:1 68:1 69:1 71:0 ' +
    '72:0 74:0 75:0',
  '4.1':
    '0:13 1:18 2:10 3:13 8:9 9:9 10:6 11:9 12:4 13:5 14:5 15:6 16:5 17:1 18:4 19:7 20:6 21:2 22:5 23:4 24:5 25:4 26:5 28:5 29:3 ' +
    '30:3 31:3 32:4 33:2 35:4 36:2 37:3 42:2 43:2 44:1 45:1 46:0 47:0 48:1 49:1 50:0 51:0 57:2 60:2 61:0 65:0 66:2 68:1 69:1 71:0 ' +
    '72:0 74:1 75:0',
  '4.2':
    '0:13 1:18 2:11 3:13 8:10 9:10 10:6 11:9 12:4 13:5 14:5 15:6 16:5 17:1 18:4 19:7 20:6 21:2 22:5 23:4 24:5 25:4 26:5 28:5 29:3 ' +
    '30:3 31:3 32:4 33:2 35:4 36:2 37:3 42:2 43:2 44:1 45:1 46:0 47:0 48:1 49:1 50:0 51:0 57:2 60:2 61:0 65:0 66:2 68:1 69:1 71:0 ' +
    '72:0 74:1 75:0',
}

/** Everything that is served, whatever the release had. */
const ALL = 0x7fff
const PRODUCE = 0
const FETCH = 1
const METADATA = 3
const JOIN_GROUP = 11

/** The ranges of a release. */
function releaseOf(text: string): Map<number, VersionRange> {
  return new Map(text.split(' ').map((part) => {
    const [key, last] = part.split(':').map(Number)
    return [key!, [0, last!]]
  }))
}

/** As a release, but for some APIs. */
function but(release: string, changes: readonly (readonly [key: number, range: VersionRange])[]): Map<number, VersionRange> {
  return new Map([...releaseOf(newest[release]!), ...changes])
}

/** Releases, and neighbours that are known for what they lack. */
export const kafkaReleases: Readonly<Record<string, ReadonlyMap<number, VersionRange>>> = {
  ...Object.fromEntries(Object.entries(newest).map(([release, text]) => [release, releaseOf(text)])),
  // JoinGroup from 2 on: clients with Kerberos could not connect.
  '4.0.0': but('4.0', [[JOIN_GROUP, [2, 9]]]),
  // Metadata up to 5.
  'event-hubs': but('2.0', [[METADATA, [0, 5]]]),
  // Topics have names only.
  'no-topic-ids': but('3.9', [[FETCH, [0, 12]]]),
  // It tells that Produce begins at 3: librdkafka up to 2.11.0 does not compress.
  'produce-min-3': but('4.2', [[PRODUCE, [3, ALL]]]),
}
