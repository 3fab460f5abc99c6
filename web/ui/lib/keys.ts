/** What a key does; the word is what `KeyboardEvent.key` says. */
export type Keys = Readonly<Record<string, (event: KeyboardEvent) => void>>

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/** Keys that a focused control uses itself. */
const usedBy = (target: EventTarget | null, key: string): boolean =>
  target instanceof HTMLElement &&
  (key === 'Enter' || key === ' ') &&
  target.closest('a, button, summary, [role="menuitem"], [role="tab"]') !== null

/**
 * Listens for single keys on the whole page. Keys typed into a field and keys with a modifier are left alone, except Escape,
 * which leaves the field.
 *
 * @returns What takes the listener off.
 */
export const onKeys = (keys: Keys): (() => void) => {
  const listener = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined
    if (act === undefined || usedBy(event.target, event.key)) return
    if (typing(event.target)) {
      if (event.key === 'Escape' && event.target instanceof HTMLElement) event.target.blur()
      return
    }
    act(event)
  }
  window.addEventListener('keydown', listener)
  return () => window.removeEventListener('keydown', listener)
}
