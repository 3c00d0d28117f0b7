import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { newHexId, newUuid, silentLogger } from '@virga/core';
import { createDatabase, migrate } from '@virga/db';
import { routesOf } from '@virga/rest';
import { cellsOf, changedBy, openTo, policyTable, startMariaDb, testIdentity, upsideDown, walkPolicies } from '@virga/testing';
import type { ImageConfig } from './config';
import { migrations } from './db/migrations';
import type { ImageDb, ImageSchema } from './db/tables';
import { createImageApp } from './image.app';
import { FileStore } from './store/file-store';

/** Who may do what, read and agreed on; POLICY_TABLE_WRITE=1 writes what the service does, for review. */
const TABLE = join(__dirname, 'policy-table.tsv');
/** Answer to everybody, without a token. */
const OPEN = ['GET /', 'GET /versions'];

/** Input that is judged before the image is looked for, so that it must be right. */
const BODIES: Record<string, unknown> = {
  'PATCH /v2/images/:id': [{ op: 'replace', path: '/name', value: 'x' }],
  'POST /v2/images/:id/members': { member: newHexId() },
  'PUT /v2/images/:id/members/:member': { status: 'rejected' },
};
const PATCH_TYPE = 'application/openstack-images-v2.1-json-patch';

describe('every route as every persona', () => {
  const dir = mkdtempSync(join(tmpdir(), 'virga-image-policy-'));
  const project = newHexId();
  let db: ImageDb;
  let app: NestFastifyApplication;
  let walked: string[];

  beforeAll(async () => {
    const mariadb = await startMariaDb();
    db = createDatabase<ImageSchema>({ url: await mariadb.createSchema('image_policy') });
    await migrate(db, migrations);
    const identity = await testIdentity();
    const store = new FileStore(join(dir, 'store'));
    await store.prepare();
    const config = { VIRGA_PUBLIC_IDENTITY_URL: 'http://id:5000', VIRGA_IMAGE_SIZE_CAP: 1 << 20, VIRGA_IMAGE_VIRTUAL_SIZE_CAP: 2 ** 40, VIRGA_IMAGE_PAGE_LIMIT: 25, VIRGA_IMAGE_DATA_URL: 'http://data' } as ImageConfig;
    app = await createImageApp({ config, db, store, logger: silentLogger, verifyToken: (given) => identity.verifier.verify(given) });
    await app.listen(0, '127.0.0.1');
    const base = await app.getUrl();
    const as = (...roles: string[]) => identity.sign({ projectId: project, roles });
    const [owner, operator] = [as('member'), as('admin')];
    const send = async (method: string, path: string, token: string | null, body?: unknown) => fetch(`${base}${path}`, {
      method, headers: { ...(token !== null && { 'x-auth-token': token }), ...(body !== undefined && { 'content-type': method === 'PATCH' ? PATCH_TYPE : path.endsWith('/file') ? 'application/octet-stream' : 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const made = async (path: string, token: string, body: unknown) => {
      const answer = await send('POST', path, token, body);
      if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
      return await answer.json() as { id: string };
    };

    walked = await walkPolicies({
      routes: routesOf(app).filter(({ path }) => !path.endsWith('*')),
      versions: [''],
      personas: {
        admin: operator, manager: as('manager'), member: owner, reader: as('reader'),
        'other-member': identity.sign({ roles: ['member'] }), 'other-admin': identity.sign({ roles: ['admin'] }),
        'domain-admin': identity.sign({ domain: true, roles: ['admin'] }), 'system-reader': identity.sign({ system: true, roles: ['reader'] }), 'no-role': as(), 'no-token': null,
      },
      bodies: BODIES,
      async fixtures() {
        const { id } = await made('/v2/images', owner, { name: 'i', disk_format: 'raw', container_format: 'bare', visibility: 'shared', tags: ['tag'] });
        const member = newHexId();
        await made(`/v2/images/${id}/members`, owner, { member });
        const namespace = `n${newUuid()}`;
        await made('/v2/metadefs/namespaces', operator, { namespace, visibility: 'private', tags: [{ name: 'tag' }], objects: [{ name: 'object' }] });
        return { images: id, members: member, tags: 'tag', actions: 'deactivate', namespaces: namespace, ':namespace': 'tags', ':collection': 'tag', metadefs: 'namespace' };
      },
      send: async (method, path, token, _version, body) => { const answer = await send(method, path, token, body); await answer.arrayBuffer(); return answer.status; },
    });
  }, 300_000);
  afterAll(async () => { await app.close(); await db.destroy(); rmSync(dir, { recursive: true }); });

  it('is let through where the table says', () => {
    const { agreed, served } = policyTable(TABLE, walked);
    expect(served).toEqual(agreed);
  });

  it('needs a token but for the versions', () => { expect(openTo(walked, 'no-token').map(({ route }) => route)).toEqual(OPEN); });
  it('finds no image of another project', () => { expect(cellsOf(walked).filter(({ path, as }) => path.startsWith('/v2/images/:id') && as('other-member') === 'pass')).toEqual([]); });
  it('cannot change anything as a reader', () => { expect(changedBy(walked, 'reader')).toEqual([]); });
  it('can no less as a manager than as a member, as a member than as a reader', () => {
    expect(upsideDown(walked)).toEqual([]);
  });
});
