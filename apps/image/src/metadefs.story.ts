import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { newHexId, silentLogger } from '@virga/core';
import { createDatabase, migrate } from '@virga/db';
import { startMariaDb, testIdentity } from '@virga/testing';
import type { ImageConfig } from './config';
import { migrations } from './db/migrations';
import type { ImageDb, ImageSchema } from './db/tables';
import { createImageApp } from './image.app';
import { FileStore } from './store/file-store';

let db: ImageDb;
let app: NestFastifyApplication;
let base: string;
const tokens: Record<string, string> = {};
const project = newHexId();

const send = async (method: string, path: string, body?: unknown, token = 'admin', headers: Record<string, string> = {}) => {
  const answer = await fetch(`${base}/v2/${path}`, {
    method, headers: { 'x-auth-token': tokens[token]!, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers }, ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, json: (text === '' ? {} : JSON.parse(text)) as any }; // eslint-disable-line @typescript-eslint/no-explicit-any
};

beforeAll(async () => {
  db = createDatabase<ImageSchema>({ url: await (await startMariaDb()).createSchema('image_metadefs') });
  await migrate(db, migrations);
  const identity = await testIdentity();
  tokens['admin'] = identity.sign({ projectId: newHexId(), roles: ['admin'] });
  tokens['member'] = identity.sign({ projectId: project });
  tokens['owner'] = identity.sign({ projectId: project, roles: ['reader'] });
  tokens['stranger'] = identity.sign({ projectId: newHexId() });
  const config = { VIRGA_PUBLIC_IDENTITY_URL: 'http://id:5000', VIRGA_IMAGE_PAGE_LIMIT: 25 } as ImageConfig;
  app = await createImageApp({ config, db, store: new FileStore('/nonexistent'), logger: silentLogger, verifyToken: (given) => identity.verifier.verify(given) });
  await app.listen(0, '127.0.0.1');
  base = await app.getUrl();
});
afterAll(async () => {
  await app.close();
  await db.destroy();
});

describe('definitions of metadata', () => {
  const whole = {
    namespace: 'OS::Compute::Test', display_name: 'Test', description: 'd', visibility: 'public', protected: false,
    objects: [{ name: 'o1', description: 'x', properties: { p: { title: 'P', type: 'string' } } }], properties: { direct: { title: 'D', type: 'integer', minimum: 1 } },
    tags: [{ name: 't1' }], resource_type_associations: [{ name: 'OS::Glance::Image', prefix: 'hw_' }],
  };

  test('come and go whole', async () => {
    const made = await send('POST', 'metadefs/namespaces', whole);
    expect([made.status, made.json]).toEqual([201, expect.objectContaining({ namespace: whole.namespace, properties: whole.properties, tags: whole.tags, self: `/v2/metadefs/namespaces/${encodeURIComponent(whole.namespace)}` })]);
    expect((await send('POST', 'metadefs/namespaces', whole)).status).toBe(409);
    const shown = await send('GET', `metadefs/namespaces/${whole.namespace}`, undefined, 'member');
    expect(shown.json).toMatchObject({ objects: [{ name: 'o1', properties: { p: { title: 'P' } } }], resource_type_associations: [{ name: 'OS::Glance::Image', prefix: 'hw_' }] });
    expect((await send('GET', 'metadefs/resource_types', undefined, 'member')).json.resource_types).toMatchObject([{ name: 'OS::Glance::Image' }]);
    expect((await send('GET', 'metadefs/namespaces?resource_types=OS::Glance::Image')).json.namespaces).toHaveLength(1);
    expect((await send('GET', 'metadefs/namespaces?resource_types=OS::Nova::Flavor')).json.namespaces).toEqual([]);
    expect((await send('PUT', `metadefs/namespaces/${whole.namespace}`, { ...shown.json, objects: undefined, properties: undefined, tags: undefined, resource_type_associations: undefined, protected: true, namespace: 'renamed' })).json).toMatchObject({ namespace: 'renamed', protected: true, display_name: 'Test' });
    expect((await send('GET', 'metadefs/namespaces/renamed/objects/o1')).status).toBe(200);
    expect((await send('DELETE', 'metadefs/namespaces/renamed')).status).toBe(403);
    expect((await send('DELETE', 'metadefs/namespaces/renamed/tags/t1')).status).toBe(403);
    expect((await send('PUT', 'metadefs/namespaces/renamed', { namespace: 'renamed', protected: false })).status).toBe(200);
    expect((await send('DELETE', 'metadefs/namespaces/renamed')).status).toBe(204);
    expect((await send('GET', 'metadefs/namespaces/renamed')).status).toBe(404);
    expect(await db.selectFrom('metadef_items').selectAll().execute()).toEqual([]);
  });

  test.each([
    ['objects', { name: 'one', description: 'd', required: [], properties: {} }, 'objects'],
    ['properties', { name: 'one', title: 'T', type: 'string', enum: ['a', 'b'] }, 'properties'],
  ])('%s are made, changed, renamed and removed', async (collection, body, key) => {
    const path = `metadefs/namespaces/ns-${collection}`;
    await send('POST', 'metadefs/namespaces', { namespace: `ns-${collection}`, visibility: 'public' });
    expect((await send('POST', `${path}/${collection}`, body)).json).toMatchObject(body);
    expect((await send('POST', `${path}/${collection}`, body)).status).toBe(409);
    expect((await send('GET', `${path}/${collection}/one`, undefined, 'member')).json).toMatchObject(body);
    expect((await send('PUT', `${path}/${collection}/one`, { ...body, name: 'two' })).json.name).toBe('two');
    expect((await send('GET', `${path}/${collection}/one`)).status).toBe(404);
    const { [key]: listed } = (await send('GET', `${path}/${collection}`)).json;
    expect(Array.isArray(listed) ? listed.map(({ name }: { name: string }) => name) : Object.keys(listed as object)).toEqual(['two']);
    for (const [method, target] of [['POST', ''], ['PUT', '/two'], ['DELETE', '/two'], ['DELETE', '']] as const) expect([method, (await send(method, `${path}/${collection}${target}`, body, 'member')).status]).toEqual([method, 403]);
    expect((await send('POST', `${path}/${collection}`, { ...body, nosuch: 1 })).status).toBe(400);
    expect((await send('DELETE', `${path}/${collection}/two`)).status).toBe(204);
    expect((await send('DELETE', `${path}/${collection}`)).status).toBe(204);
  });

  test('tags are replaced together, or appended to', async () => {
    await send('POST', 'metadefs/namespaces', { namespace: 'tagged' });
    const path = 'metadefs/namespaces/tagged/tags';
    const names = async () => (await send('GET', path)).json.tags.map(({ name }: { name: string }) => name);
    expect((await send('POST', path, { tags: [{ name: 'a' }, { name: 'b' }] })).status).toBe(201);
    expect((await send('POST', `${path}/c`)).status).toBe(201);
    expect((await send('PUT', `${path}/c`, { name: 'd' })).json.name).toBe('d');
    await send('POST', path, { tags: [{ name: 'e' }] }, 'admin', { 'x-openstack-append': 'True' });
    expect(await names()).toEqual(['a', 'b', 'd', 'e']);
    expect((await send('POST', path, { tags: [{ name: 'x' }, { name: 'x' }] })).status).toBe(409);
    await send('POST', path, { tags: [{ name: 'only' }] });
    expect(await names()).toEqual(['only']);
    expect((await send('DELETE', path)).status).toBe(204);
    expect(await names()).toEqual([]);
  });

  test('private ones are their project\'s, and only admins write', async () => {
    await send('POST', 'metadefs/namespaces', { namespace: 'hidden', owner: project });
    expect((await send('GET', 'metadefs/namespaces/hidden', undefined, 'owner')).status).toBe(200);
    for (const path of ['', '/objects', '/tags/x', '/nosuch']) expect([path, (await send('GET', `metadefs/namespaces/hidden${path}`, undefined, 'stranger')).status]).toEqual([path, 404]);
    expect((await send('GET', 'metadefs/namespaces', undefined, 'stranger')).json.namespaces.map(({ namespace }: { namespace: string }) => namespace)).not.toContain('hidden');
    expect((await send('POST', 'metadefs/namespaces', { namespace: 'mine' }, 'member')).status).toBe(403);
    for (const body of [{}, { namespace: '' }, { namespace: 'x'.repeat(81) }, { namespace: 'x', visibility: 'shared' }, { namespace: 'x', nosuch: 1 }, { namespace: 'x', properties: { p: { type: 'any' } } }, []]) {
      expect([body, (await send('POST', 'metadefs/namespaces', body)).status]).toEqual([body, 400]);
    }
    for (const query of ['limit=x', 'sort_key=password', 'visibility=all']) expect([query, (await send('GET', `metadefs/namespaces?${query}`)).status]).toEqual([query, 400]);
    expect((await send('GET', 'metadefs/namespaces?marker=nosuch')).status).toBe(404);
  });

  test('pages', async () => {
    for (const n of [1, 2, 3]) await send('POST', 'metadefs/namespaces', { namespace: `page-${n}`, visibility: 'public', display_name: 'page' });
    const seen: string[] = [];
    for (let path: string | undefined = 'metadefs/namespaces?limit=2&sort_key=namespace&sort_dir=asc'; path; ) {
      const { json } = await send('GET', path);
      seen.push(...json.namespaces.map(({ namespace }: { namespace: string }) => namespace));
      path = json.next?.slice('/v2/'.length);
    }
    expect(seen.filter((name) => name.startsWith('page-'))).toEqual(['page-1', 'page-2', 'page-3']);
    expect(new Set(seen).size).toBe(seen.length);
  });

  test.each(['namespace', 'namespaces', 'object', 'objects', 'property', 'properties', 'tag', 'tags'])('schema %s', async (name) => {
    expect((await send('GET', `schemas/metadefs/${name}`, undefined, 'member')).json.name).toBe(name);
  });

  test('what is not served is absent', async () => {
    expect((await send('GET', 'schemas/metadefs/constructor')).status).toBe(404);
    expect((await send('GET', 'info/import')).json['import-methods'].value).toEqual([]);
    expect((await send('GET', 'info/stores')).status).toBe(404);
  });
});
