/** Against a real libvirtd: the mock driver, the host's facts, storage and secrets. */
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { DomainState, ErrorCode, LibvirtConnection, LibvirtHost, ListDomainsFlag, MetadataType } from './index';
import { PrivateLibvirtd } from './testing';

let daemon: PrivateLibvirtd;
let mock: LibvirtConnection;
let host: LibvirtHost;

beforeAll(async () => {
  daemon = await PrivateLibvirtd.start('story-host');
  mock = await LibvirtConnection.open({ socketPath: daemon.socketPath, uri: 'test:///default' });
  host = new LibvirtHost({ socketPath: daemon.socketPath, uri: 'qemu:///system' }).start();
  await host.ready(60_000);
});
afterAll(async () => {
  mock?.destroy();
  await host?.close();
  await daemon?.stop();
});

describe('the mock driver behind the daemon', () => {
  it('names itself', async () => {
    expect(await mock.call('connectGetType', {})).toEqual({ type: 'TEST' });
    expect(await mock.call('connectGetUri', {})).toEqual({ uri: 'test:///default' });
    expect(await mock.call('connectGetHostname', {})).toEqual({ hostname: 'story-host' });
  });

  it('lists its domain and moves it through its states', async () => {
    const { domains, count } = await mock.call('connectListAllDomains', {});
    expect([domains.map(({ name }) => name), count]).toEqual([['test'], 1]);
    const dom = domains[0]!;
    expect((await mock.call('domainGetState', { dom })).state).toBe(DomainState.RUNNING);
    await mock.call('domainSuspend', { dom });
    expect((await mock.call('domainGetState', { dom })).state).toBe(DomainState.PAUSED);
    await mock.call('domainResume', { dom });
    await mock.call('domainDestroyFlags', { dom });
    expect((await mock.call('connectListAllDomains', { flags: ListDomainsFlag.ACTIVE })).count).toBe(0);
    expect((await mock.call('domainCreateWithFlags', { dom })).dom.id).toBeGreaterThan(0);
    expect(await mock.call('domainGetInfo', { dom })).toMatchObject({ state: 1, maxMem: 8388608n, memory: 2097152n, vcpus: 2 });
    expect((await mock.call('domainGetXmlDesc', { dom })).xml).toContain('<name>test</name>');
    expect(await mock.call('domainIsActive', { dom })).toEqual({ active: true });
    expect(await mock.call('domainIsPersistent', { dom })).toEqual({ persistent: true });
  });

  it('keeps metadata', async () => {
    const { dom } = await mock.call('domainLookupByName', { name: 'test' });
    const key = { dom, type: MetadataType.ELEMENT, uri: 'http://example.org/x' };
    await expect(mock.call('domainGetMetadata', key)).rejects.toMatchObject({ code: ErrorCode.NO_DOMAIN_METADATA });
    await mock.call('domainSetMetadata', { ...key, metadata: '<a>ü</a>', key: 'x' });
    expect((await mock.call('domainGetMetadata', key)).metadata).toContain('ü');
  });

  it('answers with libvirt\'s codes', async () => {
    const uuid = '00000000-0000-4000-8000-000000000000';
    await expect(mock.call('domainLookupByUuid', { uuid })).rejects.toMatchObject({
      name: 'LibvirtError', code: ErrorCode.NO_DOMAIN, domain: 12, level: 2, procedure: 'domainLookupByUuid',
    });
    await expect(mock.call('domainLookupByName', { name: 'none' })).rejects.toMatchObject({ code: ErrorCode.NO_DOMAIN });
    const { dom } = await mock.call('domainLookupByName', { name: 'test' });
    await expect(mock.call('domainResume', { dom })).rejects.toMatchObject({ code: ErrorCode.INTERNAL_ERROR });
    await expect(mock.call('domainMigrateStartPostCopy', { dom })).rejects.toMatchObject({ code: ErrorCode.NO_SUPPORT });
  });

  it('answers each of many failing calls with its own error', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `absent-${i}`);
    const errors = await Promise.all(names.map((name) => mock.call('domainLookupByName', { name }).then(String, (error: Error) => error)));
    errors.forEach((error) => expect(error).toMatchObject({ code: ErrorCode.NO_DOMAIN }));
  });

  it('creates a transient domain and forgets it when it is destroyed', async () => {
    const xml = '<domain type="test"><name>brief</name><memory>8192</memory><os><type>hvm</type></os></domain>';
    const { dom } = await mock.call('domainCreateXml', { xml });
    expect(await mock.call('domainIsPersistent', { dom })).toEqual({ persistent: false });
    await mock.call('domainDestroyFlags', { dom });
    await expect(mock.call('domainGetState', { dom })).rejects.toMatchObject({ code: ErrorCode.NO_DOMAIN });
  });

  it('refuses changes on a connection that only reads', async () => {
    const reader = await LibvirtConnection.open({ socketPath: daemon.socketPath, uri: 'test:///default', readOnly: true });
    const { dom } = await reader.call('domainLookupByName', { name: 'test' });
    await expect(reader.call('domainDestroyFlags', { dom })).rejects.toMatchObject({ code: ErrorCode.OPERATION_DENIED });
    await reader.close();
  });
});

it('an unknown driver is refused with a reason', async () => {
  const attempt = LibvirtConnection.open({ socketPath: daemon.socketPath, uri: 'nosuch:///x' });
  await expect(attempt).rejects.toMatchObject({ name: 'LibvirtError', procedure: 'connectOpen' });
});

describe('the host', () => {
  it('tells versions and hardware', async () => {
    expect((await host.call('connectGetLibVersion', {})).version).toBeGreaterThan(8_000_000n);
    expect((await host.call('connectGetVersion', {})).version).toBeGreaterThan(6_000_000n);
    const info = await host.call('nodeGetInfo', {});
    expect(info.model).toBe(process.arch === 'x64' ? 'x86_64' : info.model);
    expect(info.cpus).toBeGreaterThan(0);
    expect(info.memory).toBeGreaterThan(100_000n);
  });

  it('tells statistics in two steps', async () => {
    const cpu = await host.call('nodeGetCpuStats', { cpu: -1, count: 0 });
    expect(cpu.stats).toEqual([]);
    const { stats } = await host.call('nodeGetCpuStats', { cpu: -1, count: cpu.count });
    expect(stats.map(({ field }) => field)).toEqual(expect.arrayContaining(['kernel', 'user', 'idle']));
    const memory = await host.call('nodeGetMemoryStats', { cell: -1, count: 0 });
    const values = await host.call('nodeGetMemoryStats', { cell: -1, count: memory.count });
    expect(values.stats.find(({ field }) => field === 'total')!.value).toBeGreaterThan(100_000n);
    expect((await host.call('nodeGetFreeMemory', {})).free).toBeGreaterThan(0n);
    const map = await host.call('nodeGetCpuMap', {});
    expect(map.total).toBeGreaterThanOrEqual(map.online);
    expect(map.map.length).toBeGreaterThan(0);
  });

  it('tells capabilities', async () => {
    expect((await host.call('connectGetCapabilities', {})).capabilities).toContain('<capabilities>');
    const { capabilities } = await host.call('connectGetDomainCapabilities', { arch: 'x86_64', machine: 'pc', virtType: 'qemu' });
    expect(capabilities).toContain('<domainCapabilities>');
    expect((await host.call('connectGetCpuModelNames', { arch: 'x86_64' })).models).toContain('Nehalem');
    expect((await host.call('connectGetMaxVcpus', { type: 'qemu' })).maxVcpus).toBeGreaterThan(0);
  });
});

describe('storage', () => {
  it('takes a volume up and gives it back unchanged', async () => {
    const target = `${daemon.directory}/pool`;
    const { pool } = await host.call('storagePoolDefineXml', {
      xml: `<pool type="dir"><name>p</name><target><path>${target}</path></target></pool>`,
    });
    await host.call('storagePoolBuild', { pool });
    await host.call('storagePoolCreate', { pool });
    const { vol } = await host.call('storageVolCreateXml', {
      pool, xml: '<volume><name>v</name><capacity unit="MiB">2</capacity><target><format type="raw"/></target></volume>',
    });
    expect(vol).toEqual({ pool: 'p', name: 'v', key: `${target}/v` });
    const data = Buffer.alloc(2 * 1024 * 1024);
    for (let i = 0; i < data.length; i += 1) data[i] = (i * 31 + (i >> 8)) & 0xff;
    const up = (await host.openStream('storageVolUpload', { vol, offset: 0, length: data.length })).stream;
    up.resume();
    await pipeline(Readable.from([data.subarray(0, 700_000), data.subarray(700_000)]), up);
    const down = (await host.openStream('storageVolDownload', { vol, offset: 0, length: 0 })).stream;
    const chunks: Buffer[] = [];
    for await (const chunk of down) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
    expect(await host.call('storageVolGetInfo', { vol })).toMatchObject({ capacity: 2097152n });
    expect((await host.call('storagePoolListAllVolumes', { pool })).volumes).toEqual([vol]);
    await host.call('storageVolResize', { vol, capacity: 3 * 1024 * 1024 });
    expect((await host.call('storageVolGetInfo', { vol })).capacity).toBe(3145728n);
    await host.call('storageVolDelete', { vol });
    await expect(host.call('storageVolLookupByName', { pool, name: 'v' })).rejects.toMatchObject({ code: ErrorCode.NO_STORAGE_VOL });
    await host.call('storagePoolDestroy', { pool });
    await host.call('storagePoolUndefine', { pool });
    await expect(host.call('storagePoolLookupByName', { name: 'p' })).rejects.toMatchObject({ code: ErrorCode.NO_STORAGE_POOL });
  });

  it('reports an upload that is cut short by the volume', async () => {
    const { pool } = await host.call('storagePoolCreateXml', {
      xml: `<pool type="dir"><name>q</name><target><path>${daemon.directory}</path></target></pool>`,
    });
    await expect(
      host.openStream('storageVolUpload', { vol: { pool: 'q', name: 'absent', key: '' }, offset: 0, length: 0 }),
    ).rejects.toMatchObject({ code: ErrorCode.NO_STORAGE_VOL });
    await host.call('storagePoolDestroy', { pool });
  });

  it('keeps a secret', async () => {
    const { secret } = await host.call('secretDefineXml', {
      xml: '<secret ephemeral="yes" private="no"><usage type="volume"><volume>/x</volume></usage></secret>',
    });
    await host.call('secretSetValue', { secret, value: Buffer.from([0, 255, 7]) });
    expect((await host.call('secretGetValue', { secret })).value).toEqual(Buffer.from([0, 255, 7]));
    expect((await host.call('connectListAllSecrets', {})).secrets).toEqual([secret]);
    await host.call('secretUndefine', { secret });
    await expect(host.call('secretLookupByUuid', { uuid: secret.uuid })).rejects.toMatchObject({ code: ErrorCode.NO_SECRET });
  });
});

describe('a daemon in trouble', () => {
  it('that is killed rejects what waits, and comes back', async () => {
    const back = once(host, 'reconnected');
    daemon.signal('SIGSTOP');
    const call = host.call('connectGetCapabilities', {}).catch((error: Error) => error);
    daemon.signal('SIGKILL');
    expect(await call).toMatchObject({ name: 'LibvirtConnectionError', sent: true });
    await back;
    expect(await host.listDomains()).toEqual([]);
  });

  it('that is stopped is found out by keepalive', async () => {
    const watched = await LibvirtConnection.open({
      socketPath: daemon.socketPath, uri: 'test:///default', keepalive: { intervalMs: 100, count: 10 },
    });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(watched.closed).toBe(false);
    daemon.signal('SIGSTOP');
    const call = watched.call('connectGetHostname', {}).catch((error: Error) => error);
    expect(await call).toMatchObject({ name: 'LibvirtConnectionError', sent: true, message: expect.stringContaining('silent') });
    daemon.signal('SIGCONT');
  });
});
