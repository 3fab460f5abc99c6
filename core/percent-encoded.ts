/**
 * Text as ASCII, for a header or a path. Half a pair of surrogates, which JSON may hold (`"\ud800"`) and `encodeURIComponent` throws at,
 * becomes U+FFFD.
 *
 * @param kept Signs that may stand as they are.
 */
export const percentEncoded = (text: string, kept = ''): string =>
  encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, '\ufffd')).replaceAll(/%[0-7][0-9A-F]/g, (code) => {
    const sign = String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return kept.includes(sign) ? sign : code
  })

/** The longest name of a caller's in a header of ours: clients give up on a head of 16 KiB, and a body may name a model as it likes. */
export const longestName = 256
