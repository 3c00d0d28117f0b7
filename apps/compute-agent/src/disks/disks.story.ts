import { createHash, randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuildSpec, ImageFacts } from '@virga/contracts';
import { silentLogger } from '@virga/core';
import { ImageCache } from './image-cache';
import { makeConfigDrive } from './config-drive';
import { makeEphemeralDisk, makeRootDisk, makeSwapDisk } from './instance-disks';

const dir = mkdtempSync(join(tmpdir(), 'virga-disks-'));
const signal = new AbortController().signal;
const data = randomBytes(200_000);
let requests = 0;
let cutOff = false;
let server: Server;
let url: string;

const facts = (over: Partial<ImageFacts> = {}): ImageFacts => ({
  id: '11111111-1111-4111-8111-111111111111', name: 'i', status: 'active', diskFormat: 'raw', containerFormat: 'bare', sizeBytes: data.length, virtualSizeBytes: null,
  sha512: createHash('sha512').update(data).digest('hex'), minDisk: 0, minRam: 0, properties: {}, ...over,
});
const newCache = async (name: string) => {
  const cache = new ImageCache(join(dir, name), (imageId) => Promise.resolve({ url: `${url}/data/${imageId}`, ticket: 'leave', sizeBytes: 0, sha512: '', diskFormat: '' }), silentLogger);
  await cache.prepare();
  return cache;
};

beforeAll(async () => {
  server = createServer((request, response) => {
    requests++;
    if (request.headers.authorization !== 'Ticket leave') return void response.writeHead(401).end();
    response.writeHead(200, { 'content-length': String(data.length) });
    if (cutOff) { response.write(data.subarray(0, 1000)); setTimeout(() => response.destroy(), 20); } else response.end(data);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

describe('the image cache', () => {
  it('fetches an image once for many guests and never again', async () => {
    const cache = await newCache('once');
    requests = 0;
    const found = await Promise.all(Array.from({ length: 20 }, () => cache.ensure(facts())));
    expect(new Set(found.map(({ path }) => path)).size).toBe(1);
    await cache.ensure(facts());
    expect(requests).toBe(1);
  });

  it.each<[string, () => ImageFacts, RegExp]>([
    ['whose checksum is wrong', () => facts({ sha512: 'f'.repeat(128) }), /checksum .* is wrong/],
    ['that is larger than told', () => facts({ sizeBytes: 10 }), /larger than/],
    ['that is not what it is declared to be', () => facts({ diskFormat: 'qcow2' }), /is raw, and not qcow2/],
    ['of a format that nobody may open', () => facts({ diskFormat: 'vmdk' }), /vmdk cannot be booted/],
    ['whose checksum is a path', () => facts({ sha512: '../../etc/passwd' }), /has no data/],
  ])('refuses an image %s and keeps nothing of it', async (_, image, reason) => {
    const cache = await newCache('refused');
    await expect(cache.ensure(image())).rejects.toThrow(reason);
    expect(readdirSync(join(dir, 'refused'))).toEqual([]);
  });

  it('tries again after a broken download', async () => {
    const cache = await newCache('broken');
    cutOff = true;
    await expect(cache.ensure(facts())).rejects.toMatchObject({ retryable: true });
    cutOff = false;
    await expect(cache.ensure(facts())).resolves.toMatchObject({ format: 'raw' });
    expect(readdirSync(join(dir, 'broken'))).toHaveLength(1);
  });

  it('gives back what nobody uses', async () => {
    const cache = await newCache('swept');
    const { path } = await cache.ensure(facts());
    expect(await cache.sweep(new Set([path]), 0)).toEqual([]);
    expect(await cache.sweep(new Set(), 3_600_000)).toEqual([]);
    expect(await cache.sweep(new Set(), -1)).toHaveLength(1);
  });
});

describe('the disks of an instance', () => {
  const spec = (rootGb: number) => ({ image: facts(), flavor: { rootGb } }) as BuildSpec;
  const fresh = (name: string) => { const path = join(dir, name); mkdirSync(path); return path; };

  it('are an overlay of the flavor\'s size that names its base and format, and stay when made again', async () => {
    const base = await (await newCache('base')).ensure(facts());
    const at = fresh('root');
    const path = await makeRootDisk(at, base, spec(1), signal);
    expect(JSON.parse(execFileSync('qemu-img', ['info', '--output=json', path]).toString())).toMatchObject({ format: 'qcow2', 'virtual-size': 1 << 30, 'backing-filename': base.path, 'backing-filename-format': 'raw' });
    const { ino } = statSync(path);
    await makeRootDisk(at, base, spec(1), signal);
    expect(statSync(path).ino).toBe(ino);
    expect(readdirSync(at)).toEqual(['disk']);
  });

  it('keep the image\'s size for a flavor without a disk, and refuse an image that does not fit', async () => {
    const base = await (await newCache('size')).ensure(facts());
    const path = await makeRootDisk(fresh('asis'), base, spec(0), signal);
    expect(JSON.parse(execFileSync('qemu-img', ['info', '--output=json', path]).toString())['virtual-size']).toBe(Math.ceil(data.length / 512) * 512);
    const large = { ...spec(1), image: facts({ virtualSizeBytes: 2 ** 31 }) };
    await expect(makeRootDisk(fresh('large'), base, large, signal)).rejects.toThrow(/flavor's disk/);
  });

  it('have a labelled file system and a swap signature', async () => {
    const at = fresh('more');
    const ephemeral = await makeEphemeralDisk(at, 0, 1, signal);
    expect(execFileSync('blkid', ['-o', 'export', '-p', ephemeral]).toString()).toMatch(/LABEL=ephemeral0[^]*TYPE=ext4|TYPE=ext4[^]*LABEL=ephemeral0/);
    expect(statSync(ephemeral).blocks * 512).toBeLessThan(100 << 20);
    expect(execFileSync('blkid', ['-o', 'export', '-p', await makeSwapDisk(at, 64, signal)]).toString()).toMatch(/TYPE=swap/);
  });

  it('carry the metadata documents, and nothing from outside', async () => {
    const at = fresh('config');
    const drive = await makeConfigDrive(at, { 'openstack/latest/meta_data.json': Buffer.from('{"a":1}'), 'ec2/latest/user-data': Buffer.from([0, 255]), 'latest/meta-data/x': Buffer.from('no') }, signal);
    expect(execFileSync('isoinfo', ['-d', '-i', drive]).toString()).toMatch(/Volume id: config-2/);
    const names = execFileSync('isoinfo', ['-R', '-f', '-i', drive]).toString();
    expect(names).toMatch(/\/openstack\/latest\/meta_data\.json/);
    expect(names).not.toMatch(/meta-data/);
    expect(execFileSync('isoinfo', ['-R', '-x', '/openstack/latest/meta_data.json', '-i', drive]).toString()).toBe('{"a":1}');
    await expect(makeConfigDrive(at, { 'openstack/../../../evil': Buffer.from('x') }, signal)).rejects.toThrow(/outside its tree/);
    writeFileSync(join(at, 'mark'), '');
    expect(readdirSync(at).sort()).toEqual(['disk.config', 'mark']);
  });
});
