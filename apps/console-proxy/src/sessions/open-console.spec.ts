import { notFound, silentLogger, unavailable } from '@virga/core';
import { CLOSE } from '../relay/close-codes';
import { openConsole, type ConsoleDoor } from './open-console';

const holder = { userId: 'u', userDomainId: 'd', projectId: 'p', projectDomainId: 'd', auditIds: [], issuedAt: 0 };
const session = { sessionId: 's', protocol: 'vnc' as const, instanceId: 'i', instanceName: 'n', holder, endsAt: 0 };
const door = (open: ConsoleDoor['consoles']['open'], more: Partial<ConsoleDoor> = {}): ConsoleDoor => ({
  consoles: { open }, identity: () => ({ ca: Buffer.alloc(0), cert: Buffer.alloc(0), key: Buffer.alloc(0) }), isRevoked: () => false, logger: silentLogger, ...more,
});
const page = { page: true, token: 'a-token', pageKey: 'a-page-key', attemptId: 'attempt1' };

it.each([
  ['there is no such session', notFound('no'), CLOSE.invalid], ['its server was deleted', notFound('no', { type: 'ServerDeleted' }), CLOSE.deleted], ['nobody answers', unavailable('no'), CLOSE.wait],
])('says why it does not open: %s', async (_what, error, refused) => {
  expect(await openConsole(door(() => Promise.reject(error)), page)).toMatchObject({ refused });
});

it('asks nobody when there is no secret', async () => {
  const open = jest.fn();
  expect(await openConsole(door(open), { ...page, token: undefined, pageKey: undefined })).toEqual({ refused: CLOSE.invalid, reason: 'invalid' });
  expect(open).not.toHaveBeenCalled();
});

it('tells the control plane hashes only', async () => {
  const open = jest.fn(async () => ({ session, route: { state: 'off' as const } }));
  expect(await openConsole(door(open), page)).toEqual({ refused: CLOSE.wait, reason: 'off' });
  const said = JSON.stringify(open.mock.calls);
  expect(said).not.toMatch(/a-token|a-page-key/);
  expect(said.match(/[0-9a-f]{64}/g)).toHaveLength(3);
});

it.each([['whose user was revoked', { isRevoked: () => true }, 'https://127.0.0.1:1', CLOSE.revoked], ['whose host is gone', {}, 'https://127.0.0.1:1', CLOSE.wait], ['that is to be reached without TLS', {}, 'http://127.0.0.1:1', CLOSE.wait]])('closes a session %s', async (_what, more, agentUrl, refused) => {
  expect(await openConsole(door(async () => ({ session, route: { state: 'ready', hostId: 'h', agentUrl } }), more), page)).toMatchObject({ refused });
});
