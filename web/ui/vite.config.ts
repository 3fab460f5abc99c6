import { svelte } from '@sveltejs/vite-plugin-svelte'
import tailwindcss from '@tailwindcss/vite'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// Everything is a hashed file of our own origin: the page's CSP allows no inline script and no <style>.
export default defineConfig({
  root: at('.'),
  base: '/',
  plugins: [tailwindcss(), svelte({ configFile: false, compilerOptions: { runes: true, css: 'external' } })],
  build: {
    outDir: at('../../dist/web/ui'),
    emptyOutDir: true,
    target: 'es2022',
    // A data: URL for small assets would need more than 'self' in the CSP.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  // For work on the pages: `npx vite --config web/ui/vite.config.ts` beside a running `weir demo`.
  server: { host: '127.0.0.1', port: 5173, proxy: { '/api': 'http://127.0.0.1:8788' } },
})
