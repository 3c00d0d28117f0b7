import { randomUUID } from 'node:crypto';
import { consoleContract } from '@virga/contracts';
import { newHexId } from '@virga/core';
import { sql } from '@virga/db';
import { hashSecret } from '../consoles/console-secret';
import { startLab, type Lab } from './lab';

describe('consoles', () => {
  let lab: Lab;
  let server: string;
  let image: string;
  let flavor: string;
  const boot = async () => {
    const { id } = (await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: 'none' } })).body.server;
    await lab.active(id);
    return id as string;
  };
  beforeAll(async () => {
    lab = await startLab({ hosts: 2 });
    for (const agent of lab.agents) { agent.agentUrl = 'https://127.0.0.1:6081'; await agent.heartbeat(); }
    flavor = await lab.makeFlavor();
    image = lab.images.add();
    server = await boot();
  });
  afterAll(() => lab.stop());

  const ask = (id: string, protocol: string, type: string, more = {}) => lab.call('POST', `/v2.1/servers/${id}/remote-consoles`, { remote_console: { protocol, type } }, more);
  const tokenOf = (url: string) => /[0-9a-f-]{36}$/.exec(url)![0];
  const newToken = async (id = server) => tokenOf((await ask(id, 'vnc', 'novnc')).body.remote_console.url);
  const proxy = () => lab.broker.connect('console-proxy').client(consoleContract);
  const open = (more: Record<string, unknown>) => proxy().open({ grantHash: hashSecret('grant'), attemptId: 'a1', ...more });
  const REFUSED = 'The console token is not valid, or no longer.';

  it('have URLs as OpenStack writes them, and the token is nowhere else', async () => {
    const vnc = await ask(server, 'vnc', 'novnc');
    expect(vnc).toMatchObject({ status: 200, body: { remote_console: { protocol: 'vnc', type: 'novnc', url: expect.stringMatching(/^http:\/\/console\.test:6080\/vnc_auto\.html\?path=%3Ftoken%3D[0-9a-f-]{36}$/) } } });
    expect((await ask(server, 'serial', 'serial')).body.remote_console.url).toMatch(/\/serial_auto\.html\?token=/);
    const legacy = await lab.call('POST', `/v2.1/servers/${server}/action`, { 'os-getVNCConsole': { type: 'novnc' } }, { version: '2.1' });
    expect(legacy).toMatchObject({ status: 200, body: { console: { type: 'novnc', url: expect.stringContaining('/vnc_auto.html?path=') } } });
    const { rows } = await sql<Record<string, unknown>>`SELECT * FROM console_auth_tokens`.execute(lab.db);
    expect(JSON.stringify(rows)).not.toContain(tokenOf(vnc.body.remote_console.url));
  });

  it.each([
    ['spice', 'spice-html5', '2.93', 400, 'Unavailable console type spice-html5.'], ['rdp', 'rdp-html5', '2.93', 400, 'Unavailable console type rdp-html5.'],
    ['mks', 'webmks', '2.93', 400, 'Unavailable console type webmks.'], ['vnc', 'serial', '2.93', 400, 'Invalid console type serial'], ['vnc', 'xvpvnc', '2.6', 400, 'Invalid console type xvpvnc'],
    ['mks', 'webmks', '2.7', 400, undefined], ['vnc', 'nosuch', '2.93', 400, undefined], ['vnc', 'novnc', '2.5', 404, undefined],
  ])('%s %s at %s is %i', async (protocol, type, version, status, message) => {
    const answer = await ask(server, protocol, type, { version });
    expect(answer.status).toBe(status);
    if (message) expect(answer.body.badRequest.message).toBe(message);
  });

  it('are had by SPICE where the host has it', async () => {
    for (const agent of lab.agents) agent.consoleProtocols = ['vnc', 'spice', 'serial'];
    const answer = await ask(server, 'spice', 'spice-html5');
    expect(answer).toMatchObject({ status: 200, body: { remote_console: { protocol: 'spice', type: 'spice-html5', url: expect.stringMatching(/\/spice_auto\.html\?token=[0-9a-f-]{36}$/) } } });
    const pageHash = hashSecret(newHexId());
    const { session } = await open({ tokenHash: hashSecret(tokenOf(answer.body.remote_console.url)), pageHash });
    // Its further channels are of the same connection: none replaces another.
    await open({ pageHash });
    const hostId = lab.agents.find(({ domains }) => domains.has(server))!.hostId;
    expect((await proxy().watch({ connections: [{ sessionId: session.sessionId, attemptId: 'a1', hostId }] })).ended).toEqual([]);
    for (const agent of lab.agents) agent.consoleProtocols = ['vnc', 'serial'];
    expect((await open({ pageHash })).route).toEqual({ state: 'absent' });
  });

  it('are refused to strangers and readers, for servers that are not there, and for those without a host', async () => {
    const stranger = lab.identity.sign({ roles: ['member'] });
    expect((await ask(server, 'vnc', 'novnc', { token: stranger })).status).toBe(404);
    expect((await ask(server, 'vnc', 'novnc', { token: lab.tokenFor({ roles: ['reader'] }) })).status).toBe(403);
    expect((await ask(randomUUID(), 'vnc', 'novnc')).status).toBe(404);
    expect((await lab.call('POST', `/v2.1/servers/${server}/action`, { 'os-getVNCConsole': { type: 'novnc' } }, { version: '2.6' })).status).toBe(404);
    const [agent] = lab.agents.filter(({ domains }) => domains.has(server));
    agent!.domains.delete(server);
    expect(await ask(server, 'vnc', 'novnc')).toMatchObject({ status: 409, body: { conflictingRequest: { message: `Instance ${server} is not ready` } } });
    agent!.domains.set(server, 1);
  });

  it('are shown to administrators by their token', async () => {
    const token = await newToken();
    const path = `/v2.1/os-console-auth-tokens/${token}`;
    expect((await lab.asAdmin('GET', path)).body).toEqual({ console: { instance_uuid: server, host: '127.0.0.1', port: 6081, internal_access_path: null } });
    expect((await lab.asAdmin('GET', path, undefined, { version: '2.30' })).status).toBe(401);
    expect((await lab.call('GET', path)).status).toBe(403);
    expect((await lab.asAdmin('GET', `/v2.1/os-console-auth-tokens/${randomUUID()}`))).toMatchObject({ status: 404, body: { itemNotFound: { message: 'Token not found' } } });
  });

  it('open once, and the host has been told whom to let in', async () => {
    const token = await newToken();
    const answers = await Promise.allSettled(Array.from({ length: 5 }, () => open({ tokenHash: hashSecret(token) })));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const [opened] = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    expect(opened).toMatchObject({ session: { protocol: 'vnc', instanceId: server, holder: { userId: lab.userId, projectId: lab.projectId } }, route: { state: 'ready', agentUrl: 'https://127.0.0.1:6081' } });
    expect(lab.agents.flatMap(({ grants }) => grants)).toContainEqual({ instanceId: server, protocol: 'vnc', grantHash: hashSecret('grant') });
  });

  it.each([
    ['a wrong token', async () => randomUUID()],
    ['one that has expired', async () => { const token = await newToken(); await lab.db.updateTable('console_auth_tokens').set({ expires_at: sql`NOW(3) - INTERVAL 1 SECOND` }).where('token_hash', '=', hashSecret(token)).execute(); return token; }],
    ['one of a server that was deleted', async () => { const id = await boot(); const token = await newToken(id); await lab.call('DELETE', `/v2.1/servers/${id}`); await lab.gone(id); return token; }],
  ])('stay closed for %s', async (_what, make) => {
    await expect(open({ tokenHash: hashSecret(await make()) })).rejects.toThrow(REFUSED);
  });

  it('are continued by their page, and by no other', async () => {
    const page = newHexId();
    const first = await open({ tokenHash: hashSecret(await newToken()), pageHash: hashSecret(page) });
    const again = await open({ pageHash: hashSecret(page), attemptId: 'a2' });
    expect(again.session).toEqual(first.session);
    await expect(open({ pageHash: hashSecret(newHexId()) })).rejects.toThrow(REFUSED);
    await expect(open({ tokenHash: hashSecret(await newToken()), pageHash: hashSecret(page) })).rejects.toThrow(REFUSED);
    await lab.db.updateTable('console_auth_tokens').set({ seen_at: sql`NOW(3) - INTERVAL 1 HOUR` }).where('id', '=', first.session.sessionId).execute();
    await expect(open({ pageHash: hashSecret(page) })).rejects.toThrow(REFUSED);
  });

  it('end or move as the database says', async () => {
    const id = await boot();
    const pageHash = hashSecret(newHexId());
    const { session, route } = await open({ tokenHash: hashSecret(await newToken(id)), pageHash });
    const hostId = (route as { hostId: string }).hostId;
    const verdict = async (more = {}) => (await proxy().watch({ connections: [{ sessionId: session.sessionId, attemptId: 'a1', hostId, ...more }] })).ended.map((one) => one.verdict);
    expect(await verdict()).toEqual([]);
    expect(await verdict({ attemptId: 'a0' })).toEqual(['replaced']);
    expect(await verdict({ sessionId: randomUUID() })).toEqual(['ended']);
    const other = lab.agents.find((agent) => agent.hostId !== hostId)!;
    other.domains.set(id, 1);
    await lab.db.updateTable('instances').set({ host_id: other.hostId }).where('id', '=', id).execute();
    expect(await verdict()).toEqual(['moved']);
    expect(await open({ pageHash })).toMatchObject({ session: { sessionId: session.sessionId }, route: { state: 'ready', hostId: other.hostId } });
    await lab.db.updateTable('instances').set({ host_id: hostId, vm_state: 'stopped' }).where('id', '=', id).execute();
    expect(await verdict()).toEqual(['off']);
    await lab.db.updateTable('instances').set({ vm_state: 'active' }).where('id', '=', id).execute();
    await lab.db.updateTable('hosts').set({ lease_until: sql`NOW(3) - INTERVAL 1 SECOND` }).where('id', '=', hostId).execute();
    expect(await verdict()).toEqual(['unreachable']);
    await lab.db.updateTable('hosts').set({ lease_until: sql`NOW(3) + INTERVAL 1 HOUR` }).where('id', '=', hostId).execute();
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    expect(await verdict()).toEqual(['deleted']);
    await expect(open({ pageHash })).rejects.toMatchObject({ kind: 'notFound', type: 'ServerDeleted' });
    await expect(open({ pageHash: hashSecret(newHexId()) })).rejects.toThrow(REFUSED);
  });

  it('are found on the destination of a migration before the books say so', async () => {
    const id = await boot();
    const pageHash = hashSecret(newHexId());
    const { session, route } = await open({ tokenHash: hashSecret(await newToken(id)), pageHash });
    const source = lab.agents.find(({ hostId }) => hostId === (route as { hostId: string }).hostId)!;
    const destination = lab.agents.find((agent) => agent !== source)!;
    await lab.db.updateTable('instances').set({ task_state: 'migrating' }).where('id', '=', id).execute();
    await sql`INSERT INTO migrations (uuid, instance_id, migration_type, status, source_host_id, dest_host_id, user_id, created_at)
      VALUES (${randomUUID()}, ${id}, 'live-migration', 'running', ${source.hostId}, ${destination.hostId}, ${lab.userId}, NOW(3))`.execute(lab.db);
    // The guest has left the source, and is not known to have arrived.
    source.domains.set(id, 4);
    expect((await open({ pageHash })).route).toEqual({ state: 'moving' });
    // It waits there for the rest of its memory: nothing is to be seen yet.
    destination.domains.set(id, 3);
    expect((await open({ pageHash })).route).toEqual({ state: 'moving' });
    destination.domains.set(id, 1);
    // The source is busy with taking down what has left.
    let answer = () => undefined as void;
    source.grantsAfter = new Promise<void>((resolve) => { answer = resolve; });
    expect((await open({ pageHash })).route).toMatchObject({ state: 'ready', hostId: destination.hostId });
    answer();
    source.grantsAfter = undefined;
    expect((await open({ pageHash })).route).toMatchObject({ state: 'ready', hostId: destination.hostId });
    const verdict = async (hostId: string) => (await proxy().watch({ connections: [{ sessionId: session.sessionId, attemptId: 'a1', hostId }] })).ended.map((one) => one.verdict);
    expect(await verdict(destination.hostId)).toEqual([]);
    // It was taken back: nobody is left on what is no longer the destination.
    await lab.db.updateTable('migrations').set({ status: 'failed' }).where('instance_id', '=', id).execute();
    await lab.db.updateTable('instances').set({ task_state: null }).where('id', '=', id).execute();
    expect(await verdict(destination.hostId)).toEqual(['moved']);
    source.domains.set(id, 1);
    expect((await open({ pageHash })).route).toMatchObject({ state: 'ready', hostId: source.hostId });
  });
});
