import { startLab, type Lab } from './lab';

const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx8oO4c0YbJ5v0hT1z1O1m5oUu4oQnO0v1QmB5mZs1K gold@lab';

describe('the API', () => {
  let lab: Lab;
  beforeAll(async () => { lab = await startLab({ hosts: 2 }); });
  afterAll(() => lab.stop());

  describe('versions', () => {
    it('are told without a token', async () => {
      const root = await lab.call('GET', '/', undefined, { token: null });
      expect(root.status).toBe(200);
      expect(root.body.versions.map(({ id }: { id: string }) => id)).toEqual(['v2.0', 'v2.1']);
      expect(root.body.versions.at(-1)).toEqual({
        id: 'v2.1', status: 'CURRENT', version: '2.96', min_version: '2.1', updated: '2013-07-23T11:33:21Z', links: [{ rel: 'self', href: `${lab.base}/v2.1/` }],
      });
      for (const path of ['/v2.1', '/v2.1/', '/v2/']) {
        const { status, body } = await lab.call('GET', path, undefined, { token: null });
        expect(status).toBe(200);
        expect(Object.keys(body.version)).toEqual(['id', 'status', 'version', 'min_version', 'updated', 'links', 'media-types']);
      }
    });

    it('of old are served in their way', async () => {
      const { status, body } = await lab.call('GET', '/v2/servers', undefined, { version: '2.1' });
      expect({ status, body }).toEqual({ status: 200, body: { servers: [] } });
    });

    it('are negotiated', async () => {
      const tooNew = await lab.call('GET', '/v2.1/servers', undefined, { version: '2.999' });
      expect(tooNew).toMatchObject({ status: 406, body: { computeFault: { code: 406, message: 'Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.96.' } } });
      expect((await lab.call('GET', '/v2.1/servers', undefined, { version: 'abc' })).status).toBe(400);
      const legacy = await lab.call('GET', '/v2.1/servers', undefined, { headers: { 'openstack-api-version': '', 'x-openstack-nova-api-version': '2.40' } });
      expect(legacy.headers).toMatchObject({ 'x-openstack-nova-api-version': '2.40', 'openstack-api-version': 'compute 2.40' });
      expect((await lab.call('GET', '/v2.1/servers/x/tags', undefined, { version: '2.25' }))).toMatchObject({ status: 404, body: { itemNotFound: { code: 404, message: 'The resource could not be found.' } } });
    });
  });

  describe('tokens', () => {
    it.each([
      ['none', () => null], ['a wrong one', () => 'abc'], ['an expired one', () => lab.tokenFor({ lifetime: -10 })],
      ['a tampered one', () => `${lab.member.slice(0, -6)}AAAAAA`],
      ['one without a signature', () => `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${lab.member.split('.')[1]}.`],
    ])('%s is refused', async (_name, token) => {
      const { status, body, headers } = await lab.call('GET', '/v2.1/servers', undefined, { token: token() });
      expect(status).toBe(401);
      expect(body).toEqual({ error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' } });
      expect(headers['www-authenticate']).toBe('Keystone uri="http://127.0.0.1:5000"');
    });

    it('alone say who asks', async () => {
      const headers = { 'x-user-id': 'root', 'x-roles': 'admin', 'x-project-id': 'other', 'x-is-admin-project': 'True' };
      expect((await lab.call('GET', '/v2.1/os-hypervisors', undefined, { headers })).status).toBe(403);
      expect((await lab.call('GET', '/v2.1/os-hypervisors', undefined, { headers, token: null })).status).toBe(401);
    });

    it('without a project cannot have servers', async () => {
      const unscoped = lab.identity.sign({ projectId: null });
      expect((await lab.call('GET', '/v2.1/servers', undefined, { token: unscoped })).status).toBe(403);
      expect((await lab.call('POST', '/v2.1/servers', { server: { name: 'x', flavorRef: '1', networks: 'none' } }, { token: unscoped })).status).toBe(403);
    });
  });

  describe('flavors', () => {
    it('are made, shown, changed and deleted as recorded', async () => {
      const made = await lab.asAdmin('POST', '/v2.1/flavors', { flavor: { name: 'gold', id: 'gold', ram: 64, vcpus: 1, disk: 0 } });
      const links = [{ rel: 'self', href: `${lab.base}/v2.1/flavors/gold` }, { rel: 'bookmark', href: `${lab.base}/flavors/gold` }];
      const gold = {
        id: 'gold', name: 'gold', ram: 64, disk: 0, swap: 0, 'OS-FLV-EXT-DATA:ephemeral': 0, 'OS-FLV-DISABLED:disabled': false, vcpus: 1, 'os-flavor-access:is_public': true,
        rxtx_factor: 1, links, description: null, extra_specs: {},
      };
      expect(made).toMatchObject({ status: 200, body: { flavor: gold } });
      expect(Object.keys(made.body.flavor)).toEqual(Object.keys(gold));
      const old = (await lab.call('GET', '/v2.1/flavors/gold', undefined, { version: '2.1' })).body.flavor;
      expect(old.swap).toBe('');
      expect(old).not.toHaveProperty('description');
      expect(await lab.asAdmin('POST', '/v2.1/flavors', { flavor: { name: 'gold', id: 'gold', ram: 64, vcpus: 1, disk: 0 } })).toMatchObject({
        status: 409, body: { conflictingRequest: { code: 409, message: 'Flavor with ID gold already exists.' } },
      });
      expect(await lab.asAdmin('POST', '/v2.1/flavors', { flavor: { name: 'gold', ram: 64, vcpus: 1, disk: 0 } })).toMatchObject({ status: 409, body: { conflictingRequest: { message: 'Flavor with name gold already exists.' } } });
      expect(await lab.call('POST', '/v2.1/flavors', { flavor: { name: 'g', ram: 64, vcpus: 1, disk: 0 } })).toMatchObject({
        status: 403, body: { forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed." } },
      });
      expect((await lab.asAdmin('PUT', '/v2.1/flavors/gold', { flavor: { description: 'd' } })).body.flavor.description).toBe('d');
      expect(await lab.asAdmin('POST', '/v2.1/flavors/gold/os-extra_specs', { extra_specs: { 'hw:cpu_policy': 'shared' } })).toMatchObject({ status: 200, body: { extra_specs: { 'hw:cpu_policy': 'shared' } } });
      expect((await lab.call('GET', '/v2.1/flavors/gold/os-extra_specs')).body).toEqual({ extra_specs: { 'hw:cpu_policy': 'shared' } });
      expect((await lab.asAdmin('PUT', '/v2.1/flavors/gold/os-extra_specs/hw:cpu_policy', { 'hw:cpu_policy': 'dedicated' })).body).toEqual({ 'hw:cpu_policy': 'dedicated' });
      expect((await lab.asAdmin('DELETE', '/v2.1/flavors/gold/os-extra_specs/hw:cpu_policy')).status).toBe(200);
      expect((await lab.asAdmin('DELETE', '/v2.1/flavors/gold/os-extra_specs/hw:cpu_policy')).status).toBe(404);
      expect((await lab.asAdmin('DELETE', '/v2.1/flavors/gold')).status).toBe(202);
      expect(await lab.call('GET', '/v2.1/flavors/gold')).toMatchObject({ status: 404, body: { itemNotFound: { code: 404, message: 'Flavor gold could not be found.' } } });
    });

    it('that are not public exist only for those who have access', async () => {
      await lab.makeFlavor('private', { id: 'private', 'os-flavor-access:is_public': false });
      expect((await lab.call('GET', '/v2.1/flavors/private')).status).toBe(404);
      expect((await lab.call('GET', '/v2.1/flavors')).body.flavors.map(({ id }: { id: string }) => id)).not.toContain('private');
      const added = await lab.asAdmin('POST', '/v2.1/flavors/private/action', { addTenantAccess: { tenant: lab.projectId } });
      expect(added).toMatchObject({ status: 200 });
      expect(added.body.flavor_access).toEqual([{ flavor_id: 'private', tenant_id: lab.projectId }]);
      expect((await lab.asAdmin('POST', '/v2.1/flavors/private/action', { addTenantAccess: { tenant: lab.projectId } })).status).toBe(409);
      expect((await lab.call('GET', '/v2.1/flavors/private')).status).toBe(200);
      expect((await lab.asAdmin('POST', '/v2.1/flavors/private/action', { removeTenantAccess: { tenant: lab.projectId } })).status).toBe(200);
      expect((await lab.call('GET', '/v2.1/flavors/private')).status).toBe(404);
      expect((await lab.asAdmin('GET', '/v2.1/flavors?is_public=None')).body.flavors.map(({ id }: { id: string }) => id)).toContain('private');
      expect((await lab.asAdmin('GET', '/v2.1/flavors?is_public=False')).body.flavors.map(({ id }: { id: string }) => id)).toEqual(['private']);
    });

    it('are listed by pages', async () => {
      for (const [id, ram] of [['p1', 100], ['p2', 200], ['p3', 300]] as const) await lab.makeFlavor(id, { id, ram });
      const first = await lab.call('GET', '/v2.1/flavors?limit=2&sort_key=memory_mb&sort_dir=desc');
      expect(first.body.flavors.map(({ id }: { id: string }) => id)).toEqual(['p3', 'p2']);
      const next = new URL(first.body.flavors_links[0].href);
      const second = await lab.call('GET', next.pathname + next.search);
      expect(second.body.flavors.map(({ id }: { id: string }) => id)[0]).toBe('p1');
      expect((await lab.call('GET', '/v2.1/flavors?minRam=300')).body.flavors.map(({ id }: { id: string }) => id)).toEqual(['p3']);
      for (const query of ['minRam=x', 'limit=-1', 'limit=x', 'marker=nosuch', 'sort_key=nosuch', 'sort_dir=up&sort_key=name']) {
        expect([query, (await lab.call('GET', `/v2.1/flavors?${query}`)).status]).toEqual([query, 400]);
      }
    });

    it.each([
      [{ name: 'f', ram: 0, vcpus: 1, disk: 0 }], [{ name: 'f', ram: 1, vcpus: 0, disk: 0 }], [{ name: 'f', ram: 1, vcpus: 1, disk: -1 }], [{ name: '', ram: 1, vcpus: 1, disk: 1 }],
      [{ name: ' f', ram: 1, vcpus: 1, disk: 1 }], [{ name: 'f', ram: 'x', vcpus: 1, disk: 1 }], [{ name: 'f', vcpus: 1, disk: 1 }], [{ name: 'f'.repeat(256), ram: 1, vcpus: 1, disk: 1 }],
      [{ name: 'f', ram: 2 ** 40, vcpus: 1, disk: 1 }], [{ name: 'f', ram: 1, vcpus: 1, disk: 1, nosuch: 1 }], [{ name: 'f', ram: 1, vcpus: 1, disk: 1, rxtx_factor: 0 }], ['x'], [null],
    ])('refuse %j', async (flavor) => {
      const answer = await lab.asAdmin('POST', '/v2.1/flavors', { flavor });
      expect(answer.status).toBe(400);
      expect(answer.body.badRequest.code).toBe(400);
    });
  });

  describe('key pairs', () => {
    it('are imported, generated, shown and deleted as recorded', async () => {
      const made = await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'k1', type: 'ssh', public_key: ED25519 } }, { version: '2.92' });
      expect(made).toMatchObject({ status: 201 });
      expect(made.body).toEqual({ keypair: { type: 'ssh', name: 'k1', public_key: ED25519, fingerprint: '91:b5:4d:e6:e7:78:7d:4c:77:63:02:8d:55:3e:71:f8', user_id: lab.userId } });
      expect(await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'k1', type: 'ssh', public_key: ED25519 } })).toMatchObject({
        status: 409, body: { conflictingRequest: { code: 409, message: "Key pair 'k1' already exists." } },
      });
      const generated = await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'k2' } }, { version: '2.79' });
      expect(generated.status).toBe(201);
      expect(Object.keys(generated.body.keypair)).toEqual(['private_key', 'type', 'name', 'public_key', 'fingerprint', 'user_id']);
      expect(generated.body.keypair.private_key).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
      expect((await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'k3' } }, { version: '2.92' })).status).toBe(400);
      const certificate = await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'x', type: 'x509' } }, { version: '2.2' });
      expect(certificate).toMatchObject({ status: 201, body: { keypair: { type: 'x509', public_key: expect.stringMatching(/^-----BEGIN CERTIFICATE-----/), private_key: expect.stringMatching(/^-----BEGIN PRIVATE KEY-----/) } } });
      expect((await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'x1', type: 'x509' } }, { version: '2.1' })).status).toBe(400);
      const imported = { name: 'x2', type: 'x509', public_key: certificate.body.keypair.public_key };
      expect((await lab.call('POST', '/v2.1/os-keypairs', { keypair: imported }, { version: '2.92' })).body.keypair.fingerprint).toBe(certificate.body.keypair.fingerprint);
      expect((await lab.call('POST', '/v2.1/os-keypairs', { keypair: { ...imported, name: 'x3', public_key: 'ssh-rsa AAAA' } })).status).toBe(400);
      for (const name of ['x', 'x2']) await lab.call('DELETE', `/v2.1/os-keypairs/${name}`);
      expect((await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'old' } }, { version: '2.1' })).status).toBe(200);
      const list = await lab.call('GET', '/v2.1/os-keypairs');
      expect(list.body.keypairs.map(({ keypair }: { keypair: { name: string } }) => keypair.name)).toEqual(['k1', 'k2', 'old']);
      const page = await lab.call('GET', '/v2.1/os-keypairs?limit=2');
      expect(page.body.keypairs_links[0].href).toContain('marker=k2');
      expect(Object.keys((await lab.call('GET', '/v2.1/os-keypairs/k1')).body.keypair)).toEqual(['name', 'public_key', 'fingerprint', 'user_id', 'created_at', 'deleted', 'deleted_at', 'id', 'updated_at', 'type']);
      expect((await lab.call('DELETE', '/v2.1/os-keypairs/k2')).status).toBe(204);
      expect((await lab.call('DELETE', '/v2.1/os-keypairs/old', undefined, { version: '2.1' })).status).toBe(202);
      expect((await lab.call('GET', '/v2.1/os-keypairs/k2')).status).toBe(404);
    });

    it('belong to their user', async () => {
      const other = lab.tokenFor({ userId: 'someone-else' });
      expect((await lab.call('GET', '/v2.1/os-keypairs/k1', undefined, { token: other })).status).toBe(404);
      expect((await lab.call('GET', `/v2.1/os-keypairs/k1?user_id=${lab.userId}`, undefined, { token: other })).status).toBe(403);
      expect((await lab.asAdmin('GET', `/v2.1/os-keypairs/k1?user_id=${lab.userId}`)).status).toBe(200);
    });

    it.each(['', 'x', 'ssh-rsa', 'ssh-rsa !!!!', 'ssh-rsa AAAA', `${ED25519}\nssh-rsa AAAA`, ED25519.replace('ssh-ed25519 ', 'ssh-rsa '), 'A'.repeat(70_000)])('refuse key %#', async (key) => {
      expect((await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'bad', public_key: key } })).status).toBe(400);
    });

    it('are bounded by quota', async () => {
      await lab.asAdmin('PUT', `/v2.1/os-quota-sets/${lab.projectId}`, { quota_set: { key_pairs: 3 } });
      const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: `q${index}`, public_key: ED25519 } })));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 403, 403, 403, 403, 403, 403]);
      expect(answers.find(({ status }) => status === 403)!.body).toEqual({ forbidden: { code: 403, message: 'Quota exceeded, too many key pairs.' } });
    });
  });

  describe('quotas and limits', () => {
    it('have the recorded keys', async () => {
      const path = `/v2.1/os-quota-sets/${lab.projectId}`;
      await lab.asAdmin('DELETE', path);
      expect((await lab.call('GET', path)).body).toEqual({
        quota_set: { id: lab.projectId, cores: 20, instances: 10, key_pairs: 100, metadata_items: 128, ram: 51_200, server_group_members: 10, server_groups: 10 },
      });
      expect((await lab.call('GET', `${path}/detail`)).body.quota_set.cores).toEqual({ limit: 20, in_use: 0, reserved: 0 });
      expect((await lab.call('GET', `${path}/defaults`)).body.quota_set.instances).toBe(10);
      expect(Object.keys((await lab.call('GET', path, undefined, { version: '2.1' })).body.quota_set)).toContain('floating_ips');
      expect((await lab.asAdmin('PUT', path, { quota_set: { cores: 5 } })).body.quota_set).toMatchObject({ cores: 5, instances: 10 });
      expect((await lab.asAdmin('PUT', path, { quota_set: { cores: -2 } })).status).toBe(400);
      expect((await lab.asAdmin('PUT', path, { quota_set: { nosuch: 1 } })).status).toBe(400);
      expect((await lab.call('PUT', path, { quota_set: { cores: 500 } })).status).toBe(403);
      expect((await lab.call('GET', '/v2.1/os-quota-sets/other')).status).toBe(403);
      expect(Object.keys((await lab.asAdmin('GET', '/v2.1/os-quota-class-sets/default', undefined, { version: '2.49' })).body.quota_class_set)).toEqual([
        'id', 'cores', 'fixed_ips', 'floating_ips', 'injected_file_content_bytes', 'injected_file_path_bytes', 'injected_files', 'instances', 'key_pairs', 'metadata_items', 'ram',
        'security_group_rules', 'security_groups',
      ]);
      const limits = (await lab.call('GET', '/v2.1/limits')).body.limits;
      expect(limits.rate).toEqual([]);
      expect(limits.absolute).toEqual({
        maxTotalInstances: 10, maxTotalCores: 5, maxTotalRAMSize: 51_200, maxServerMeta: 128, maxTotalKeypairs: 100, maxServerGroups: 10, maxServerGroupMembers: 10,
        totalRAMUsed: 0, totalCoresUsed: 0, totalInstancesUsed: 0, totalServerGroupsUsed: 0,
      });
      expect(Object.keys((await lab.call('GET', '/v2.1/limits', undefined, { version: '2.1' })).body.limits.absolute)).toHaveLength(19);
      await lab.asAdmin('DELETE', path);
    });
  });

  describe('hosts', () => {
    it('show as hypervisors in every version', async () => {
      const at = async (version: string, path = '/v2.1/os-hypervisors/detail') => (await lab.asAdmin('GET', path, undefined, { version })).body;
      const [old] = (await at('2.1')).hypervisors;
      expect(Object.keys(old)).toEqual([
        'id', 'hypervisor_hostname', 'state', 'status', 'hypervisor_type', 'hypervisor_version', 'host_ip', 'service', 'vcpus', 'memory_mb', 'local_gb', 'vcpus_used', 'memory_mb_used',
        'local_gb_used', 'free_ram_mb', 'free_disk_gb', 'current_workload', 'running_vms', 'disk_available_least', 'cpu_info',
      ]);
      expect(old).toMatchObject({ id: 1, hypervisor_hostname: 'host1', state: 'up', status: 'enabled', cpu_info: '{"arch": "x86_64"}' });
      const [mid] = (await at('2.53')).hypervisors;
      expect(mid).toMatchObject({ id: lab.agents[0]!.hostId, cpu_info: { arch: 'x86_64' } });
      const [recent] = (await at('2.93')).hypervisors;
      expect(Object.keys(recent)).toEqual(['id', 'hypervisor_hostname', 'state', 'status', 'hypervisor_type', 'hypervisor_version', 'host_ip', 'service', 'uptime']);
      expect((await at('2.87', '/v2.1/os-hypervisors/statistics')).hypervisor_statistics).toMatchObject({ count: 2, vcpus: 128 });
      expect((await lab.asAdmin('GET', '/v2.1/os-hypervisors/statistics', undefined, { version: '2.88' })).status).toBe(404);
      expect((await at('2.93', `/v2.1/os-hypervisors/${lab.agents[1]!.hostId}`)).hypervisor.hypervisor_hostname).toBe('host2');
      expect((await lab.asAdmin('GET', '/v2.1/os-hypervisors/nosuch', undefined, { version: '2.1' })).status).toBe(404);
      expect(await lab.asAdmin('GET', '/v2.1/os-hypervisors/1/uptime', undefined, { version: '2.1' })).toMatchObject({ status: 501, body: { notImplemented: { code: 501, message: 'The requested functionality is not implemented.' } } });
      expect((await lab.asAdmin('GET', '/v2.1/os-hypervisors/99/uptime', undefined, { version: '2.1' })).status).toBe(404);
      expect((await at('2.1', '/v2.1/os-hypervisors/host/search')).hypervisors).toHaveLength(2);
      expect(await lab.call('GET', '/v2.1/os-hypervisors')).toMatchObject({ status: 403, body: { forbidden: { message: "Policy doesn't allow os_compute_api:os-hypervisors:list to be performed." } } });
    });

    it('show as services and can be disabled', async () => {
      const list = await lab.until(async () => (await lab.asAdmin('GET', '/v2.1/os-services')).body.services, (services) => services.length === 4);
      expect(list.map(({ binary, host, zone, state }: Record<string, string>) => `${binary} ${host} ${zone} ${state}`).sort()).toEqual(['nova-compute host1 nova up', 'nova-compute host2 nova up', 'nova-conductor conductor-0 internal up', 'nova-scheduler scheduler1 internal up']);
      const { id } = list.find(({ host }: { host: string }) => host === 'host1');
      expect((await lab.asAdmin('PUT', `/v2.1/os-services/${id}`, { status: 'disabled', disabled_reason: 'test' })).body.service).toMatchObject({ status: 'disabled', disabled_reason: 'test' });
      expect(lab.placement.hosts.get(lab.agents[0]!.hostId)!.enabled).toBe(false);
      await lab.agents[0]!.heartbeat();
      expect(lab.placement.hosts.get(lab.agents[0]!.hostId)!.enabled).toBe(false);
      expect((await lab.asAdmin('PUT', `/v2.1/os-services/enable`, { host: 'host1', binary: 'nova-compute' }, { version: '2.1' })).body.service).toEqual({ host: 'host1', binary: 'nova-compute', status: 'enabled' });
      expect(lab.placement.hosts.get(lab.agents[0]!.hostId)!.enabled).toBe(true);
      expect((await lab.asAdmin('PUT', `/v2.1/os-services/${id}`, { forced_down: true })).body.service).toMatchObject({ state: 'down', forced_down: true });
      await lab.asAdmin('PUT', `/v2.1/os-services/${id}`, { forced_down: false });
      expect((await lab.asAdmin('PUT', '/v2.1/os-services/enable', { host: 'nosuch', binary: 'nova-compute' }, { version: '2.1' })).status).toBe(404);
      expect((await lab.asAdmin('PUT', `/v2.1/os-services/${id}`, { status: 'maybe' })).status).toBe(400);
      expect((await lab.call('GET', '/v2.1/os-services')).status).toBe(403);
    });

    it('make up availability zones', async () => {
      expect((await lab.call('GET', '/v2.1/os-availability-zone')).body).toEqual({ availabilityZoneInfo: [{ zoneName: 'nova', zoneState: { available: true }, hosts: null }] });
      const zones = (await lab.asAdmin('GET', '/v2.1/os-availability-zone/detail')).body.availabilityZoneInfo;
      expect(zones.map(({ zoneName }: { zoneName: string }) => zoneName)).toEqual(['internal', 'nova']);
      expect(zones[1].hosts.host1['nova-compute']).toMatchObject({ available: true, active: true });
    });
  });

  it('lists the extensions that are built', async () => {
    const { extensions } = (await lab.call('GET', '/v2.1/extensions')).body;
    expect(Object.keys(extensions[0])).toEqual(['alias', 'description', 'links', 'name', 'namespace', 'updated']);
    expect((await lab.call('GET', '/v2.1/extensions/os-keypairs')).body.extension.alias).toBe('os-keypairs');
    expect((await lab.call('GET', '/v2.1/extensions/nosuch')).status).toBe(404);
  });

  it.each([['GET', '/v2.1/nosuch'], ['PUT', '/v2.1/servers'], ['GET', '/v2.1/os-agents'], ['GET', '/nosuch'], ['POST', '/v2.1/servers/x/os-virtual-interfaces']])('has no %s %s', async (method, path) => {
    expect(await lab.call(method, path, method === 'GET' ? undefined : {})).toMatchObject({ status: 404, body: { message: 'The resource could not be found.<br /><br />\n\n\n', code: '404 Not Found', title: 'Not Found' } });
    expect((await lab.call(method, path, method === 'GET' ? undefined : {}, { token: null })).status).toBe(401);
  });
});
