import { newUuid } from '@virga/core';
import { startLab, type Lab } from './lab';

/** Resources that operators and older clients use, beside servers. */
describe('the API for operators', () => {
  let lab: Lab;
  let server: string;
  beforeAll(async () => {
    lab = await startLab({ hosts: 2 });
    const { body } = await lab.call('POST', '/v2.1/servers', {
      server: { name: 's', imageRef: lab.images.add(), flavorRef: await lab.makeFlavor(), networks: 'none', accessIPv4: '1.1.1.1', accessIPv6: '0000:0000:0000:0000:0000:babe:220.12.22.2' },
    });
    server = body.server.id;
    await lab.active(server);
  });
  afterAll(() => lab.stop());
  const old = (method: string, path: string, body?: unknown) => lab.asAdmin(method, path, body, { version: '2.42' });
  const hostOf = async () => (await lab.asAdmin('GET', `/v2.1/servers/${server}`)).body.server['OS-EXT-SRV-ATTR:host'] as string;

  it('keeps access addresses in canonical form', async () => {
    expect((await lab.call('GET', `/v2.1/servers/${server}`)).body.server).toMatchObject({ accessIPv4: '1.1.1.1', accessIPv6: '::babe:dc0c:1602' });
    expect((await lab.call('PUT', `/v2.1/servers/${server}`, { server: { accessIPv6: 'fe80:0::1' } })).body.server.accessIPv6).toBe('fe80::1');
    expect((await lab.call('PUT', `/v2.1/servers/${server}`, { server: { accessIPv6: '' } })).body.server.accessIPv6).toBe('');
    for (const bad of [{ accessIPv4: '1.1.1.999' }, { accessIPv6: ':::' }, { accessIPv6: '1.1.1.1' }]) expect((await lab.call('PUT', `/v2.1/servers/${server}`, { server: bad })).status).toBe(400);
  });

  it('shows hosts in their older form', async () => {
    const { hosts } = (await old('GET', '/v2.1/os-hosts')).body;
    expect(hosts).toContainEqual({ host_name: 'host1', service: 'compute', zone: 'nova' });
    expect((await old('GET', '/v2.1/os-hosts?service=compute')).body.hosts).toHaveLength(2);
    expect((await old('GET', '/v2.1/os-hosts?zone=nowhere')).body.hosts).toEqual([]);
    const name = await hostOf();
    expect((await old('GET', `/v2.1/os-hosts/${name}`)).body.host.map(({ resource }: any) => resource)).toEqual([
      { host: name, project: '(total)', cpu: 64, memory_mb: 65_536, disk_gb: 1000 }, { host: name, project: '(used_now)', cpu: 1, memory_mb: 64, disk_gb: 1 },
      { host: name, project: '(used_max)', cpu: 1, memory_mb: 64, disk_gb: 1 }, { host: name, project: lab.projectId, cpu: 1, memory_mb: 64, disk_gb: 1 },
    ]);
    expect((await old('PUT', '/v2.1/os-hosts/host2', { status: 'disable' })).body).toEqual({ host: 'host2', status: 'disabled' });
    expect(lab.placement.hosts.get(lab.agents[1]!.hostId)!.enabled).toBe(false);
    expect((await old('PUT', '/v2.1/os-hosts/host2', { status: 'enable' })).body).toEqual({ host: 'host2', status: 'enabled' });
    expect((await old('PUT', '/v2.1/os-hosts/host2', { maintenance_mode: 'enable' })).status).toBe(501);
    expect((await old('GET', '/v2.1/os-hosts/host2/reboot')).status).toBe(501);
    for (const body of [{}, { status: 'invalid' }, { status: 'enable', maintenance_mode: 'invalid' }]) expect((await old('PUT', '/v2.1/os-hosts/host2', body)).status).toBe(400);
    for (const path of ['', '/startup', '/shutdown', '/reboot']) {
      expect((await old('GET', `/v2.1/os-hosts/nosuch${path}`)).status).toBe(404);
      expect((await lab.call('GET', `/v2.1/os-hosts/host2${path}`, undefined, { version: '2.42' })).status).toBe(403);
    }
    expect((await lab.asAdmin('GET', '/v2.1/os-hosts', undefined, { version: '2.43' })).status).toBe(404);
  });

  it('takes events of other services', async () => {
    const post = (events: unknown[], version = '2.93') => lab.asAdmin('POST', '/v2.1/os-server-external-events', { events }, { version });
    const known = { name: 'network-changed', server_uuid: server };
    expect(await post([known])).toMatchObject({ status: 200, body: { events: [{ ...known, status: 'completed', code: 200 }] } });
    const stray = { name: 'network-vif-plugged', server_uuid: newUuid(), tag: 'x' };
    expect(await post([known, stray])).toMatchObject({ status: 207, body: { events: [{ code: 200 }, { ...stray, status: 'failed', code: 404 }] } });
    expect((await post([stray])).status).toBe(404);
    expect((await post([])).status).toBe(400);
    expect((await post([{ ...known, name: 'volume-extended' }], '2.50')).status).toBe(400);
    expect((await post([{ ...known, name: 'volume-extended' }], '2.51')).status).toBe(200);
    expect((await lab.call('POST', '/v2.1/os-server-external-events', { events: [known] })).status).toBe(403);
  });

  it('tells that no host has written usage audits', async () => {
    const { instance_usage_audit_logs: log } = (await lab.asAdmin('GET', '/v2.1/os-instance_usage_audit_log')).body;
    expect(log).toMatchObject({ hosts_not_run: ['host1', 'host2'], log: {}, num_hosts: 2, num_hosts_not_run: 2, overall_status: '0 of 2 hosts done. 0 errors.' });
    expect((await lab.asAdmin('GET', '/v2.1/os-instance_usage_audit_log/2026-01-15%2012:00:00')).body.instance_usage_audit_log)
      .toMatchObject({ period_beginning: '2025-12-01 00:00:00', period_ending: '2026-01-01 00:00:00' });
    expect((await lab.asAdmin('GET', '/v2.1/os-instance_usage_audit_log/soon')).status).toBe(400);
    expect((await lab.call('GET', '/v2.1/os-instance_usage_audit_log')).status).toBe(403);
  });

  it('shows what the hypervisor knows of a server', async () => {
    const path = `/v2.1/servers/${server}/diagnostics`;
    expect((await lab.asAdmin('GET', path)).body).toMatchObject({ state: 'running', nic_details: [{ rx_octets: 7 }] });
    expect((await lab.asAdmin('GET', path, undefined, { version: '2.47' })).body).toEqual({
      cpu0_time: 5, vda_read: 1, vda_read_req: 2, vda_write: 3, vda_write_req: 4, vda_errors: -1, memory: 65_536, 'memory-used': 1024,
      vnet0_rx: 7, vnet0_rx_errors: 0, vnet0_rx_drop: 0, vnet0_rx_packets: 1, vnet0_tx: 8, vnet0_tx_errors: 0, vnet0_tx_drop: 0, vnet0_tx_packets: 1,
    });
    expect((await lab.call('GET', path)).status).toBe(403);
    expect((await lab.asAdmin('GET', `/v2.1/servers/${newUuid()}/diagnostics`)).status).toBe(404);
    expect((await lab.call('GET', `/v2.1/servers/${server}/topology`)).body).toEqual({ nodes: [], pagesize_kb: null });
    expect((await lab.call('GET', `/v2.1/servers/${server}/topology`, undefined, { version: '2.77' })).status).toBe(404);
  });

  it('refuses quotas of what cannot be a project or a user', async () => {
    const long = 'a'.repeat(255);
    for (const path of [long, `${lab.projectId}?user_id=${long}`]) {
      const answer = await lab.asAdmin('PUT', `/v2.1/os-quota-sets/${path}`, { quota_set: { cores: 5 } });
      expect([answer.status, answer.body.badRequest.message]).toEqual([400, expect.stringContaining('is not a valid')]);
    }
  });

  it('sets the quotas of the cloud by the default class', async () => {
    const put = (name: string, quotas: Record<string, unknown>, version = '2.93') => lab.asAdmin('PUT', `/v2.1/os-quota-class-sets/${name}`, { quota_class_set: quotas }, { version });
    expect((await put('default', { cores: 33 })).body.quota_class_set).toMatchObject({ cores: 33, instances: 10 });
    expect((await lab.call('GET', `/v2.1/os-quota-sets/${lab.projectId}`)).body.quota_set.cores).toBe(33);
    expect((await put('other', { cores: 44 })).body.quota_class_set.cores).toBe(44);
    expect((await lab.asAdmin('GET', '/v2.1/os-quota-class-sets/other')).body.quota_class_set).toMatchObject({ id: 'other', cores: 44 });
    expect((await lab.call('GET', `/v2.1/os-quota-sets/${lab.projectId}`)).body.quota_set.cores).toBe(33);
    for (const quotas of [{ cores: -2 }, { nosuch: 1 }, { cores: 'x' }]) expect((await put('default', quotas)).status).toBe(400);
    expect((await put('default', { injected_files: 3 })).status).toBe(400);
    expect((await put('default', { injected_files: 3 }, '2.56')).status).toBe(200);
    expect((await lab.call('PUT', '/v2.1/os-quota-class-sets/default', { quota_class_set: { cores: 99 } })).status).toBe(403);
    expect((await put('default', { floating_ips: 99 }, '2.49')).body.quota_class_set).toMatchObject({ floating_ips: 99, fixed_ips: -1 });
    await lab.db.deleteFrom('quota_limits').execute();
  });

  it.each([['2011/01/01', 400], ['yesterday', 400], ['2011-01-01', 200], ['2011-01-01T10:00:00', 200], ['2011-01-01T10:00:00Z', 200], ['2011-01-01 10:00', 200], ['2011-13-01', 400]])('reads changes-since=%s: %i', async (text, status) => {
    expect((await lab.call('GET', `/v2.1/servers?changes-since=${encodeURIComponent(text)}`)).status).toBe(status);
  });

  it.each([['key_/.\\@:', '2.1', 400], ['a.b@c', '2.91', 400], ['a.b@c', '2.92', 201], [' a', '2.92', 400], ['my key-1_', '2.2', 201]])('takes the key name %j in %s: %i', async (name, version, status) => {
    const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx8oO4c0YbJ5v0hT1z1O1m5oUu4oQnO0v1QmB5mZs1K gold@lab';
    expect((await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name, public_key: publicKey } }, { version })).status).toBe(status);
  });

  it('does not take an empty project for the list of usages', async () => {
    expect((await lab.asAdmin('GET', '/v2.1/os-simple-tenant-usage/?start=2026-01-01')).status).toBe(404);
    expect((await lab.asAdmin('GET', '/v2.1/os-simple-tenant-usage?start=2026-01-01')).status).toBe(200);
  });

  it('deletes at once by force and has nothing to restore', async () => {
    const act = (body: unknown) => lab.call('POST', `/v2.1/servers/${server}/action`, body);
    expect(await act({ restore: null })).toMatchObject({ status: 409, body: { conflictingRequest: { message: `Cannot 'restore' instance ${server} while it is in vm_state active` } } });
    expect((await act({ forceDelete: null })).status).toBe(202);
    await lab.gone(server);
    expect((await act({ forceDelete: null })).status).toBe(404);
    expect((await act({ restore: null })).status).toBe(404);
  });
});
