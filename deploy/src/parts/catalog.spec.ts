import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecretStore } from '../secrets';
import { defaultCidrs, planSite, type Site } from '../site';
import { checkOrder } from '../task-graph';
import { stopTasks } from '../verbs/down';
import { partsOf } from './catalog';
import type { Part } from './part';

jest.mock('./rabbitmq', () => ({ ...jest.requireActual<object>('./rabbitmq'), rabbitmqPart: () => ({ name: 'rabbitmq', group: 'store', after: ['epmd'], script: 'exec x', health: async () => undefined, startTimeoutMs: 1, stopTimeoutMs: 1 }) }));

const secrets = { get: (name: string) => `SECRET-${name}` } as unknown as SecretStore;

describe('the parts of a cloud', () => {
  let state: string;
  let site: Site;
  let parts: Part[];
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'virga-parts-'));
    site = planSite('/src', state, { name: 'vg', portOffset: 0, hosts: 2, virtType: 'probe', ...defaultCidrs(0) }, readFileSync(join(__dirname, '../../ports.txt'), 'utf8'));
    parts = partsOf(site, secrets);
  });
  afterEach(() => rmSync(state, { recursive: true }));

  it('come in an order in which each finds what it needs', () => {
    const names = parts.map((part) => part.name);
    expect(new Set(names).size).toBe(names.length);
    for (const part of parts) for (const before of part.after) expect(names.indexOf(before)).toBeLessThan(names.indexOf(part.name));
    expect(names).toEqual(expect.arrayContaining(['mariadb', 'rabbitmq', 'identity', 'conductor', 'host1-agent', 'host2-agent', 'host2-libvirtd']));
  });

  it('keep secrets out of scripts, whose text every process list shows', () => {
    for (const part of parts) expect(part.script).not.toContain('SECRET');
    expect(parts.find((part) => part.name === 'identity')!.env!['VIRGA_DB_URL']).toContain('SECRET-db.identity');
  });

  it('give an agent its own broker user and no database', () => {
    const agents = parts.filter((part) => part.name.endsWith('-agent'));
    expect(agents).toHaveLength(2);
    for (const { env } of agents) {
      expect(env).not.toHaveProperty('VIRGA_DB_URL');
      expect(env!['VIRGA_AMQP_URL']).toContain(`agent-${env!['VIRGA_AGENT_HOST_ID']}:`);
    }
    expect(new Set(agents.map(({ env }) => env!['VIRGA_AGENT_HOST_ID'])).size).toBe(2);
  });

  it('run services as a user without rights', () => {
    for (const part of parts.filter(({ group, name }) => group === 'service' && name !== 'enrolment')) expect(part.script).toContain('setpriv --reuid=virga');
  });

  it('leave the one that signs with the key of the CA as root, and with few of its powers', () => {
    expect(parts.find(({ name }) => name === 'enrolment')!.script).toMatch(/^exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,\+chown,\+dac_override,\+fowner,\+setuid,\+setgid /);
  });

  it('stop in reverse: agent, guests, hypervisor, namespace, then the bridges', () => {
    const order = checkOrder(stopTasks(site, parts));
    const at = (name: string): number => order.indexOf(name);
    expect(at('host1-agent')).toBeLessThan(at('host1-guests'));
    expect(at('host1-guests')).toBeLessThan(at('host1-libvirtd'));
    expect(at('host1-guests')).toBeLessThan(at('host1-ovn-controller'));
    expect(at('host1-libvirtd')).toBeLessThan(at('host1-namespace'));
    expect(at('compute-api')).toBeLessThan(at('mariadb'));
    expect(at('rabbitmq')).toBeLessThan(at('epmd'));
    expect(at('plumbing')).toBe(order.length - 1);
  });
});
