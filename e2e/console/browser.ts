import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { until } from '../cloud';

/** Where what was seen is kept. */
export const ARTEFACTS = join(__dirname, '../../tmp/e2e-console');

export const startBrowser = (): Promise<Browser> => {
  mkdirSync(ARTEFACTS, { recursive: true });
  // Root has no sandbox here; nothing but this machine is talked to.
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
};

/** In the page: every state that it is in, with its time in the page, ms. */
const NOTE_STATES = `globalThis.states = [];
new MutationObserver(() => {
  const state = document.body?.dataset.state;
  if (state && states.at(-1)?.[0] !== state) states.push([state, document.getElementById('status')?.textContent, performance.now()]);
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state'] });`;
/** In the page: how many points of the guest's screen are bright. */
const COUNT_POINTS = `(() => {
  const canvas = document.querySelector('#screen canvas');
  if (!canvas || canvas.width === 0) return 0;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let points = 0;
  for (let at = 0; at < data.length; at += 4) if (data[at] > 100 || data[at + 1] > 100 || data[at + 2] > 100) points++;
  return points;
})()`;

/** A console in a browser, and what a person sees of it. */
export class ConsolePage {
  /** What the page did that it should not: errors of scripts, refusals of the content security policy, files that failed to load. */
  readonly complaints: string[] = [];
  /** Addresses of all requests but the page's own. */
  readonly requests: string[] = [];

  private constructor(readonly page: Page, readonly url: string) {
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      // The client's own word on a connection that the proxy ends, of which the page makes sentences.
      if (message.type() === 'error' && !/^Failed when connecting: Connection closed/.test(message.text())) this.complaints.push(message.text());
    });
    page.on('request', (request) => { if (!request.isNavigationRequest()) this.requests.push(request.url()); });
    page.on('websocket', (socket) => this.requests.push(socket.url()));
  }

  static async open(browser: Browser, url: string, size = { width: 1100, height: 760 }): Promise<ConsolePage> {
    const page = await browser.newPage({ viewport: size });
    const opened = new ConsolePage(page, url);
    await page.addInitScript(NOTE_STATES);
    await page.goto(url);
    return opened;
  }

  states(): Promise<[state: string, words: string, atMs: number][]> {
    return this.page.evaluate('states');
  }

  status(): Promise<string> {
    return this.page.innerText('#status');
  }

  untilStatus(pattern: RegExp, timeoutMs = 60_000): Promise<string> {
    return until(`the page to say ${pattern.source}`, async () => { const text = await this.status(); return pattern.test(text) && text; }, timeoutMs, 50);
  }

  /** Points of the screen that are not its ground, once there are as many as a few lines of text have. */
  untilTextIsSeen(): Promise<number> {
    return until('a screen with text', async () => {
      const lit = await this.page.evaluate<number>(COUNT_POINTS);
      return lit > 500 && lit;
    }, 60_000, 200);
  }

  /** As a person types: key by key. */
  async type(text: string): Promise<void> {
    await this.page.click('#screen', { position: { x: 200, y: 200 } });
    await this.page.keyboard.type(text, { delay: 30 });
    await this.page.keyboard.press('Enter');
  }

  async picture(name: string): Promise<void> {
    await this.page.screenshot({ path: join(ARTEFACTS, `${name}.png`) });
  }
}
