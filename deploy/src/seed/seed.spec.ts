import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seedFlavors } from './flavors';
import { RestClient, RestFailure } from './rest-client';
import { seedImage } from './tiny-image';

interface Seen { method: string; path: string; body: string; type: string | undefined; token: string | undefined }
type Answer = { status?: number; body?: unknown };

/** A server that keeps what it was asked and answers from a table by `METHOD path`. */
class Recorder {
  readonly seen: Seen[] = [];
  answers: Record<string, Answer | Answer[]> = {};
  private server!: Server;

  async start(): Promise<string> {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
        const path = request.url!.split('?')[0]!;
        const { 'content-type': type, 'x-auth-token': token } = request.headers;
        this.seen.push({ method: request.method!, path, body: Buffer.concat(chunks).toString('latin1'), type, token: token as string | undefined });
        const known = this.answers[`${request.method} ${path}`] ?? { status: 404 };
        const { status = 200, body } = Array.isArray(known) ? known.shift()! : known;
        response.writeHead(status, { 'content-type': 'application/json', 'x-subject-token': 'tok' }).end(body === undefined ? '' : JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => { this.server.listen(0, '127.0.0.1', resolve); });
    const url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    const catalog = ['compute', 'image', 'network'].map((type) => ({ type, endpoints: [{ interface: 'internal', url: 'http://wrong' }, { interface: 'public', url: `${url}/${type}/` }] }));
    this.answers['POST /v3/auth/tokens'] = { status: 201, body: { token: { catalog } } };
    return url;
  }

  of = (method: string): Seen[] => this.seen.filter((entry) => entry.method === method && !entry.path.startsWith('/v3'));
  stop = (): Promise<void> => new Promise((resolve) => { this.server.closeAllConnections(); this.server.close(() => resolve()); });
}

describe('cloud content', () => {
  const cloud = new Recorder();
  let client: RestClient;
  let directory: string;
  beforeEach(async () => {
    cloud.seen.length = 0;
    cloud.answers = {};
    const url = await cloud.start();
    client = await RestClient.login({ authUrl: `${url}/v3`, username: 'admin', password: 'pw', project: 'admin' });
    directory = mkdtempSync(join(tmpdir(), 'virga-seed-'));
  });
  afterEach(async () => { await cloud.stop(); rmSync(directory, { recursive: true }); });

  it('goes to the public endpoints of the catalog with the token of the login', async () => {
    cloud.answers['GET /compute/flavors/detail'] = { body: { flavors: [] } };
    cloud.answers['POST /compute/flavors'] = { body: {} };
    expect(await seedFlavors(client)).toBe('5 made');
    expect(cloud.of('POST').every(({ token }) => token === 'tok')).toBe(true);
    expect(JSON.parse(cloud.of('POST')[0]!.body)).toEqual({ flavor: { id: '1', name: 'm1.tiny', ram: 128, vcpus: 1, disk: 1 } });
  });

  it('leaves flavors alone that an operator has made under the same id or name', async () => {
    cloud.answers['GET /compute/flavors/detail'] = { body: { flavors: [{ id: '1', name: 'mine' }, { id: 'x', name: 'm1.small' }] } };
    cloud.answers['POST /compute/flavors'] = { body: {} };
    expect(await seedFlavors(client)).toBe('3 made');
    expect(cloud.of('POST').map(({ body }) => (JSON.parse(body) as { flavor: { id: string } }).flavor.id)).toEqual(['3', '4', '5']);
  });

  it('goes on with an image that an interrupted run left without data', async () => {
    const file = join(directory, 'disk');
    writeFileSync(file, 'QFI\xfb data', 'latin1');
    cloud.answers['GET /image/v2/images'] = { body: { images: [{ id: 'i1', status: 'queued' }] } };
    cloud.answers['PUT /image/v2/images/i1/file'] = { status: 204 };
    cloud.answers['GET /image/v2/images/i1'] = { body: { id: 'i1', status: 'active' } };
    expect(await seedImage(client, 'tiny', file)).toBe('uploaded');
    expect(cloud.of('POST')).toEqual([]);
    expect(cloud.of('PUT')[0]).toMatchObject({ body: 'QFI\xfb data', type: 'application/octet-stream' });
  });

  it('says so when the upload did not make the image active, and uploads none that is', async () => {
    const file = join(directory, 'disk');
    writeFileSync(file, 'x');
    cloud.answers['GET /image/v2/images'] = { body: { images: [] } };
    cloud.answers['POST /image/v2/images'] = { status: 201, body: { id: 'i2', status: 'queued' } };
    cloud.answers['PUT /image/v2/images/i2/file'] = { status: 204 };
    cloud.answers['GET /image/v2/images/i2'] = { body: { id: 'i2', status: 'killed' } };
    await expect(seedImage(client, 'tiny', file)).rejects.toThrow('the image tiny is killed after its upload');
    cloud.answers['GET /image/v2/images'] = { body: { images: [{ id: 'i2', status: 'active' }] } };
    const before = cloud.seen.length;
    expect(await seedImage(client, 'tiny', file)).toBe('there');
    expect(cloud.seen.length).toBe(before + 1);
  });

  it('tries again while a service is starting, and not when it refuses', async () => {
    cloud.answers['GET /compute/x'] = [{ status: 503 }, { body: { ok: 1 } }];
    expect(await client.request('GET', 'compute', '/x')).toEqual({ ok: 1 });
    cloud.answers['GET /compute/y'] = { status: 403, body: { forbidden: {} } };
    await expect(client.request('GET', 'compute', '/y')).rejects.toBeInstanceOf(RestFailure);
    expect(cloud.seen.filter(({ path }) => path === '/compute/y')).toHaveLength(1);
    expect(() => client.endpoint('volume')).toThrow('no public endpoint of type volume');
  });
});
