import { createHash, randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { imageContract } from '@virga/contracts';
import { newHexId, newUuid, silentLogger } from '@virga/core';
import { createDatabase, migrate } from '@virga/db';
import { MemoryBroker, type Served } from '@virga/rpc';
import { startMariaDb, testIdentity, type TestIdentity } from '@virga/testing';
import type { ImageConfig } from './config';
import { migrations } from './db/migrations';
import type { ImageDb, ImageSchema } from './db/tables';
import { createImageApp } from './image.app';
import { imageHandlers } from './image.handlers';
import { ImageRepository } from './images/image.repository';
import { FileStore } from './store/file-store';
import { StoreSweeper } from './store/store-sweeper';
import { DataServer } from './tickets/data-server';
import { DownloadTickets } from './tickets/download-tickets';
import { UploadTickets } from './tickets/upload-tickets';

const dir = mkdtempSync(join(tmpdir(), 'virga-image-'));
const store = new FileStore(join(dir, 'store'));
let db: ImageDb;
let app: NestFastifyApplication;
let identity: TestIdentity;
let base: string;
let config: ImageConfig;
const project = newHexId();
let token: string;

const send = async (method: string, path: string, options: { token?: string; body?: unknown; type?: string; headers?: Record<string, string> } = {}) => {
  const raw = Buffer.isBuffer(options.body) || typeof options.body === 'string';
  const answer = await fetch(`${base}${path}`, {
    method,
    headers: { 'x-auth-token': options.token ?? token, ...(options.body === undefined ? {} : { 'content-type': options.type ?? (raw ? 'application/octet-stream' : 'application/json') }), ...options.headers },
    body: options.body === undefined ? undefined : raw ? (options.body as string) : JSON.stringify(options.body),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const json = answer.headers.get('content-type')?.startsWith('application/json') && bytes.length > 0 ? (JSON.parse(bytes.toString()) as Record<string, never>) : ({} as Record<string, never>);
  return { status: answer.status, headers: answer.headers, bytes, json: json as any };
};
const create = async (body: Record<string, unknown> = {}, options = {}) =>
  (await send('POST', '/v2/images', { body: { name: 'a', disk_format: 'raw', container_format: 'bare', ...body }, ...options })).json as { id: string };
const storedFiles = () => readdirSync(join(dir, 'store')).sort();

beforeAll(async () => {
  const mariadb = await startMariaDb();
  db = createDatabase<ImageSchema>({ url: await mariadb.createSchema('image_story') });
  await migrate(db, migrations);
  identity = await testIdentity();
  token = identity.sign({ projectId: project });
  await store.prepare();
  config = {
    VIRGA_PUBLIC_IDENTITY_URL: 'http://id:5000', VIRGA_IMAGE_SIZE_CAP: 64 << 20, VIRGA_IMAGE_VIRTUAL_SIZE_CAP: 2 ** 40, VIRGA_IMAGE_PAGE_LIMIT: 25, VIRGA_IMAGE_DATA_URL: 'http://data',
  } as ImageConfig;
  app = await createImageApp({ config, db, store, logger: silentLogger, verifyToken: (given) => identity.verifier.verify(given) });
  await app.listen(0, '127.0.0.1');
  base = await app.getUrl();
});
afterAll(async () => {
  await app.close();
  await db.destroy();
  rmSync(dir, { recursive: true });
});

describe('image data', () => {
  it('goes up and comes down as it was, with its checksums', async () => {
    const data = randomBytes(300_000);
    const { id } = await create();
    expect((await send('GET', `/v2/images/${id}/file`)).status).toBe(204);
    expect((await send('PUT', `/v2/images/${id}/file`, { body: data })).status).toBe(204);
    const shown = (await send('GET', `/v2/images/${id}`)).json;
    expect((await send('GET', '/v2/images?size=300000')).json.images).toMatchObject([{ id }]);
    expect((await send('GET', '/v2/images?size=300001')).json.images).toEqual([]);
    expect(shown).toMatchObject({
      status: 'active', size: 300_000, virtual_size: 300_000, os_hash_algo: 'sha512',
      checksum: createHash('md5').update(data).digest('hex'), os_hash_value: createHash('sha512').update(data).digest('hex'),
    });
    const down = await send('GET', `/v2/images/${id}/file`);
    expect(down.bytes.equals(data)).toBe(true);
    expect(down.headers.get('content-md5')).toBe(shown.checksum);
    const part = await send('GET', `/v2/images/${id}/file`, { headers: { range: 'bytes=10-19' } });
    expect([part.status, part.bytes.equals(data.subarray(10, 20))]).toEqual([206, true]);
    expect((await send('GET', `/v2/images/${id}/file`, { headers: { range: 'bytes=900000-' } })).status).toBe(416);
    const again = await send('PUT', `/v2/images/${id}/file`, { body: data });
    expect(again.status).toBe(409);
    expect(again.json.message).toContain('Image status transition from active to saving is not allowed');
    expect((await send('DELETE', `/v2/images/${id}`)).status).toBe(204);
    expect((await send('GET', `/v2/images/${id}`)).status).toBe(404);
    expect(storedFiles()).toEqual([]);
  });

  it('accepts a real qcow2 and refuses one with a backing file, cut off, or under another name', async () => {
    const file = (name: string) => join(dir, name);
    writeFileSync(file('base.raw'), randomBytes(1 << 20));
    execFileSync('qemu-img', ['convert', '-q', '-f', 'raw', '-O', 'qcow2', file('base.raw'), file('good.qcow2')]);
    execFileSync('qemu-img', ['convert', '-q', '-c', '-f', 'raw', '-O', 'qcow2', file('base.raw'), file('compressed.qcow2')]);
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', '/etc/passwd', '-F', 'raw', file('backed.qcow2')]);
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', `data_file=${file('outside.raw')},data_file_raw=on`, file('data.qcow2'), '1M']);
    const good = readFileSync(file('good.qcow2'));
    const attempts: [string, Buffer, number, RegExp][] = [
      ['qcow2', good, 204, /^$/],
      ['qcow2', readFileSync(file('compressed.qcow2')), 204, /^$/],
      ['qcow2', readFileSync(file('backed.qcow2')), 400, /backing file/],
      ['qcow2', readFileSync(file('data.qcow2')), 400, /another file/],
      ['qcow2', good.subarray(0, good.length >> 1), 400, /cut short/],
      ['raw', good, 400, /is qcow2, and not raw/],
      ['vmdk', good, 400, /is qcow2, and not vmdk/],
      // Bytes without a signature may be called anything, as in glance; hosts look again before they boot.
      ['qcow2', Buffer.from('no disk at all'), 204, /^$/],
    ];
    for (const [format, data, status, reason] of attempts) {
      const { id } = await create({ disk_format: format });
      const answer = await send('PUT', `/v2/images/${id}/file`, { body: data });
      expect([format, answer.status]).toEqual([format, status]);
      expect(answer.json.message ?? '').toMatch(reason);
      expect((await send('GET', `/v2/images/${id}`)).json.status).toBe(status === 204 ? 'active' : 'queued');
      expect((await send('DELETE', `/v2/images/${id}`)).status).toBe(204);
    }
    expect(storedFiles()).toEqual([]);
  });

  it('refuses data that is not what its digest says, too large, or of another type', async () => {
    const { id } = await create();
    const wrong = await send('PUT', `/v2/images/${id}/file`, { body: 'abc', headers: { 'content-digest': `sha-512=:${createHash('sha512').update('abd').digest('base64')}:` } });
    expect([wrong.status, /checksum/.test(wrong.json.message)]).toEqual([400, true]);
    expect((await send('PUT', `/v2/images/${id}/file`, { body: 'abc', type: 'text/plain' })).status).toBe(415);
    expect((await send('PUT', `/v2/images/${id}/file`, { body: Buffer.alloc((64 << 20) + 1) })).status).toBe(413);
    const right = await send('PUT', `/v2/images/${id}/file`, { body: 'abc', headers: { 'content-digest': `sha-512=:${createHash('sha512').update('abc').digest('base64')}:` } });
    expect(right.status).toBe(204);
  });

  it('keeps nothing of an upload that breaks off', async () => {
    const { id } = await create();
    const before = storedFiles();
    await new Promise<void>((resolve) => {
      const broken = httpRequest(`${base}/v2/images/${id}/file`, { method: 'PUT', headers: { 'x-auth-token': token, 'content-type': 'application/octet-stream', 'content-length': '100000' } });
      broken.on('error', () => resolve());
      broken.on('close', () => resolve());
      broken.write(Buffer.alloc(50_000), () => setTimeout(() => broken.destroy(), 50));
    });
    for (let tries = 0; tries < 100 && (await send('GET', `/v2/images/${id}`)).json.status !== 'queued'; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await send('GET', `/v2/images/${id}`)).json).toMatchObject({ status: 'queued', size: null });
    expect(storedFiles()).toEqual(before);
    expect((await send('PUT', `/v2/images/${id}/file`, { body: 'whole' })).status).toBe(204);
  });

  it('lets one of many uploads win', async () => {
    const { id } = await create();
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => send('PUT', `/v2/images/${id}/file`, { body: Buffer.alloc(200_000, n) })));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array<number>(9).fill(409)]);
    const data = (await send('GET', `/v2/images/${id}/file`)).bytes;
    expect(new Set(data).size).toBe(1);
  });

  it('is freed from dead uploads and data without an image by the sweeper', async () => {
    const images = new ImageRepository(db);
    const { id } = await create();
    await images.beginUpload((await images.find(id))!, 'dead', -1);
    writeFileSync(join(dir, 'store', `${id}.dead.part`), 'x');
    writeFileSync(join(dir, 'store', '11111111-1111-4111-8111-111111111111'), 'orphan');
    for (const name of [`${id}.dead.part`, '11111111-1111-4111-8111-111111111111']) utimesSync(join(dir, 'store', name), 1, 1);
    expect(await new StoreSweeper(images, store, silentLogger).sweep()).toEqual({ released: 1, removed: 2 });
    expect((await send('PUT', `/v2/images/${id}/file`, { body: 'again' })).status).toBe(204);
  });
});

describe('who may do what', () => {
  it('hides private and shared images from other projects, in every verb', async () => {
    const other = identity.sign({ projectId: newHexId() });
    const { id } = await create({ visibility: 'private' });
    for (const [method, path, body] of [['GET', '', undefined], ['DELETE', '', undefined], ['GET', '/file', undefined], ['PUT', '/file', 'x'], ['PUT', '/tags/t', undefined], ['GET', '/members', undefined], ['POST', '/actions/deactivate', undefined]] as const) {
      expect([method, path, (await send(method, `/v2/images/${id}${path}`, { token: other, body })).status]).toEqual([method, path, 404]);
    }
    expect((await send('GET', '/v2/images?visibility=private', { token: other })).json.images).toEqual([]);
    expect((await send('GET', `/v2/images/${id}`, { token: 'garbage' })).status).toBe(401);
  });

  it('lets only admins publish, and nobody but owner and admin change', async () => {
    const refused = await send('POST', '/v2/images', { body: { name: 'p', visibility: 'public' } });
    expect([refused.status, refused.json.message]).toEqual([403, 'You are not authorized to complete publicize_image action.<br /><br />\n\n\n']);
    const admin = identity.sign({ roles: ['admin'] });
    const { id } = await create({ visibility: 'public', name: 'pub' }, { token: admin });
    expect((await send('GET', `/v2/images/${id}`)).status).toBe(200);
    expect((await send('DELETE', `/v2/images/${id}`)).status).toBe(403);
    expect((await send('PUT', `/v2/images/${id}/file`, { body: 'x' })).status).toBe(403);
    expect((await send('DELETE', `/v2/images/${id}`, { token: admin })).status).toBe(204);
  });

  it('shares with a member, who decides', async () => {
    const memberProject = newHexId();
    const member = identity.sign({ projectId: memberProject });
    const { id } = await create();
    expect((await send('GET', `/v2/images/${id}`, { token: member })).status).toBe(404);
    expect((await send('POST', `/v2/images/${id}/members`, { body: { member: memberProject } })).json).toMatchObject({ member_id: memberProject, status: 'pending' });
    expect((await send('POST', `/v2/images/${id}/members`, { body: { member: memberProject } })).status).toBe(409);
    expect((await send('GET', `/v2/images/${id}`, { token: member })).status).toBe(200);
    expect((await send('GET', '/v2/images', { token: member })).json.images).toEqual([]);
    expect((await send('PUT', `/v2/images/${id}/members/${memberProject}`, { body: { status: 'accepted' } })).status).toBe(403);
    expect((await send('PUT', `/v2/images/${id}/members/${memberProject}`, { token: member, body: { status: 'accepted' } })).json.status).toBe('accepted');
    expect((await send('GET', '/v2/images', { token: member })).json.images).toHaveLength(1);
    expect((await send('DELETE', `/v2/images/${id}/members/${memberProject}`)).status).toBe(204);
    expect((await send('GET', `/v2/images/${id}`, { token: member })).status).toBe(404);
  });
});

describe('attributes', () => {
  it('are patched all or nothing, and read-only ones never', async () => {
    const type = 'application/openstack-images-v2.1-json-patch';
    const { id } = await create({ foo: 'bar' });
    const patch = (operations: unknown) => send('PATCH', `/v2/images/${id}`, { body: JSON.stringify(operations), type });
    expect((await patch([{ op: 'replace', path: '/name', value: 'Ünïcödé 🚀' }, { op: 'add', path: '/hw_x', value: '1' }])).json).toMatchObject({ name: 'Ünïcödé 🚀', hw_x: '1', foo: 'bar' });
    expect((await patch([{ op: 'replace', path: '/id', value: '1' }])).json.message).toContain("Attribute 'id' is read-only.");
    expect((await patch([{ op: 'replace', path: '/name', value: 'lost' }, { op: 'replace', path: '/nosuch', value: '1' }])).status).toBe(409);
    expect((await patch([{ op: 'replace', path: '/status', value: 'active' }])).status).toBe(403);
    expect((await patch([{ op: 'replace', path: '/visibility', value: 'public' }])).status).toBe(403);
    expect((await patch([{ op: 'replace', path: '/min_disk', value: -1 }])).status).toBe(400);
    expect((await patch('[{')).status).toBe(400);
    // The older draft that glance still takes.
    expect((await patch([{ replace: '/name', value: 'older' }, { add: '/draft', value: '1' }])).json).toMatchObject({ name: 'older', draft: '1' });
    expect((await patch([{ replace: '/name', add: '/x', value: 'both' }])).status).toBe(400);
    expect((await patch([null])).status).toBe(400);
    expect((await patch([{ op: 'replace', path: '/name', value: 'Ünïcödé 🚀' }])).status).toBe(200);
    expect((await send('PATCH', `/v2/images/${id}`, { body: [] as never, type: 'application/json' })).status).toBe(415);
    expect((await send('GET', `/v2/images/${id}`)).json.name).toBe('Ünïcödé 🚀');
  });

  it.each([
    [{ name: 5 }, 400], [{ name: 'x'.repeat(256) }, 400], [{ name: 'nul\u0000' }, 400], [{ disk_format: 'exe' }, 400], [{ id: 'no-uuid' }, 400],
    [{ status: 'active' }, 403], [{ size: '1' }, 403], [{ locations: '[]' }, 403], [{ owner: 'someone' }, 403], [{ foo: 7 }, 400], [[], 400],
  ])('refuses to create %j', async (body, status) => {
    const answer = await send('POST', '/v2/images', { body });
    expect([answer.status, typeof answer.json.message]).toEqual([status, 'string']);
  });

  it('pages, filters and sorts', async () => {
    const own = identity.sign({ projectId: newHexId() });
    for (const name of ['b', 'a', 'c', 'e', 'd']) await create({ name, kind: name < 'c' ? 'low' : 'high', tags: [name] }, { token: own });
    const names = (answer: { json: any }) => answer.json.images.map((image: { name: string }) => image.name) as string[];
    expect(names(await send('GET', '/v2/images?sort=name:asc', { token: own }))).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(names(await send('GET', '/v2/images?kind=low&sort_key=name&sort_dir=desc', { token: own }))).toEqual(['b', 'a']);
    expect(names(await send('GET', '/v2/images?tag=e', { token: own }))).toEqual(['e']);
    expect(names(await send('GET', '/v2/images?name=in:a,c&sort=name:asc', { token: own }))).toEqual(['a', 'c']);
    const seen: string[] = [];
    for (let path: string | undefined = '/v2/images?limit=2&sort=name:asc'; path; ) {
      const page: { json: any } = await send('GET', path, { token: own });
      seen.push(...names(page));
      path = page.json.next as string | undefined;
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
    for (const query of ['limit=-1', 'limit=x', 'marker=none', 'sort=password', 'visibility=all2', 'size_min=x', 'size=x', 'protected=maybe', 'created_at=gt:yesterday']) {
      expect([query, (await send('GET', `/v2/images?${query}`, { token: own })).status]).toEqual([query, 400]);
    }
    expect((await send('GET', `/v2/images?marker=${'0'.repeat(8)}-0000-4000-8000-000000000000`, { token: own })).status).toBe(404);
    expect((await send('GET', `/v2/images?${encodeURIComponent('x"]=\' OR 1=1')}=1`, { token: own })).status).toBe(200);
  });

  it('serves version documents and schemas', async () => {
    const root = await send('GET', '/');
    expect([root.status, root.json.versions[0].links[0].href]).toEqual([300, `${base}/v2/`]);
    expect((await send('GET', '/v2/schemas/image')).json.name).toBe('image');
    expect((await send('GET', '/v2/images/')).status).toBe(404);
    expect((await send('GET', '/v2/nosuch')).json).toEqual({ message: 'The resource could not be found.<br /><br />\n\n\n', code: '404 Not Found', title: 'Not Found' });
  });
});

describe('hosts', () => {
  const broker = new MemoryBroker();
  const client = broker.connect('conductor').client(imageContract);
  const actor = { requestId: 'r', userId: 'u', projectId: project, roles: ['member', 'reader'] };
  let server: DataServer;
  let served: Served;
  const stored = async () => {
    const image = await create();
    await send('PUT', `/v2/images/${image.id}/file`, { body: 'host data' });
    return image;
  };
  beforeAll(async () => {
    const parts = { images: new ImageRepository(db), store, downloads: new DownloadTickets(), uploads: new UploadTickets(), config: { ...config }, logger: silentLogger };
    server = new DataServer(parts);
    await server.listen('127.0.0.1:0');
    parts.config.VIRGA_IMAGE_DATA_URL = `http://127.0.0.1:${server.port}`;
    served = await broker.connect('image').serve(imageContract, imageHandlers(parts));
  });
  afterAll(async () => {
    await served.stop();
    await server.close();
  });

  it('fetch data by ticket and by nothing else', async () => {
    const { id } = await stored();
    expect(await client.get({ actor, imageId: id })).toMatchObject({ id, status: 'active', sizeBytes: 9 });
    await expect(client.get({ actor: { ...actor, projectId: 'other' }, imageId: id })).rejects.toMatchObject({ kind: 'notFound' });
    const { url, ticket } = await client.issueDownloadTicket({ imageId: id, hostId: 'h' });
    const fetched = await fetch(url, { headers: { authorization: `Ticket ${ticket}` } });
    expect(await fetched.text()).toBe('host data');
    expect((await fetch(url)).status).toBe(401);
    expect((await fetch(url, { headers: { 'x-auth-token': token } })).status).toBe(401);
    expect((await fetch(url.replace(id, '11111111-1111-4111-8111-111111111111'), { headers: { authorization: `Ticket ${ticket}` } })).status).toBe(401);
    expect((await fetch(url.replace('/data/', '/data/../'), { headers: { authorization: `Ticket ${ticket}` } })).status).toBe(404);
  });

  const snapshot = (more: object = {}) => ({
    actor, imageId: newUuid(), ownerId: project, name: 'snap', diskFormat: 'raw', containerFormat: 'bare', minDisk: 1, minRam: 64, properties: { image_type: 'snapshot' }, ...more,
  });
  const bring = async (id: string, body: string | Buffer, options: { maxBytes?: number; ticket?: string } = {}) => {
    const { url, ticket } = await client.issueUploadTicket({ imageId: id, hostId: 'h', maxBytes: options.maxBytes ?? 1000 });
    const answer = await fetch(url, { method: 'PUT', headers: { authorization: `Ticket ${options.ticket ?? ticket}` }, body: body as string });
    return { status: answer.status, text: await answer.text(), url, ticket };
  };

  it('bring the data of a snapshot once, by ticket, into a private image of the owner', async () => {
    const given = snapshot();
    expect(await client.createForSnapshot(given)).toMatchObject({ id: given.imageId, status: 'queued', minDisk: 1, properties: { image_type: 'snapshot' } });
    expect(await client.createForSnapshot(given)).toMatchObject({ id: given.imageId, status: 'queued' });
    const brought = await bring(given.imageId, 'disk of a guest');
    expect([brought.status, JSON.parse(brought.text)]).toEqual([200, { sizeBytes: 15, sha512: createHash('sha512').update('disk of a guest').digest('hex') }]);
    expect((await send('GET', `/v2/images/${given.imageId}`)).json).toMatchObject({ status: 'active', visibility: 'private', owner: project, image_type: 'snapshot', size: 15 });
    expect((await fetch(brought.url, { method: 'PUT', headers: { authorization: `Ticket ${brought.ticket}` }, body: 'again' })).status).toBe(401);
    expect(await client.issueUploadTicket({ imageId: given.imageId, hostId: 'h', maxBytes: 1 })).toMatchObject({ stored: true, ticket: '' });
    expect(await client.discardSnapshot({ imageId: given.imageId })).toEqual({ removed: false });
    expect((await send('DELETE', `/v2/images/${given.imageId}`)).status).toBe(204);
  });

  it('bring nothing that is too large, of another format, for another image, or by another ticket', async () => {
    const before = storedFiles();
    const given = snapshot();
    await client.createForSnapshot(given);
    const refused = [
      await bring(given.imageId, 'x'.repeat(1001)),
      await bring(given.imageId, 'x', { ticket: 'guessed' }),
      await bring(given.imageId, 'x', { ticket: (await client.issueDownloadTicket({ imageId: (await stored()).id, hostId: 'h' })).ticket }),
      await bring(given.imageId, Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), Buffer.alloc(600)])),
    ];
    expect(refused.map(({ status }) => status)).toEqual([413, 401, 401, 400]);
    const other = snapshot();
    await client.createForSnapshot(other);
    const { ticket } = await client.issueUploadTicket({ imageId: other.imageId, hostId: 'h', maxBytes: 10 });
    expect((await bring(given.imageId, 'x', { ticket })).status).toBe(401);
    const chunked = await fetch((await client.issueUploadTicket({ imageId: given.imageId, hostId: 'h', maxBytes: 5 })).url, {
      method: 'PUT', headers: { authorization: `Ticket ${(await client.issueUploadTicket({ imageId: given.imageId, hostId: 'h', maxBytes: 5 })).ticket}` },
      body: new ReadableStream({ start(controller) { controller.enqueue(Buffer.from('123456')); controller.close(); } }), duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
    expect((await send('GET', `/v2/images/${given.imageId}`)).json).toMatchObject({ status: 'queued', size: null });
    for (const { imageId } of [given, other]) {
      expect(await client.discardSnapshot({ imageId })).toEqual({ removed: true });
      expect(await client.discardSnapshot({ imageId })).toEqual({ removed: false });
      expect((await send('GET', `/v2/images/${imageId}`)).status).toBe(404);
    }
    expect((await client.issueUploadTicket({ imageId: given.imageId, hostId: 'h', maxBytes: 5 }).catch((error: { kind: string }) => error)) as { kind: string }).toMatchObject({ kind: 'notFound' });
    expect(storedFiles().filter((file) => file.endsWith('.part'))).toEqual(before.filter((file) => file.endsWith('.part')));
  });

  it('have snapshots only where the actor may create images', async () => {
    for (const [more, kind] of [
      [{ ownerId: 'other' }, 'forbidden'], [{ actor: { ...actor, roles: ['reader'] } }, 'forbidden'],
      [{ properties: { owner: 'someone' } }, 'badRequest'], [{ properties: { status: 'active' } }, 'forbidden'], [{ diskFormat: 'exe' }, 'badRequest'],
    ] as const) {
      const given = snapshot(more);
      await expect(client.createForSnapshot(given as ReturnType<typeof snapshot>)).rejects.toMatchObject({ kind });
      expect((await send('GET', `/v2/images/${given.imageId}`, { token: identity.sign({ roles: ['admin'] }) })).status).toBe(404);
    }
    const given = snapshot({ ownerId: 'elsewhere', actor: { ...actor, roles: ['admin', 'member'] } });
    await client.createForSnapshot(given);
    await expect(client.createForSnapshot({ ...given, actor, ownerId: project })).rejects.toMatchObject({ kind: 'conflict' });
  });
});
