import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { Cloud, until } from './cloud';
import { ARTEFACTS, ConsolePage, startBrowser } from './console/browser';

/** Consoles as people have them: the URL that the stock client prints, opened in a browser. Each test builds on those before. */
const cloud = new Cloud(process.env.VIRGA_E2E_STATE ?? '/var/tmp/virga-e2e');
const SERVER = 'console-1';
const KINDS = ['novnc', 'spice', 'serial'] as const;
type Kind = (typeof KINDS)[number];
const SCREENS: ReadonlySet<Kind> = new Set(['novnc', 'spice'] as const);
const pages = {} as Record<Kind, ConsolePage>;
const figures: Record<string, unknown> = {};
let browser: Browser;

const urlOf = async (kind: Kind) => (await cloud.openstack('console', 'url', 'show', `--${kind}`, SERVER, '-f', 'value', '-c', 'url')).trim();
/** Typed into a shell of the guest, it makes the guest print `<word>-42` on its serial line: the shell has run it. */
const command = (kind: Kind, word: string) => `echo "${word}-$((6*7))"${SCREENS.has(kind) ? ' > /dev/ttyS0' : ''}`;

beforeAll(async () => {
  browser = await startBrowser();
  await cloud.openstack('network', 'create', 'console-net');
  await cloud.openstack('subnet', 'create', '--network', 'console-net', '--subnet-range', '10.40.0.0/24', 'console-subnet');
  await cloud.openstack('server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', '--network', 'console-net', '--availability-zone', 'nova:host1', '--wait', SERVER);
  await cloud.untilPrinted(SERVER, /VIRGA-READY/);
});
afterAll(async () => {
  await browser?.close();
  await cloud.client('server', 'delete', '--wait', SERVER);
  await cloud.client('network', 'delete', 'console-net');
  writeFileSync(join(ARTEFACTS, 'figures.json'), `${JSON.stringify(figures, null, 2)}\n`);
});

describe.each(KINDS)('%s', (kind) => {
  it('shows the guest and brings what is typed to it', async () => {
    const url = await urlOf(kind);
    const page = (pages[kind] = await ConsolePage.open(browser, url));
    await page.untilStatus(/^Connected\.$/);
    if (SCREENS.has(kind)) await page.untilTextIsSeen();
    await page.type('');
    await page.type(command(kind, `typed-${kind}`));
    await cloud.untilPrinted(SERVER, new RegExp(`typed-${kind}-42`));
    await page.picture(`${kind}-typed`);
    expect(page.complaints).toEqual([]);
  });

  it('leaves the token in no address', async () => {
    const { page, url, requests } = pages[kind];
    const token = /[0-9a-f-]{36}$/.exec(url)![0];
    expect(page.url()).not.toContain(token);
    expect(requests.length).toBeGreaterThan(2);
    for (const address of requests) expect(address).not.toContain(token);
    const again = await ConsolePage.open(browser, url);
    await again.untilStatus(/no longer valid/);
    await again.page.close();
  });
});

it('comes back by itself after a live migration, on the same session', async () => {
  const marks = Object.fromEntries(await Promise.all(KINDS.map(async (kind) => [kind, (await pages[kind].states()).length]))) as Record<Kind, number>;
  const addresses = KINDS.map((kind) => pages[kind].page.url());
  await cloud.openstack('--os-compute-api-version', '2.30', 'server', 'migrate', '--live-migration', '--host', 'host2', '--wait', SERVER);
  expect((await cloud.json<Record<string, string>>('server', 'show', SERVER))['OS-EXT-SRV-ATTR:host']).toBe('host2');
  for (const kind of KINDS) {
    const page = pages[kind];
    const seen = await until(`${kind} to be back`, async () => {
      const since = (await page.states()).slice(marks[kind]);
      return since.length > 0 && since.at(-1)![0] === 'connected' && since;
    }, 60_000, 200);
    figures[`${kind} away during a live migration, ms`] = Math.round(seen.at(-1)![2] - seen[0]![2]);
    if (SCREENS.has(kind)) await page.untilTextIsSeen();
    await page.type(command(kind, `moved-${kind}`));
    await cloud.untilPrinted(SERVER, new RegExp(`moved-${kind}-42`));
    await page.picture(`${kind}-migrated`);
    expect(page.complaints).toEqual([]);
  }
  // None of them asked for a new link, or was loaded again.
  expect(KINDS.map((kind) => pages[kind].page.url())).toEqual(addresses);
});
