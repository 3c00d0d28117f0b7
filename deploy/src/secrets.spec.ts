import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerDefinitions } from './parts/rabbitmq';
import { rabbitHash, SecretStore } from './secrets';

describe('SecretStore', () => {
  let directory: string;
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'virga-secrets-')); });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('makes a secret once, keeps it for the next run, in a file for its owner only', () => {
    const file = join(directory, 'secrets.json');
    const first = new SecretStore(file).get('db.identity');
    expect(first).toMatch(/^[A-Za-z0-9_-]{32}$/);
    expect(new SecretStore(file).get('db.identity')).toBe(first);
    expect(new SecretStore(file).get('db.image')).not.toBe(first);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('does not take a name of Object.prototype for a secret', () => {
    expect(new SecretStore(join(directory, 's.json')).get('constructor')).toMatch(/^[A-Za-z0-9_-]{32}$/);
  });
});

describe('broker definitions', () => {
  const secrets = { get: (name: string) => `secret of ${name}` } as unknown as SecretStore;

  it('hold a salted SHA-256 that the broker can check, and no password', () => {
    const bytes = Buffer.from(rabbitHash('identity', 'pw'), 'base64');
    expect(bytes.subarray(4)).toEqual(createHash('sha256').update(bytes.subarray(0, 4)).update('pw').digest());
    expect(brokerDefinitions(['h-1'], secrets)).not.toContain('secret of');
  });

  it('give an agent its own queues only, the services all, and have no guest', () => {
    const { users, permissions } = JSON.parse(brokerDefinitions(['h-1'], secrets)) as { users: { name: string; tags: string }[]; permissions: { user: string; configure: string; read: string; write: string }[] };
    expect(users.map(({ name }) => name)).not.toContain('guest');
    expect(users.every(({ tags }) => tags === '')).toBe(true);
    const agent = permissions.find(({ user }) => user === 'agent-h-1')!;
    expect(new RegExp(agent.read).test('host.h-1')).toBe(true);
    expect(new RegExp(agent.read).test('host.h-2')).toBe(false);
    expect(new RegExp(agent.write).test('')).toBe(false); // the default exchange
    expect(permissions.find(({ user }) => user === 'conductor')!.write).toBe('.*');
  });

  it('are the same text when nothing has changed', () => {
    expect(brokerDefinitions(['h-1'], secrets)).toBe(brokerDefinitions(['h-1'], secrets));
  });
});
