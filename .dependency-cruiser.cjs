// The table of DESIGN: who may import whom. Everything not named in it is forbidden.
const may = {
  core: [],
  journal: ['core'],
  clickhouse: ['core'],
  control: ['core'],
  proxy: ['core', 'journal'],
  ingest: ['core', 'journal', 'clickhouse'],
  web: ['core', 'clickhouse', 'control'],
}
const houses = ['core', 'journal', 'clickhouse', 'control', 'proxy', 'ingest', 'web', 'cli', 'bench', 'e2e']

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    // A Svelte component that draws a tree imports itself: that is recursion, not a cycle of modules.
    {
      name: 'no-cycles',
      severity: 'error',
      from: { pathNot: '^web/ui/lib/(markdown/Tokens|json/JsonTree)\\.svelte$' },
      to: { circular: true, viaOnly: {} },
    },
    ...Object.entries(may).map(([folder, allowed]) => ({
      name: `${folder}-imports`,
      comment: `${folder}/ may import ${allowed.length === 0 ? 'nothing of ours' : allowed.join(', ')}.`,
      severity: 'error',
      from: { path: `^${folder}/`, pathNot: '\\.test\\.ts$' },
      to: { path: `^(${houses.filter((house) => house !== folder && !allowed.includes(house)).join('|')})/` },
    })),
    {
      name: 'ui-takes-types-from-the-api-only',
      comment: 'web/ui runs in a browser: of web/api it may know types alone.',
      severity: 'error',
      from: { path: '^web/ui/' },
      to: { path: '^web/api/', dependencyTypesNot: ['type-only'] },
    },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^@lucide/svelte/icons/' } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'svelte', 'types', 'node', 'default'],
      extensions: ['.ts', '.js', '.svelte', '.json', '.css'],
    },
    doNotFollow: { path: 'node_modules' },
  },
}
