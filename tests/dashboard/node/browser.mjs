// A real browser by remote control: node browser.mjs
//
// Takes requests {request, do, …} and answers each with {request, ok} or {request, error}. Requests run one after the other.
// What a page complains of (console errors, violations of the content security policy, exceptions, dialogs) is gathered
// from its first moment on.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { heard, say } from '../../node/lines.mjs';

const WAIT_MS = 15_000;
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome-stable',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
const executablePath = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
if (!executablePath) throw new Error(`no chromium here (${PLACES.join(', ')}). Run: script/setup`);

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--force-color-profile=srgb', '--font-render-hinting=none'] });
let context, page;
let complaints = [];
let expected = [];

/** Runs in the page before anything of its own does. */
function watch() {
  addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
}

async function fresh({ width = 1280, height = 800, dark = false, scale = 1, headers = {}, reduced = true } = {}) {
  await context?.close();
  complaints = [];
  context = await browser.newContext({
    viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', deviceScaleFactor: scale, extraHTTPHeaders: headers,
    reducedMotion: reduced ? 'reduce' : 'no-preference', permissions: ['clipboard-read', 'clipboard-write'],
  });
  context.setDefaultTimeout(WAIT_MS);
  await context.addInitScript(watch);
  page = await context.newPage();
  attach(page);
}

function attach(one) {
  one.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  one.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  one.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
}

const others = [];

const acts = {
  fresh,
  async open({ url }) {
    await page.goto(url);
  },
  async reload() {
    await page.reload();
  },
  async back() {
    await page.goBack();
  },
  url: () => page.url(),
  title: () => page.title(),
  text: ({ at }) => page.locator(at).first().innerText(),
  texts: ({ at }) => page.locator(at).allInnerTexts(),
  count: ({ at }) => page.locator(at).count(),
  attribute: ({ at, name }) => page.locator(at).first().getAttribute(name),
  // Waits until `at` is there and its text holds `text`.
  async see({ at, text = '', ms = WAIT_MS }) {
    try {
      await page.locator(at).filter({ hasText: text, visible: true }).first().waitFor({ timeout: ms });
    } catch {
      const there = await page.locator(at).allInnerTexts();
      throw new Error(`waited for “${text}” in ${at}; there is ${JSON.stringify(there).slice(0, 500)}; the page: ${(await page.locator('body').innerText()).replace(/\s+/g, " ").slice(0, 700)}`);
    }
  },
  async gone({ at, text = '' }) {
    await page.locator(at).filter({ hasText: text }).first().waitFor({ state: 'detached' });
  },
  // Waits until an expression in the page is true.
  async until({ js, ms = WAIT_MS }) {
    // Playwright's own way of waiting would have the page evaluate text, which its content security policy forbids.
    const end = Date.now() + ms;
    while (!(await page.evaluate(js))) {
      if (Date.now() > end) throw new Error(`waited for ${js}; the page: ${(await page.locator('body').innerText()).replace(/\s+/g, " ").slice(0, 700)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  run: ({ js }) => page.evaluate(js),
  async click({ at }) {
    await page.locator(at).first().click();
  },
  async fill({ at, text }) {
    await page.locator(at).first().fill(text);
  },
  async press({ keys }) {
    for (const key of keys) await page.keyboard.press(key);
  },
  async type({ text }) {
    await page.keyboard.type(text);
  },
  async size({ width, height = 844 }) {
    await page.setViewportSize({ width, height });
  },
  // A further tab of the same browser in front: the first one is hidden then, as far as it can tell.
  async tab({ url }) {
    const one = await context.newPage();
    attach(one);
    others.push(one);
    await one.goto(url);
    return others.length;
  },
  tabText: ({ tab, at }) => others[tab - 1].locator(at).first().innerText(),
  // Chromium without a window never hides a page by itself: the page is told that it is hidden.
  async hide({ tab = 0, hidden }) {
    const one = tab ? others[tab - 1] : page;
    await one.evaluate((is) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => is });
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (is ? 'hidden' : 'visible') });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  },
  // Serious and critical findings of axe.
  async axe() {
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    return found.violations
      .filter((one) => one.impact === 'serious' || one.impact === 'critical')
      .map((one) => `${one.impact} ${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target.join(' ')} (${node.any[0]?.message ?? node.failureSummary})`).join('; ')}`);
  },
  // By how many pixels the page is wider than the window, and what makes it so.
  wide: () => page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const over = document.documentElement.scrollWidth - width;
    const scrolls = (element) => {
      for (let up = element.parentElement; up && up !== document.body; up = up.parentElement) if (getComputedStyle(up).overflowX !== 'visible') return true;
      return false;
    };
    const beyond = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > width + 0.5);
    const free = beyond.filter((one) => !scrolls(one));
    const who = free.length ? free : beyond;
    return { over, who: over > 0 ? who.slice(0, 5).map((one) => `${one.tagName}.${one.getAttribute('class')}`) : [] };
  }),
  // A complaint that holds one of these words is expected from now on.
  expect({ words }) {
    expected = words;
  },
  complaints: () => complaints.filter((one) => !expected.some((word) => one.includes(word))),
  async screenshot({ file, whole = false }) {
    await page.screenshot({ path: file, fullPage: whole });
  },
};

await fresh();
say({ ready: true });
for await (const { request, do: what, ...rest } of heard()) {
  try {
    say({ request, ok: (await acts[what](rest)) ?? null });
  } catch (error) {
    say({ request, error: `${what}: ${error.message}` });
  }
}
await browser.close();
process.exit(0);
