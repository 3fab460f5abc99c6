/** `system` follows the operating system. */
export type Theme = 'system' | 'light' | 'dark'
const order: readonly Theme[] = ['system', 'light', 'dark']
const key = 'weir.theme'

const stored = (): Theme => {
  try {
    return order.find((word) => word === window.localStorage.getItem(key)) ?? 'system'
  } catch {
    return 'system' // storage is forbidden in some private windows
  }
}

let chosen = $state<Theme>('system')
let systemDark = $state(false)

const apply = (): void => {
  if (chosen === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
}

/** The theme in use. Charts read `dark` to know when to draw again. */
export const theme = {
  get chosen(): Theme {
    return chosen
  },
  get dark(): boolean {
    return chosen === 'system' ? systemDark : chosen === 'dark'
  },
  next(): void {
    chosen = order[(order.indexOf(chosen) + 1) % order.length] ?? 'system'
    apply()
    try {
      window.localStorage.setItem(key, chosen)
    } catch {
      // It holds until the page is closed.
    }
  },
  start(): void {
    chosen = stored()
    apply()
    const query = window.matchMedia('(prefers-color-scheme: dark)')
    systemDark = query.matches
    query.addEventListener('change', (event) => {
      systemDark = event.matches
    })
  },
}
