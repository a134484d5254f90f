/*
 * Older brokers: the APIs and versions that a release of Kafka had, both the oldest and the newest. What we do not serve is not made up; versions
 * that only the old release had are not served either.
 */
import { closest } from '../../base/options.ts'
import { type AnyApi } from '../../kafka/api.ts'
import { apis } from '../../kafka/apis.ts'
import { kafkaReleases } from './kafka-releases.ts'

/** The release whose versions we serve. */
const NEWEST = '4.3'

/** The APIs as a release of Kafka serves them, as far as we do. Throws TypeError for a release that is not known. */
export function emulatedApis(release: string): readonly AnyApi[] {
  if (release === NEWEST) return apis
  const ranges = Object.hasOwn(kafkaReleases, release) ? kafkaReleases[release] : undefined
  if (ranges === undefined) {
    const known = [...Object.keys(kafkaReleases), NEWEST]
    const meant = closest(release, known)
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
    throw new TypeError(`release "${release}" of Kafka is not known: there are ${known.join(', ')}${hint}`)
  }
  return apis.flatMap((api) => {
    const range = ranges.get(api.key)
    if (range === undefined) return []
    const [first, last] = [Math.max(range[0], api.request.first), Math.min(range[1], api.request.last)]
    return first > last ? [] : [narrowed(api, { first, last, told: Math.max(range[0], api.advertisedFrom ?? first) })]
  })
}

function narrowed(api: AnyApi, { first, last, told }: { readonly first: number; readonly last: number; readonly told: number }): AnyApi {
  // The same message, that says less of itself: its codecs are those of all versions.
  const message: unknown = api.request
  const request = new Proxy(message as object, {
    get(target, name) {
      if (name === 'first') return first
      if (name === 'last') return last
      if (name === 'supports') return (version: number) => Number.isInteger(version) && version >= first && version <= last
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value as (...given: unknown[]) => unknown).bind(target) : value
    },
  })
  return { ...api, request: request as AnyApi['request'], advertisedFrom: told }
}
