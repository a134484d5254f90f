/*
 * The rules of the house as functions: each takes sources (path and text) and gives the findings as lines that name file and place.
 * They read with regular expressions and the small scanner below, not with a compiler: no rule here needs to know types.
 * tidy.test.ts runs them over the project and, to prove that they bite, over small invented sources that must fail.
 */

/** A file as a rule sees it; `path` is relative to the project, with slashes. */
export interface Source {
  readonly path: string
  readonly text: string
}

// Floors ---------------------------------------------------------------------------------------------------------------------------------

const floors: Readonly<Record<string, number>> = {
  base: 0,
  files: 1,
  format: 1,
  log: 2,
  topics: 3,
  kafka: 4,
  events: 4,
  cluster: 4,
  testing: 5,
  emmett: 5,
  cli: 6,
  '': 6,
}

/** Where each package may be imported: folders or files of src. What is not listed may be imported nowhere in src. */
const packagePlaces: Readonly<Record<string, readonly string[]>> = {
  'fs-extra': ['src/files/folders.ts'],
  msgpackr: ['src/topics/codecs.ts'],
  'xxhash-wasm': ['src/base/hash.ts'],
  snappy: ['src/format/'],
  'lz4-napi': ['src/format/'],
  '@toondepauw/node-zstd': ['src/format/'],
  '@event-driven-io/emmett': ['src/emmett/emmett-package.ts'],
  vitest: ['src/testing/vitest.ts'],
  '@platformatic/kafka': ['src/cluster/client.ts'],
}

/** Where each module of Node that reaches outside the process may be imported. Modules that are not listed may be imported anywhere. */
const builtinPlaces: Readonly<Record<string, readonly string[]>> = {
  'node:fs': ['src/files/', 'src/cli/'],
  'node:fs/promises': ['src/files/', 'src/cli/'],
  'node:sqlite': ['src/files/'],
  'node:child_process': ['src/files/', 'src/cli/'],
  'node:net': ['src/kafka/', 'src/cluster/', 'src/cli/stdin-watchdog.ts'],
  'node:tls': ['src/kafka/', 'src/cluster/'],
  'node:dns': ['src/kafka/', 'src/cluster/'],
  'node:dgram': [],
  'node:http': ['src/testing/sidecar/'],
  'node:https': [],
  'node:http2': [],
  'node:readline': ['src/cli/'],
}

/** An import, export-from, dynamic import or require of a source. */
export interface Edge {
  readonly from: string
  readonly specifier: string
  readonly line: number
  /** Whether the line re-exports. */
  readonly reExport: boolean
}

/** Every edge of a source: static, dynamic and by `require`. */
export function edges(source: Source): Edge[] {
  const code = withoutComments(source.text)
  const keywords = codeOnly(source.text)
  const forms: readonly [RegExp, boolean][] = [
    [/\bexport\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s*from\s*['"]([^'"]+)['"]/g, true],
    [/\bimport\b[^'"`;()]*?\bfrom\s*['"]([^'"]+)['"]/g, false],
    [/\bimport\s*['"]([^'"]+)['"]/g, false],
    [/\b(?:import|require\w*|getBuiltinModule)\s*(?:<[^>]*>)?\(\s*['"]([^'"]+)['"]/g, false],
    [/\bcreateRequire\([^)]*\)\s*\(\s*['"]([^'"]+)['"]/g, false],
  ]
  // A word within a string imports nothing.
  return forms.flatMap(([form, reExport]) => [...code.matchAll(form)].filter(({ index }) => keywords[index] === code[index]).map((match) => ({
    from: source.path, specifier: match[1]!, line: lineOf(code, match.index), reExport,
  }))).sort((a, b) => a.line - b.line)
}

/** Edges of src that go sideways or up, leave src, or miss the `.ts` ending. */
export function badEdges(sources: readonly Source[]): string[] {
  return inSrc(sources).flatMap(edges).flatMap((edge) => {
    const at = `${edge.from}:${edge.line}`
    if (!edge.specifier.startsWith('.')) return []
    if (!edge.specifier.endsWith('.ts')) return [`${at}: import of ${edge.specifier} without its .ts ending`]
    const target = resolvePath(edge.from, edge.specifier)
    const [own, other] = [floorFolder(edge.from), floorFolder(target)]
    if (own === undefined || other === undefined) return [`${at}: ${target} is on no floor`]
    if (own === other || floors[other]! < floors[own]!) return []
    const way = floors[other] === floors[own] ? 'sideways' : 'up'
    return [`${at}: ${edge.from} imports ${target}, which goes ${way}`]
  })
}

/** Packages and modules of Node imported in src where they may not be. */
export function badPackages(sources: readonly Source[]): string[] {
  return inSrc(sources).flatMap(edges).flatMap((edge) => {
    if (edge.specifier.startsWith('.')) return []
    const builtin = edge.specifier.startsWith('node:')
    const places = builtin ? builtinPlaces[edge.specifier] : packagePlaces[packageOf(edge.specifier)] ?? []
    if (places === undefined || places.some((place) => edge.from.startsWith(place))) return []
    const allowed = places.length === 0 ? 'may not be imported in src' : `may be imported in ${places.join(', ')} only`
    return [`${edge.from}:${edge.line}: ${edge.specifier} ${allowed}`]
  })
}

/** Re-exports outside doors. `doors` are the sources that package.json exports. */
export function barrels(sources: readonly Source[], doors: readonly string[]): string[] {
  const closed = inSrc(sources).filter((source) => !doors.includes(source.path))
  const named = closed.filter((source) => source.path.endsWith('/index.ts')).map((source) => `${source.path}: a barrel that is no door`)
  const found = closed.flatMap(edges).filter((edge) => edge.reExport)
  return [...named, ...found.map((edge) => `${edge.from}:${edge.line}: re-exports ${edge.specifier}, but only doors re-export`)]
}

/** Time, chance and output reached past `Clock`, `Random` and events. */
export function strayEffects(sources: readonly Source[]): string[] {
  const outside = /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|process\.hrtime|setTimeout|setInterval|setImmediate)\b/g
  const allowed = [
    'src/base/clock.ts', 'src/base/random.ts', 'src/files/', 'src/kafka/', 'src/cluster/', 'src/cli/', 'src/testing/explore/own-time',
  ]
  return inSrc(sources).flatMap((source) => [
    ...matches(source, /\bconsole\.\w+/g, 'nothing is printed outside cli').filter(() => !source.path.startsWith('src/cli/')),
    ...matches(source, outside, 'time and chance come from Clock and Random').filter(() => !allowed.some((place) => source.path.startsWith(place))),
  ])
}

// Syntax and words -----------------------------------------------------------------------------------------------------------------------

/** Enums, namespaces, parameter properties: what type stripping cannot erase. A namespace of `declare global` is only types. */
export function unerasable(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => [
    ...matches(source, /^[ \t]*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s+\w+/gm, 'no enums'),
    ...matches(source, /(?<!^declare global \{\n)^[ \t]*(?:export\s+)?(?:declare\s+)?namespace\s+[\w.]+\s*\{/gm, 'no namespaces'),
    ...parameterProperties(source),
  ])
}

function parameterProperties(source: Source): string[] {
  const code = codeOnly(source.text)
  return [...code.matchAll(/\bconstructor\s*\(/g)].flatMap((match) => {
    let depth = 0
    let plain = ''                               // the parameters without what is in inner brackets
    for (let at = match.index + match[0].length; at < code.length && depth >= 0; at++) {
      const closes = /[)\]}]/.test(code[at]!)
      if (closes) depth--
      if (depth === 0) plain += closes ? ' ' : code[at]
      if (/[([{]/.test(code[at]!)) depth++
    }
    const found = /(?:^|,)\s*(?:(?:public|private|protected|override|readonly)\s+)+\w+/.exec(plain)?.[0]
    return found === undefined ? [] : [`${source.path}:${lineOf(code, match.index)}: "${found.trim()}": no parameter properties`]
  })
}

/** Ways around the type checker. Type tests say which errors they expect. */
export function typeEscapes(sources: readonly Source[]): string[] {
  // Written in pieces, so that this file does not find itself.
  const [around, expected] = [new RegExp('@ts-(?:ign' + 'ore|noch' + 'eck)', 'g'), new RegExp('@ts-exp' + 'ect-error', 'g')]
  return sources.flatMap((source) => [
    ...matches(source, /\bas any\b|:\s*any\b/g, 'no any'),
    ...rawMatches(source, around, 'no way around the type checker'),
    ...rawMatches(source, expected, 'only type tests expect errors').filter(() => !/^test\/(?:types\/|outside\/types\.ts$)/.test(source.path)),
  ])
}

/** Notes to oneself that were left behind. */
export function leftovers(sources: readonly Source[]): string[] {
  const words = ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')
  return sources.flatMap((source) => [
    ...rawMatches(source, new RegExp(`\\b(?:${words})\\b`, 'g'), 'left behind'),
    ...(source.path.endsWith('.ts') ? matches(source, /\bdebugger\b/g, 'left behind') : []),
  ])
}

/** Tests that run alone or not at all. `skipIf` and `runIf` name a condition and are fine. */
export function switchedTests(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => [
    ...matches(source, /\b(?:test|it|describe|suite)(?:\.\w+)*\.(?:only|skip|todo|fails)\b/g, 'a test that is switched off, or switches others off'),
    ...matches(source, /\bvi\.mock\b/g, 'no mocks of our own code'),
  ])
}

/** Lines longer than `limit`; tables, addresses and lines of JSON in Markdown aside. */
export function longLines(sources: readonly Source[], limit = 150): string[] {
  return sources.flatMap((source) => source.text.split('\n').flatMap((line, index) => {
    if (line.length <= limit || (source.path.endsWith('.md') && /^\s*\||^\s*[[<]?https?:|^\{"/.test(line))) return []
    return [`${source.path}:${index + 1}: ${line.length} characters`]
  }))
}

// Comments -------------------------------------------------------------------------------------------------------------------------------

/** Sources that do not begin with a comment that says what they are. */
export function headless(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const header = /^(?:#![^\n]*\n)?\/\*(?!\*)([\s\S]*?)\*\//.exec(source.text)
    const words = header?.[1]!.match(/\w+/g)?.length ?? 0
    return words >= 6 ? [] : [`${source.path}: begins without a comment that says what the file is`]
  })
}

/**
 * Exports without a docstring. One docstring may stand above a run of adjacent one-line constants and types, and above the first of
 * several overloads. Constants in capitals that fit in a line need none: they are positions, bits and bounds, beside their diagram.
 */
export function undocumented(sources: readonly Source[]): string[] {
  return inSrc(sources).flatMap((source) => {
    const lines = source.text.split('\n')
    let last: string | undefined                 // the export just above, for overloads
    let inRun = false                            // whether the line above belongs to a documented run
    return lines.flatMap((line, index) => {
      const name = /^export (?:default )?(?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|interface|type|const|let) (\w+)/.exec(line)?.[1]
      if (name === undefined) {
        if (line === '') last = undefined
        if (!line.startsWith('//')) inRun = false
        return []
      }
      const oneLine = /^export (?:const|type) /.test(line)
      const covered = docstringEndsAt(lines, index - 1) || last === name || (inRun && oneLine) || /^export const [A-Z\d_]+ = .*[^{[(]$/.test(line)
      last = name
      inRun = oneLine && covered
      return covered ? [] : [`${source.path}:${index + 1}: ${name} has no docstring`]
    })
  })
}

function docstringEndsAt(lines: readonly string[], end: number): boolean {
  if (!(lines[end] ?? '').trimEnd().endsWith('*/')) return false
  for (let index = end; index >= 0; index--) {
    const at = lines[index]!.indexOf('/*')
    if (at >= 0) return lines[index]!.startsWith('/**', at)
  }
  return false
}

// Documents ------------------------------------------------------------------------------------------------------------------------------

/** Links of Markdown sources that lead nowhere: to no file, or to no heading. `files` are the paths that exist. */
export function deadLinks(documents: readonly Source[], files: ReadonlySet<string>): string[] {
  const anchors = new Map(documents.map((document) => [document.path, headingAnchors(document.text)]))
  return documents.flatMap((document) => {
    const spaces = (code: string): string => code.replace(/[^\n]/g, ' ')
    const text = document.text.replace(/^(```|~~~)[\s\S]*?^\1/gm, spaces).replace(/`[^`\n]*`/g, spaces)
    return [...text.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)].flatMap((match) => {
      const [path, anchor] = match[1]!.split('#') as [string, string?]
      if (/^[a-z]+:/.test(path)) return []
      const at = `${document.path}:${lineOf(text, match.index)}`
      const target = path === '' ? document.path : resolvePath(document.path, path)
      const folder = [...files].some((file) => file.startsWith(`${target}/`))
      if (!files.has(target) && !folder) return [`${at}: no file ${target}`]
      if (anchor === undefined || !anchors.has(target)) return []
      return anchors.get(target)!.has(anchor) ? [] : [`${at}: no heading #${anchor} in ${target}`]
    })
  })
}

/** Comments of the sources that point at a page or heading of the documents that is not there. */
export function deadPointers(sources: readonly Source[], documents: readonly Source[]): string[] {
  const anchors = new Map(documents.map((document) => [document.path, headingAnchors(document.text)]))
  return sources.flatMap((source) => [...source.text.matchAll(/\bdocs\/[\w/-]+\.md(?:#([\w-]+))?/g)].flatMap((match) => {
    const path = match[0].split('#')[0]!
    const at = `${source.path}:${lineOf(source.text, match.index)}`
    if (!anchors.has(path)) return [`${at}: no page ${path}`]
    return match[1] === undefined || anchors.get(path)!.has(match[1]) ? [] : [`${at}: no heading #${match[1]} in ${path}`]
  }))
}

/** Comments that name a source which is not there: `open-batch.ts`, or by its end of a path, `log/open-batch.ts`. */
export function deadFileNames(sources: readonly Source[], paths: readonly string[]): string[] {
  return sources.flatMap((source) => [...commentsOnly(source.text).matchAll(/(?<![\w./-])[\w-][\w/-]*\.ts\b/g)].flatMap(({ 0: name, index }) => {
    const known = paths.some((path) => path === name || path.endsWith(`/${name}`))
    return known ? [] : [`${source.path}:${lineOf(source.text, index)}: no file ${name}`]
  }))
}

/** The anchors that GitHub gives to headings, and those written as `<a id="…">`. */
export function headingAnchors(text: string): Set<string> {
  const seen = new Map<string, number>()
  const plain = text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '')
  const headings = [...plain.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map((match) => {
    const words = match[1]!.replace(/`|\*/g, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const slug = words.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
  return new Set([...headings, ...[...plain.matchAll(/<a (?:id|name)="([^"]+)"/g)].map((match) => match[1]!)])
}

type ErrorTable = Readonly<Record<string, { readonly retriable: boolean; readonly meaning: string }>>

/** Differences between the rows of docs/errors.md (`| CODE | yes or no | meaning | …`) and the table in base/errors.ts. */
export function errorRows(document: string, table: ErrorTable): string[] {
  const row = /^\| *`([A-Z]+_[A-Z_]+)` *\| *(\w+) *\| *([^|]*?) *\| *([^|]*?) *\| *([^|]*?) *\|$/gm
  const rows = new Map([...document.matchAll(row)].map((found) => [found[1]!, found]))
  const wrong = Object.entries(table).flatMap(([code, { retriable, meaning }]) => {
    const cells = rows.get(code)
    if (cells === undefined) return [`docs/errors.md: no row for ${code}`]
    return [
      ...(cells[2] === (retriable ? 'yes' : 'no') ? [] : [`docs/errors.md: ${code} is retriable: ${retriable}`]),
      ...(cells[3] === meaning ? [] : [`docs/errors.md: ${code} means "${meaning}"`]),
      ...(cells[4] !== '' && cells[5] !== '' ? [] : [`docs/errors.md: ${code} lacks when it happens or what to do`]),
    ]
  })
  return [...wrong, ...[...rows.keys()].filter((code) => !(code in table)).map((code) => `docs/errors.md: ${code} is no code`)]
}

/** Settings about which docs/settings.md (`| \`name\` | Kafka's name | default | …`) says nothing, or another default. */
export function settingRows(document: string, defaults: Readonly<Record<string, string | number>>): string[] {
  const rows = new Map([...document.matchAll(/^\| *`(\w+)` *\|[^|]*\| *([^|]*?) *\|/gm)].map((row) => [row[1]!, row[2]!]))
  return Object.entries(defaults).flatMap(([name, value]) => {
    const said = rows.get(name)
    const written = typeof value === 'string' ? `\`'${value}'\`` : value === Infinity ? 'Infinity' : value.toLocaleString('en-US')
    if (said === undefined) return [`docs/settings.md: no row for ${name}`]
    return said === written ? [] : [`docs/settings.md: the default of ${name} is ${written}`]
  })
}

// The repository -------------------------------------------------------------------------------------------------------------------------

/** Paths of somebody's machine and addresses of package registries in tracked files. */
export function machineTraces(sources: readonly Source[], hosts: readonly string[] = []): string[] {
  // Written in pieces, so that this file does not find itself.
  const homes = ['home', 'Users', 'root', 'work', 'workspace', 'mnt'].map((folder) => `(?<![\\w.*)}-])/${folder}/[\\w.-]+`)
  const registries = ['registry\\.npm' + 'js', 'npm' + 'js\\.org', 'registry\\.yarn' + 'pkg', ...hosts.map((host) => host.replace(/[.\\]/g, '\\$&'))]
  const pattern = new RegExp([...homes, ...registries].join('|'), 'g')
  return sources.flatMap((source) => rawMatches(source, pattern, 'belongs to a machine, not to the project'))
}

/** Download addresses in a package-lock.json. */
export function lockAddresses(text: string): string[] {
  const packages = (JSON.parse(text) as { packages: Record<string, { resolved?: string }> }).packages
  const resolved = Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined)
  return resolved.map(([name, entry]) => `package-lock.json: ${name} records ${entry.resolved}`)
}

/** Dependencies that a package-lock.json names and does not hold: then `npm ci` refuses, also for another system's optional packages. */
export function lockGaps(text: string): string[] {
  type Entry = { readonly dependencies?: object; readonly optionalDependencies?: object }
  const packages = (JSON.parse(text) as { packages: Record<string, Entry> }).packages
  return Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) => {
    const missing = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => {
      const folders = path.split('/node_modules/').map((_, index, parts) => parts.slice(0, parts.length - index).join('/node_modules/'))
      return ![...folders.map((folder) => `${folder}/node_modules/${name}`), `node_modules/${name}`].some((place) => place in packages)
    })
    return missing.map((name) => `package-lock.json: ${path} needs ${name}, which is not there`)
  })
}

/** Dependencies of a package.json about which `document` says nothing. */
export function unexplained(packageText: string, document: string): string[] {
  const manifest = JSON.parse(packageText) as Record<string, Record<string, string> | undefined>
  const kinds = ['dependencies', 'optionalDependencies', 'peerDependencies', 'devDependencies']
  const names = kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}))
  return names.filter((name) => !document.includes(`\`${name}\``)).map((name) => `docs/contributing.md: not a word about ${name}`)
}

// Reading --------------------------------------------------------------------------------------------------------------------------------

function inSrc(sources: readonly Source[]): Source[] {
  return sources.filter((source) => source.path.startsWith('src/'))
}

function floorFolder(path: string): string | undefined {
  const parts = path.split('/')
  if (parts[0] !== 'src') return undefined
  const folder = parts.length === 2 ? '' : parts[1]!
  return folder in floors ? folder : undefined
}

function packageOf(specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

/** Resolves `relative` against the folder of the file `from`. */
export function resolvePath(from: string, relative: string): string {
  const parts = relative.startsWith('/') ? [] : from.split('/').slice(0, -1)
  for (const part of relative.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.' && part !== '') parts.push(part)
  }
  return parts.join('/')
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}

function matches(source: Source, pattern: RegExp, rule: string): string[] {
  return rawMatches({ path: source.path, text: codeOnly(source.text) }, pattern, rule)
}

function rawMatches(source: Source, pattern: RegExp, rule: string): string[] {
  return [...source.text.matchAll(pattern)].map((match) => {
    return `${source.path}:${lineOf(source.text, match.index)}: "${match[0].trim().slice(0, 60)}": ${rule}`
  })
}

/** The text with comments blanked, strings kept. Lines and columns stay. */
export function withoutComments(text: string): string {
  return blank(text, new Set(['comment']))
}

/** The text with comments and the contents of strings, templates and regular expressions blanked. Lines and columns stay. */
export function codeOnly(text: string): string {
  return blank(text, new Set(['comment', 'literal']))
}

function commentsOnly(text: string): string {
  let out = ''
  let last = 0
  for (const { kind, from, to } of spans(text)) {
    if (kind !== 'comment') continue
    out += text.slice(last, from).replace(/[^\n]/g, ' ') + text.slice(from, to)
    last = to
  }
  return out
}

function blank(text: string, kinds: ReadonlySet<'comment' | 'literal'>): string {
  let out = ''
  let last = 0
  for (const { kind, from, to } of spans(text)) {
    if (!kinds.has(kind)) continue
    out += text.slice(last, from) + text.slice(from, to).replace(/[^\n]/g, ' ')
    last = to
  }
  return out + text.slice(last)
}

const REGEXP_MAY_FOLLOW = /(?:^|[(,=:[!&|?{};+\-*%<>~^\n]|\b(?:return|typeof|case|of|in|yield|await))\s*$/

interface Span {
  readonly kind: 'comment' | 'literal'
  readonly from: number
  readonly to: number
}

/** Where comments and literals are. Whether a slash divides or opens a regular expression is told from what stands before it. */
function* spans(text: string): Generator<Span> {
  const templates: number[] = []                 // depth of braces at which each open template goes on
  let depth = 0
  let before = ''                                // the last characters that were code
  for (let at = 0; at < text.length;) {
    const next = text.slice(at, at + 2)
    const opensRegExp = text[at] === '/' && next !== '//' && next !== '/*' && REGEXP_MAY_FOLLOW.test(before)
    const templateGoesOn = text[at] === '}' && templates.at(-1) === depth
    const end = next === '//' ? indexOrEnd(text, '\n', at)
      : next === '/*' ? indexOrEnd(text, '*/', at + 2, 2)
        : text[at] === '\'' || text[at] === '"' ? closing(text, at + 1, text[at]!) + 1
          : opensRegExp ? regExpEnd(text, at + 1) + 1
            : text[at] === '`' || templateGoesOn ? templateEnd(text, at + 1) : at
    if (end === at) {
      if (text[at] === '{') depth++
      if (text[at] === '}') depth--
      before = (before + text[at]).slice(-16)
      at++
      continue
    }
    const comment = next === '//' || next === '/*'
    // The quotes stay: an empty pair still shows that there was a string.
    yield { kind: comment ? 'comment' : 'literal', from: comment ? at : at + 1, to: comment ? end : Math.max(at + 1, end - 1) }
    if (templateGoesOn) templates.pop()
    if (!comment && (text[at] === '`' || templateGoesOn) && text[end - 1] === '{') templates.push(depth)
    if (!comment) before = '"'
    at = end
  }
}

function indexOrEnd(text: string, mark: string, from: number, add = 0): number {
  const at = text.indexOf(mark, from)
  return at < 0 ? text.length : at + add
}

function closing(text: string, from: number, quote: string): number {
  let at = from
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1
  return at
}

function regExpEnd(text: string, from: number): number {
  let inClass = false
  let at = from
  for (; at < text.length && text[at] !== '\n' && (inClass || text[at] !== '/'); at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '[') inClass = true
    else if (text[at] === ']') inClass = false
  }
  return at
}

/** The place behind the end of a template, or behind the `${` that interrupts it. */
function templateEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '`') return at + 1
    else if (text[at] === '$' && text[at + 1] === '{') return at + 2
  }
  return text.length
}
