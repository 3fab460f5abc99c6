/**
 * An address from a prompt or an answer, if it may become a link.
 *
 * @returns `null` for everything but http, https and mailto: `javascript:` and `data:` run, relative ones would lead into our pages.
 */
export const safeHref = (href: string): string | null => {
  if (!URL.canParse(href)) return null
  const { protocol } = new URL(href)
  return protocol === 'http:' || protocol === 'https:' || protocol === 'mailto:' ? href : null
}

/** A picture that may be drawn, after a click: inline, of a kind that holds no script (SVG can). Others may only be opened elsewhere. */
export const safeImage = (url: string): string | null => {
  if (/^data:image\/(png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/=\s]+$/.test(url)) return url
  return null
}
