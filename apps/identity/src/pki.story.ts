import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityContract } from '@virga/contracts';
import { silentLogger } from '@virga/core';
import { MAX_TOKEN_LENGTH, readCmsToken, TokenVerifier } from '@virga/rest';
import { MemoryBus } from '@virga/rpc';
import { startMariaDb } from '@virga/testing';
import { PkiKeys } from './pki/pki-keys';
import { passwordLogin, PASSWORDS, projectScope, startTestCloud, type TestCloud } from './testing/test-cloud';

let cloud: TestCloud;
let dir: string;
beforeAll(async () => {
  cloud = await startTestCloud('identity_pki', await startMariaDb(), 'pki');
  dir = mkdtempSync(join(tmpdir(), 'virga-cms-'));
});
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await cloud.stop();
});

const pemOf = (token: string): string => `-----BEGIN CMS-----\n${token.replaceAll('-', '/').replace(/.{64}/g, '$&\n')}\n-----END CMS-----\n`;

/** What plain openssl makes of a message, with the certificates that the cloud tells; throws when it does not verify. */
async function verified(pem: string): Promise<any> { // eslint-disable-line @typescript-eslint/no-explicit-any
  const certificate = async (path: string) => {
    const { status, headers, body } = await cloud.request('GET', path);
    expect([status, headers.get('content-type')]).toEqual([200, 'application/x-pem-file']);
    return body as string;
  };
  writeFileSync(join(dir, 'signing.pem'), await certificate('/v2.0/certificates/signing'));
  writeFileSync(join(dir, 'ca.pem'), await certificate('/v2.0/certificates/ca'));
  const args = ['cms', '-verify', '-certfile', join(dir, 'signing.pem'), '-CAfile', join(dir, 'ca.pem'), '-inform', 'PEM', '-nosmimecap', '-nodetach', '-nocerts', '-noattr'];
  return JSON.parse(execFileSync('openssl', args, { input: pem, stdio: ['pipe', 'pipe', 'ignore'] }).toString()) as unknown;
}

describe('the classic token format', () => {
  it('is a signed document that openssl verifies with the certificates that the cloud tells', async () => {
    const { status, headers, body } = await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('demo', PASSWORDS.demo, projectScope('demo')) });
    expect(status).toBe(201);
    const token = headers.get('x-subject-token')!;
    expect(token).toMatch(/^MII[A-Za-z0-9+=-]+$/);
    expect(token.length).toBeLessThanOrEqual(MAX_TOKEN_LENGTH);
    const document = await verified(pemOf(token));
    expect(document.token).toEqual(body.token);
    expect(document.token.catalog).toHaveLength(2);
    expect((await cloud.request('GET', '/v3/OS-SIMPLE-CERT/ca')).body).toBe((await cloud.request('GET', '/v2.0/certificates/ca')).body);
  });

  it('opens the doors that a short token opens, here and in other services', async () => {
    const [admin, demo] = [await cloud.admin(), await cloud.demo()];
    expect((await cloud.request('GET', '/v3/users', { token: admin })).status).toBe(200);
    expect((await cloud.request('GET', '/v3/users', { token: demo })).status).toBe(403);
    expect((await cloud.request('GET', '/v3/auth/tokens', { token: admin, headers: { 'x-subject-token': demo } })).body.token.user.name).toBe('demo');
    expect((await cloud.request('GET', `/v2.0/tokens/${encodeURIComponent(demo)}`, { token: admin })).body.access.user.name).toBe('demo');
    const again = await cloud.request('POST', '/v3/auth/tokens', { body: { auth: { identity: { methods: ['token'], token: { id: demo } } } } });
    expect(again.status).toBe(201);
    const elsewhere = await TokenVerifier.overBus(new MemoryBus(cloud.broker, 'network'), silentLogger);
    expect(await elsewhere.verify(demo)).toMatchObject({ user: { name: 'demo' }, project: { name: 'demo' }, system: false });
  });

  /** Each with one bit changed, all over the document. */
  const changed = (token: string, from: number, to = Infinity): string[] => {
    const der = Buffer.from(token.replaceAll('-', '/'), 'base64');
    return Array.from({ length: Math.ceil((Math.min(to, der.length) - from) / 97) }, (_, index) => {
      const copy = Buffer.from(der);
      copy[from + index * 97]! ^= 1;
      return copy.toString('base64').replaceAll('/', '-');
    });
  };
  const statusOf = async (token: string) => (await cloud.request('GET', '/v3/auth/projects', { token })).status;

  it('is refused when a bit of what is signed, or of the signature, is another', async () => {
    const demo = await cloud.demo();
    const der = Buffer.from(demo.replaceAll('-', '/'), 'base64');
    const { content } = readCmsToken(demo)!;
    const begin = der.indexOf(content);
    expect(content.length).toBeGreaterThan(500);
    for (const token of [...changed(demo, begin, begin + content.length), ...changed(demo, der.length - 256)]) expect(await statusOf(token)).toBe(401);
    for (const token of ['MII', 'MIIB', `${demo.slice(0, -8)}`, `${demo}AAAA`, `MII${'A'.repeat(7000)}`]) expect((await cloud.request('GET', '/v3/auth/projects', { token })).status).toBe(401);
  });

  it('is on the signed list once it is revoked, by its hash, and void at once', async () => {
    const [admin, demo] = [await cloud.admin(), await cloud.demo()];
    expect((await cloud.request('DELETE', '/v3/auth/tokens', { token: admin, headers: { 'x-subject-token': demo } })).status).toBe(204);
    // Names in the envelope are not signed: whoever changes them has the same token, and it is void as well.
    for (const token of changed(demo, 4)) expect(await statusOf(token)).toBe(401);
    expect((await cloud.request('GET', '/v3/auth/projects', { token: demo })).status).toBe(401);
    for (const path of ['/v2.0/tokens/revoked', '/v3/auth/tokens/OS-PKI/revoked']) {
      const { status, body } = await cloud.request('GET', path, { token: admin });
      expect(status).toBe(200);
      expect((await verified(body.signed)).revoked).toEqual([{ id: createHash('sha256').update(demo).digest('hex'), expires: expect.stringMatching(/Z$/), audit_id: expect.any(String) }]);
      expect((await cloud.request('GET', path, { token: await cloud.demo() })).status).toBe(403);
    }
    const { events } = (await cloud.request('GET', '/v3/OS-REVOKE/events', { token: admin })).body;
    expect(events).toEqual([{ audit_id: expect.any(String), issued_before: expect.stringMatching(/Z$/) }]);
    expect((await cloud.request('GET', `/v3/OS-REVOKE/events?since=${new Date(Date.now() + 60_000).toISOString()}`, { token: admin })).body.events).toEqual([]);
    expect((await cloud.request('GET', '/v3/OS-REVOKE/events?since=x', { token: admin })).status).toBe(400);
  });

  it('goes on with a new certificate; tokens of the former one hold until it is dropped', async () => {
    const old = await cloud.demo();
    const keys = new PkiKeys(cloud.db, cloud.sealKey, 3600);
    await keys.rotate();
    await cloud.identity.refresh();
    const fresh = await cloud.demo();
    for (const token of [old, fresh]) {
      expect((await cloud.request('GET', '/v3/auth/projects', { token })).status).toBe(200);
      await verified(pemOf(token));
    }
    await keys.rotate('drop');
    await cloud.identity.refresh();
    expect((await cloud.request('GET', '/v3/auth/projects', { token: old })).status).toBe(401);
    expect((await cloud.request('GET', '/v3/auth/projects', { token: await cloud.demo() })).status).toBe(200);
    const bus = new MemoryBus(cloud.broker, 'image');
    expect((await bus.client(identityContract).signingKeys({})).keys).toHaveLength(2);
  });
});

it('is absent where it was never used', async () => {
  const plain = await startTestCloud('identity_no_pki');
  try {
    for (const path of ['/v2.0/certificates/signing', '/v2.0/certificates/ca']) expect((await plain.request('GET', path)).status).toBe(404);
    expect((await plain.request('GET', '/v2.0/tokens/revoked', { token: await plain.admin() })).status).toBe(404);
  } finally {
    await plain.stop();
  }
});
