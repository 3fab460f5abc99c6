/**
 * Why a user's SQL may not run.
 *
 * The embedded engine knows no users, and its read-only mode has holes (decisions/0030): a SETTINGS clause inside a
 * subquery lifts it, INTO OUTFILE writes, file() reads, DESCRIBE opens whatever a table function names. So the text is
 * looked at before. Comments nest and literals come in four kinds: no tokenizer of ours would be trusted to tell them
 * apart as the engine does. Words count wherever they stand, literals and comments included.
 */
export interface Refusal {
  readonly message: string
}

export type Gated = { readonly sql: string; readonly refused: null } | { readonly sql: null; readonly refused: Refusal }

/** Table functions that stay within the store or make rows up. Every other one is refused; a test compares with the engine. */
export const harmlessTableFunctions: readonly string[] = [
  'SQLStandardValues',
  'format',
  'fuzzJSON',
  'generateRandom',
  'generateSeries',
  'generate_series',
  'merge',
  'mergeTreeIndex',
  'mergeTreeProjection',
  'null',
  'numbers',
  'numbers_mt',
  'primes',
  'values',
  'view',
  'zeros',
  'zeros_mt',
]

/** Table functions that read a file, the network, a program's output, or SQL made of pieces. */
export const refusedTableFunctions: readonly string[] = `
  arrowstream azureBlobStorage azureBlobStorageCluster cluster clusterAllReplicas cosn deltaLake deltaLakeAzure deltaLakeAzureCluster
  deltaLakeCluster deltaLakeLocal deltaLakeS3 deltaLakeS3Cluster dictionary eval executable file fileCluster filesystem fuzzQuery gcs hdfs
  hdfsCluster hudi hudiCluster iceberg icebergAzure icebergAzureCluster icebergCluster icebergHDFS icebergHDFSCluster icebergLocal
  icebergLocalCluster icebergS3 icebergS3Cluster input jdbc loop mergeTreeAnalyzeIndexes mergeTreeAnalyzeIndexesUUID mergeTreeTextIndex
  mongodb mysql odbc oss paimon paimonAzure paimonAzureCluster paimonCluster paimonHDFS paimonHDFSCluster paimonLocal paimonS3
  paimonS3Cluster postgresql prometheusQuery prometheusQueryRange python redis remote remoteSecure s3 s3Cluster sqlite timeSeriesData
  timeSeriesMetrics timeSeriesSamples timeSeriesSelector timeSeriesTags url urlCluster viewExplain viewIfPermitted ytsaurus`
  .trim()
  .split(/\s+/)

/**
 * Words refused wherever they stand. A scalar function needs no parenthesis to be called (`arrayMap(file, ..)`,
 * `* APPLY file`), nor even its name in the text (`arrayMap({f:Identifier}, ..)`).
 */
const refusedWords = [
  'SETTINGS',
  'OUTFILE',
  'file',
  'Identifier',
  'catboostEvaluate',
  'aiClassify',
  'aiEmbed',
  'aiExtract',
  'aiGenerate',
  'aiTranslate',
]

const start = /^(?:\s|--[^\n]*\n|\/\*[^*/]*\*\/)*(?:SELECT|WITH|SHOW|DESCRIBE|DESC|EXISTS|EXPLAIN)\b/i
const word = new RegExp(`\\b(?:${refusedWords.join('|')})\\b`, 'i')
// Between a name and its parenthesis there may be a closing quote, white space and comments.
const gap = '["`]?\\s*(?:\\(|/\\*|--|#|//)'
const tableFunction = new RegExp(`\\b(${refusedTableFunctions.join('|')})${gap}`, 'i')
// Clients read their defaults there. `settings` after a dot is a name, never the clause.
const systemSettings = /(?<![\w.])system\.settings\b/gi
// A NUL would hide the rest of the text from the engine, or from us.
const control = /[\0-\x08\x0e-\x1f]/

const reasonFor = (sql: string): string | null => {
  if (!start.test(sql)) return 'Only SELECT, WITH, SHOW, DESCRIBE, EXISTS and EXPLAIN can be run here.'
  if (sql.includes(';')) return 'One statement at a time: the text holds a ";". Bind a literal that needs one as a parameter.'
  if (control.test(sql)) return 'The text holds control characters. Bind a literal that needs them as a parameter.'
  if (sql.includes('\\') && /["`]/.test(sql))
    return 'A text with names in quotes may not hold a backslash, which could spell any name. Bind the literal that needs it as a parameter.'
  const found = word.exec(sql.replaceAll(systemSettings, ' '))?.[0] ?? tableFunction.exec(sql)?.[1]
  if (found !== undefined)
    return `The word ${found} is not allowed here, not even in a literal or a comment. Bind a literal as a parameter, {name:String}.`
  return null
}

/**
 * Looks at SQL a user wrote before the embedded engine runs it (security.md §7).
 *
 * @returns The statement to run, without the semicolon at its end; or why not.
 */
export const gate = (text: string): Gated => {
  const sql = text.replace(/[\s;]+$/, '')
  const reason = reasonFor(sql)
  return reason === null ? { sql, refused: null } : { sql: null, refused: { message: reason } }
}
