import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeSite, keepSettings, loadSite } from '../../load-site';
import { parseOptions, UsageError } from '../../options';
import { defaultCidrs } from '../../site';
import { migrationRateOf } from '../../stages/migration-link';
import { renderDrain } from './drain-report';
import { host, namedHost } from './index';

const root = join(__dirname, '../../../..');
let state: string;
const launch = () => ({ root, state, startedAt: 0 });
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'virga-hosts-'));
  writeFileSync(join(state, 'site.json'), JSON.stringify({ name: 'vgt', portOffset: 0, hosts: 3, virtType: 'probe', ...defaultCidrs(0) }));
});
afterEach(() => rmSync(state, { recursive: true }));

it('leaves out a host that was taken away, and the others keep names and addresses', () => {
  const before = loadSite(launch());
  const after = keepSettings(launch(), { ...before.settings, absentHosts: [2] });
  expect(after.hosts).toEqual([before.hosts[0], before.hosts[2]]);
  expect(describeSite(launch(), parseOptions(['up']), () => false).hosts.map(({ name }) => name)).toEqual(['host1', 'host3']);
});

it('remembers the speed of one link and of all', async () => {
  expect(await host(launch(), parseOptions(['host', 'rate', 'host2', '200mbit']))).toBe(0);
  const site = loadSite(launch());
  expect(site.hosts.map((plan) => migrationRateOf(site, plan))).toEqual(['unlimited', '200mbit', 'unlimited']);
  const again = describeSite(launch(), parseOptions(['up', '--migration-rate', '1gbit']), () => false);
  expect(again.hosts.map((plan) => migrationRateOf(again, plan))).toEqual(['1gbit', '1gbit', '1gbit']);
  expect(JSON.parse(readFileSync(join(state, 'site.json'), 'utf8'))).toMatchObject({ migrationRate: '1gbit', migrationRates: {} });
});

it.each([
  [['host'], 'host knows'], [['host', 'constructor'], 'host knows'], [['host', 'fence'], 'say which host'], [['host', 'fence', 'host9'], 'has no host host9'],
  [['host', 'rate', 'host1'], 'say how fast'], [['host', 'rate', 'host1', '1gbit; reboot'], 'the rate must be'], [['host', 'rate', 'host1', '0gbit'], 'the rate must be'],
])('refuses %j', async (argv, sentence) => {
  const refusal = (async () => host(launch(), parseOptions(argv)))();
  await expect(refusal).rejects.toThrow(sentence);
  await expect(refusal).rejects.toBeInstanceOf(UsageError);
});

it('prints what has become of each instance', () => {
  expect(renderDrain({ host: 'host2', state: 'none', instances: [] })).toBe('host2 is in service; nobody has drained it');
  expect(renderDrain({ host: 'host2', state: 'drained', instances: [
    { id: '1', name: 'web', state: 'away', where: 'host1', message: null }, { id: '22', name: 'b', state: 'stays', where: 'host2', message: 'it is stopped' },
  ] })).toBe('INSTANCE  NAME  STATE  HOST\n1         web   away   host1\n22        b     stays  host2  it is stopped\nhost2 is drained');
});

it('names only hosts that are there', () => {
  expect(namedHost(loadSite(launch()), 'host3').index).toBe(3);
});
