// The API reference: every entry of every package that is published, under the name by which it is imported.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Converter } from 'typedoc'

const packages = join(import.meta.dirname, '..', 'packages')
const source = '@sojourn/source'

/** Specifiers by their source file. */
const entries = new Map(readdirSync(packages).flatMap(entriesOf))

/** @type {import('typedoc').TypeDocOptions & Record<string, unknown>} */
export default {
  plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme', nameModules],
  tsconfig: 'tsconfig.api.json',
  entryPoints: [...entries.keys()],
  router: 'module',
  readme: 'none',
  name: 'API reference',
  out: 'api',
  docsRoot: '.',
  entryFileName: 'index',
  groupOrder: ['Functions', '*'],
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  disableGit: true,
  sourceLinkTemplate: 'https://github.com/sojourn-js/sojourn/blob/main/packages/{path}#L{line}',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  // Its links count on anchors of its own, where a class and a member read like another name.
  useHTMLAnchors: true,
  expandObjects: true,
  parametersFormat: 'table',
  enumMembersFormat: 'table',
  validation: { notExported: false },
  treatWarningsAsErrors: true,
}

/** @param {string} folder */
function entriesOf(folder) {
  const { name, private: unpublished, exports = {} } = manifestOf(folder)
  if (unpublished) return []
  return Object.entries(exports)
    .filter(([, targets]) => targets[source])
    .map(([path, targets]) => [join(packages, folder, targets[source]), name + path.slice(1)])
}

/** @param {string} folder */
function manifestOf(folder) {
  try {
    return JSON.parse(readFileSync(join(packages, folder, 'package.json'), 'utf8'))
  } catch {
    // What a branch had that is gone leaves its node_modules behind.
    return { private: true }
  }
}

/** @param {import('typedoc').Application} app */
function nameModules(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children ?? []) {
      const file = module.sources?.[0]?.fullFileName
      module.name = entries.get(file) ?? module.name
    }
  })
}
