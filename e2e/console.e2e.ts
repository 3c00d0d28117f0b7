import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { Cloud, until } from './cloud';
import { greeting, openPorts } from './console/scan';
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

const endpoints = async () => {
  const list = await cloud.json<{ 'Service Type': string; URL: string }[]>('endpoint', 'list', '--interface', 'public');
  return Object.fromEntries(list.map((one) => [one['Service Type'], one.URL.replace(/\/(v3)?$/, '')])) as { compute: string; identity: string };
};

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
    // The page's own clock begins with the click that opens it.
    figures[`${kind} first frame, ms after the click`] = Math.round((await page.states()).find(([state]) => state === 'connected')![2]);
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

it('the log of the serial line has come along', async () => {
  const log = await cloud.consoleLog(SERVER);
  expect(log).toMatch(/VIRGA-READY[^]*typed-novnc-42[^]*typed-serial-42[^]*moved-serial-42/);
  // Control sequences of the guest's shell are no text.
  expect(log).not.toContain('[6n');
});

it('types into the guest what is pasted, also on a telephone, and says what its keyboard does not have', async () => {
  const phone = await ConsolePage.open(browser, await urlOf('novnc'), { width: 390, height: 780 });
  await phone.untilTextIsSeen();
  await phone.page.click('#paste');
  await phone.page.fill('#paste-text', 'echo "Pasted|$((6*7))€" > /dev/ttyS0\n');
  await phone.page.click('#paste-send');
  await cloud.untilPrinted(SERVER, /Pasted\|42/);
  expect(await phone.page.innerText('#paste-note')).toContain('€');
  await phone.picture('phone');
  expect(await phone.page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  await phone.page.close();
});

it('shows no graphics port on any network', async () => {
  const hosts = JSON.parse((await cloud.virga('host', 'list', '--json')).stdout) as { name: string; address: string }[];
  const open = (await Promise.all(hosts.map(async ({ address }) => (await openPorts(address)).map((port) => ({ address, port }))))).flat();
  // Each host has listeners there: a scan that finds none has not looked.
  expect(new Set(open.map(({ address }) => address)).size).toBe(hosts.length);
  for (const { address, port } of open) expect(`${address}:${port} ${await greeting(address, port)}`).not.toMatch(/RFB \d|REDQ/);
  // As the tenant's network sees it: the guest looks at its gateway and at the metadata service, whose own port it must find.
  const { page } = pages.serial;
  await pages.serial.type("gw=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p'); for a in $gw 169.254.169.254; do for p in 80 5900 5901 5902 6080; do nc -w 1 $a $p < /dev/null > /dev/null 2>&1 && echo OPEN $a $p; done; done; echo scan-$((6*7))");
  await cloud.untilPrinted(SERVER, /scan-42/);
  expect([...(await cloud.consoleLog(SERVER)).matchAll(/^OPEN ([\d.]+ \d+)/gm)].map(([, found]) => found)).toEqual(['169.254.169.254 80']);
  expect(page.isClosed()).toBe(false);
});

it('a guest that floods its serial line hides nothing for long', async () => {
  const { page } = pages.serial;
  await pages.serial.type('yes flood');
  await until('the flood', async () => (await page.innerText('.xterm-rows')).includes('flood'), 30_000, 100);
  await page.click('text=Ctrl+C');
  await pages.serial.type('echo after-$((6*7))');
  await cloud.untilPrinted(SERVER, /after-42/);
});

it('a revoked token closes its console, and no other', async () => {
  const token = (await cloud.openstack('token', 'issue', '-f', 'value', '-c', 'id')).trim();
  const id = (await cloud.json<{ id: string }>('server', 'show', SERVER)).id;
  const { compute, identity } = await endpoints();
  const answer = await fetch(`${compute}/servers/${id}/remote-consoles`, {
    method: 'POST', headers: { 'x-auth-token': token, 'content-type': 'application/json', 'openstack-api-version': 'compute 2.93' }, body: JSON.stringify({ remote_console: { protocol: 'vnc', type: 'novnc' } }),
  });
  const page = await ConsolePage.open(browser, ((await answer.json()) as { remote_console: { url: string } }).remote_console.url);
  await page.untilTextIsSeen();
  const since = Date.now();
  expect((await fetch(`${identity}/v3/auth/tokens`, { method: 'DELETE', headers: { 'x-auth-token': token, 'x-subject-token': token } })).status).toBe(204);
  await page.untilStatus(/^Your access was revoked\.$/);
  figures['revoked, ms until the page said so'] = Date.now() - since;
  expect(await pages.novnc.status()).toBe('Connected.');
  await page.page.close();
});

it('the agent of the host is killed: the line is back with all that was printed, and the log has lost nothing', async () => {
  const { page } = pages.serial;
  const { parts } = JSON.parse((await cloud.virga('status', '--json')).stdout) as { parts: { name: string; pid: number }[] };
  const { pid } = parts.find(({ name }) => name === 'host2-agent')!;
  const marks = Object.fromEntries(await Promise.all(KINDS.map(async (kind) => [kind, (await pages[kind].states()).length]))) as Record<Kind, number>;
  // Printed while nobody looks.
  await pages.serial.type('echo armed-$((6*7)); sleep 5; echo unseen-$((6*7))');
  await until('the guest to be at it', async () => (await page.innerText('.xterm-rows')).includes('armed-42'), 30_000, 50);
  process.kill(pid, 'SIGKILL');
  for (const kind of KINDS) {
    const seen = await until(`${kind} to be back`, async () => {
      const since = (await pages[kind].states()).slice(marks[kind]);
      return since.length > 1 && since.at(-1)![0] === 'connected' && since;
    }, 60_000, 100);
    figures[`${kind} away when its agent was killed, ms`] = Math.round(seen.at(-1)![2] - seen[0]![2]);
  }
  await until('the line with what was printed meanwhile', async () => (await page.innerText('.xterm-rows')).includes('unseen-42'), 30_000, 100);
  await pages.serial.type('echo again-$((6*7))');
  await cloud.untilPrinted(SERVER, /again-42/);
  expect(await cloud.consoleLog(SERVER)).toMatch(/moved-serial-42[^]*unseen-42[^]*again-42/);
});

it('the host loses its power: the page says so, and is back when the host is', async () => {
  const since = Date.now();
  expect((await cloud.virga('host', 'fence', 'host2')).code).toBe(0);
  for (const kind of KINDS) {
    await pages[kind].untilStatus(/^The host of the server does not answer\. Trying again\.$/);
    figures[`${kind} fenced, ms from the command to the page`] = Date.now() - since;
  }
  await pages.novnc.picture('unreachable');
  const up = await cloud.virga('up');
  expect({ code: up.code, said: up.code === 0 ? '' : `${up.stdout}\n${up.stderr}`.slice(-2000) }).toEqual({ code: 0, said: '' });
  for (const kind of KINDS) await pages[kind].untilStatus(/^Connected\.$/, 180_000);
  // The guest has booted anew, and is typed into on the pages of before.
  for (const kind of SCREENS) await pages[kind].untilTextIsSeen();
  await until('a shell', async () => /VIRGA-READY/.test((await cloud.consoleLog(SERVER)).split('again-42').at(-1)!), 180_000, 2000);
  // The first line asks for a shell.
  await pages.serial.type('');
  await pages.serial.type('echo powered-$((6*7))');
  await cloud.untilPrinted(SERVER, /powered-42/);
});

it('says when the server is off, comes back when it is on, and ends when it is deleted', async () => {
  const kinds = KINDS.map((kind) => [kind, pages[kind]] as const);
  await cloud.openstack('server', 'stop', SERVER);
  for (const [, page] of kinds) await page.untilStatus(/^The server is switched off/);
  await pages.novnc.picture('off');
  await cloud.untilStatus(SERVER, 'SHUTOFF');
  await cloud.openstack('server', 'start', SERVER);
  for (const [, page] of kinds) await page.untilStatus(/^Connected\.$/);
  await cloud.untilStatus(SERVER, 'ACTIVE');
  const since = Date.now();
  await cloud.openstack('server', 'delete', SERVER);
  for (const [kind, page] of kinds) {
    await page.untilStatus(/^The server was deleted\.$/);
    figures[`${kind} deleted, ms from the command to the page, the client's own seconds included`] = Date.now() - since;
    expect(page.complaints).toEqual([]);
  }
  await cloud.untilGone(SERVER);
  expect(await cloud.refused('console', 'url', 'show', '--novnc', SERVER)).toMatch(/no server|could not be found/i);
});
