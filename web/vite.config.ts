import { defineConfig } from 'vite';

// Where `npm run dev` finds a running bullock.
const BULLOCK = 'http://127.0.0.1:7979';

export default defineConfig({
  // Relative addresses: the same files serve every base path.
  base: './',
  build: {
    target: 'es2022',
    // The colours are light-dark() pairs; older targets would have them rewritten into something larger.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // Its polyfill is an inline script, which the content security policy forbids.
    modulePreload: { polyfill: false },
    // data: URLs are forbidden by the policy, too.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': { target: BULLOCK, changeOrigin: true, ws: true } } },
});
