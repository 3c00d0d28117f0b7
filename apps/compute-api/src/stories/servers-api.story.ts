import { newHexId, newUuid } from '@virga/core';
import { startLab, type Lab } from './lab';

describe('servers over HTTP', () => {
  let lab: Lab;
  let flavor: string;
  let image: string;
  let net: string;
  beforeAll(async () => {
    lab = await startLab();
    flavor = await lab.makeFlavor();
    image = lab.images.add();
    net = lab.network.addNetwork('net1');
  });
  afterAll(() => lab.stop());

  const post = (more: Record<string, unknown> = {}, options = {}) =>
    lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: 'none', ...more } }, options);
  const boot = async (more: Record<string, unknown> = {}) => {
    const { id } = (await post(more)).body.server;
    await lab.active(id);
    return id as string;
  };
  const drop = async (id: string) => { await lab.call('DELETE', `/v2.1/servers/${id}`); await lab.gone(id); };

  describe('bad input', () => {
    let foreignPort: string;
    let usedPort: string;
    let before: { operations: number; instances: number };
    const counts = async () => ({
      operations: (await lab.db.selectFrom('operations').select('id').execute()).length, instances: (await lab.db.selectFrom('instances').select('id').execute()).length,
    });
    beforeAll(async () => {
      foreignPort = lab.network.addPort(net, newHexId());
      usedPort = lab.network.addPort(net, lab.projectId, '10.10.0.77');
      lab.network.ports.get(usedPort)!.instanceId = newUuid();
      before = await counts();
    });
    afterAll(async () => {
      expect(await counts()).toEqual(before);
      expect(lab.placement.log).toEqual([]);
      expect(lab.network.ports.size).toBe(2);
      expect(await lab.usage()).toMatchObject({ booked: { instances: 0 }, counted: { instances: 0 } });
    });

    it.each<[string, () => Record<string, unknown>, number, string | RegExp]>([
      ['unknown flavor', () => ({ flavorRef: 'nosuch' }), 400, 'Flavor nosuch could not be found.'],
      ['unknown image', () => ({ imageRef: '00000000-0000-0000-0000-000000000000' }), 400, 'Can not find requested image'],
      ['unknown key', () => ({ key_name: 'nokey' }), 400, 'Invalid key_name provided.'],
      ['unknown network', () => ({ networks: [{ uuid: '00000000-0000-0000-0000-000000000000' }] }), 400, 'Network 00000000-0000-0000-0000-000000000000 could not be found.'],
      ['port of another project', () => ({ networks: [{ port: foreignPort }] }), 400, /^Port .* could not be found\.$/],
      ['port in use', () => ({ networks: [{ port: usedPort }] }), 409, /in use/],
      ['fixed IP in use', () => ({ networks: [{ uuid: net, fixed_ip: '10.10.0.77' }] }), 400, /10\.10\.0\.77/],
      ['unknown security group', () => ({ networks: [{ uuid: net }], security_groups: [{ name: 'nosuch' }] }), 400, /nosuch/],
      ['a fixed IP for many', () => ({ networks: [{ uuid: net, fixed_ip: '10.10.0.5' }], min_count: 2 }), 400, /fixed IP/i],
      ['a host as a member', () => ({ host: 'host1' }), 403, "Policy doesn't allow compute:servers:create:requested_destination to be performed."],
      ['a zone with a host as a member', () => ({ availability_zone: 'nova:host1' }), 403, "Policy doesn't allow os_compute_api:servers:create:forced_host to be performed."],
      ['unknown zone', () => ({ availability_zone: 'mars' }), 400, 'The requested availability zone is not available'],
      ['more than the quota', () => ({ min_count: 11 }), 403, 'Quota exceeded for instances: Requested 11, but already used 0 of 10 instances'],
      ['counts the wrong way round', () => ({ min_count: 3, max_count: 2 }), 400, 'min_count must be <= max_count'],
      ['injected files', () => ({ personality: [{ path: '/x', contents: '' }] }), 400, /personality/],
      ['unknown property', () => ({ nosuch: 1 }), 400, "Additional properties are not allowed ('nosuch' was unexpected)"],
      ['a volume', () => ({ imageRef: '', block_device_mapping_v2: [{ source_type: 'volume', destination_type: 'volume', uuid: newUuid(), boot_index: 0 }] }), 400, /Block Device Mapping is Invalid/],
      ['no image', () => ({ imageRef: '' }), 400, 'Missing imageRef attribute'],
      ['an image that is no id', () => ({ imageRef: 'x' }), 400, /imageRef/],
      ['overlong user data', () => ({ user_data: 'A'.repeat(65_536) }), 400, /user_data.*too long/],
      ['user data that is not base64', () => ({ user_data: '!!!' }), 400, /user_data/],
      ['overlong name', () => ({ name: 'n'.repeat(256) }), 400, /name.*too long/],
      ['empty name', () => ({ name: '' }), 400, /name/],
      ['name with control characters', () => ({ name: 'a\u0000b' }), 400, /name/],
      ['bad metadata key', () => ({ metadata: { 'a/b': 'c' } }), 400, /metadata/],
      ['metadata that is no text', () => ({ metadata: { a: 1 } }), 400, /not of type 'string'/],
      ['too much metadata', () => ({ metadata: Object.fromEntries(Array.from({ length: 129 }, (_, index) => [`k${index}`, 'v'])) }), 403, 'Maximum number of metadata items exceeds 128'],
      ['too many tags', () => ({ tags: Array.from({ length: 51 }, (_, index) => `t${index}`) }), 400, /tags/],
      ['bad hostname', () => ({ hostname: '-x-' }), 400, /hostname/],
      ['networks of the wrong type', () => ({ networks: 'some' }), 400, /networks/],
      ['no flavor', () => ({ flavorRef: undefined }), 400, "'flavorRef' is a required property"],
      ['a server group', () => ({ 'os:scheduler_hints': { group: newUuid() } }), 400, /Instance group/],
    ])('%s', async (_name, more, status, message) => {
      const answer = await post(more());
      const fault = Object.values(answer.body)[0] as { code: number; message: string };
      expect({ status: answer.status, code: fault.code }).toEqual({ status, code: status });
      if (typeof message === 'string') expect(fault.message).toContain(message);
      else expect(fault.message).toMatch(message);
    });

    it('takes an empty list of files until 2.56, as older clients send it, and none with something in it', async () => {
      const at = (version: string, personality: object[]) => lab.call('POST', '/v2.1/servers', { server: { name: 'x', imageRef: image, flavorRef: '1', personality, min_count: 2, max_count: 1 } }, { version });
      for (const version of ['2.1', '2.19', '2.36']) expect((await at(version, [])).body.badRequest.message).toBe('min_count must be <= max_count');
      expect((await at('2.1', [{ path: '/x', contents: '' }])).body.badRequest.message).toContain('personality');
    });

    it('says first that networks are missing', async () => {
      const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 'x', imageRef: image, flavorRef: '1', nosuch: 1 } });
      expect(body).toEqual({
        badRequest: { code: 400, message: `Invalid input for field/attribute server. Value: {'name': 'x', 'imageRef': '${image}', 'flavorRef': '1', 'nosuch': 1}. 'networks' is a required property` },
      });
    });

    it('broken JSON, wrong shapes, wrong types of content, too large bodies', async () => {
      const raw = (text: string, headers = {}) => lab.call('POST', '/v2.1/servers', undefined, { raw: text, headers });
      expect(await raw('{"x"')).toMatchObject({ status: 400, body: { badRequest: { code: 400, message: 'Malformed request body' } } });
      expect((await raw('[]')).status).toBe(400);
      expect((await raw('null')).status).toBe(400);
      expect((await raw('"x"')).status).toBe(400);
      expect((await raw('{"server": null}')).status).toBe(400);
      expect((await raw('{"server": {"__proto__": {"x": 1}}}')).status).toBe(400);
      expect((await raw('<server/>', { 'content-type': 'application/xml' })).status).toBe(415);
      expect((await raw(JSON.stringify({ server: { name: 'x'.repeat(10 * 1024 * 1024) } }))).status).toBe(413);
      expect((await raw(`{"server": ${'['.repeat(50_000)}${']'.repeat(50_000)}}`)).status).toBe(400);
    });

    it('an image that is not active, or too large for the flavor', async () => {
      expect((await post({ imageRef: lab.images.add({ status: 'queued' }) })).body.badRequest.message).toMatch(/is not active\.$/);
      expect((await post({ imageRef: lab.images.add({ minRam: 4096 }) })).body.badRequest.message).toBe("Flavor's memory is too small for requested image.");
      expect((await post({ imageRef: lab.images.add({ virtualSizeBytes: 5 * 1024 ** 3 }) })).body.badRequest.message).toMatch(/^Flavor's disk is too small for requested image\./);
      expect((await post({ imageRef: lab.images.add({ minDisk: 20 }) })).body.badRequest.message).toMatch(/smaller than the minimum size/);
    });

    it('several networks and none named', async () => {
      const other = lab.network.addNetwork('net2');
      const { status, body } = await lab.call('POST', '/v2.1/servers', { server: { name: 'x', imageRef: image, flavorRef: flavor } }, { version: '2.1' });
      expect({ status, body }).toEqual({ status: 409, body: { conflictingRequest: { code: 409, message: 'Multiple possible networks found, use a Network ID to be more specific.' } } });
      lab.network.networks.delete(other);
    });
  });

  it('takes what clients send beside the image, and any name', async () => {
    const name = '虚拟机 ünïcode';
    const id = await boot({ name, block_device_mapping_v2: [{ uuid: image, source_type: 'image', destination_type: 'local', boot_index: 0, delete_on_termination: true }], config_drive: true, user_data: 'aGVsbG8=', description: 'd', tags: ['b', 'a'] });
    const { server } = (await lab.asAdmin('GET', `/v2.1/servers/${id}`)).body;
    expect(server).toMatchObject({ name, config_drive: 'True', description: 'd', tags: ['a', 'b'], 'OS-EXT-SRV-ATTR:user_data': 'aGVsbG8=', 'OS-EXT-SRV-ATTR:instance_name': expect.stringMatching(/^instance-[0-9a-f]{8}$/) });
    const all = Array.from({ length: 2 }, () => lab.images.add());
    expect((await post({ imageRef: all[0], block_device_mapping_v2: [{ uuid: all[1], source_type: 'image', destination_type: 'local', boot_index: 0 }] })).status).toBe(400);
    await drop(id);
  });

  it('keeps and shows metadata, tags and names', async () => {
    const id = await boot({ metadata: { a: 'b' } });
    const at = `/v2.1/servers/${id}`;
    expect((await lab.call('POST', `${at}/metadata`, { metadata: { c: 'd' } }))).toMatchObject({ status: 200, body: { metadata: { a: 'b', c: 'd' } } });
    expect((await lab.call('PUT', `${at}/metadata/c`, { meta: { c: 'e' } })).body).toEqual({ meta: { c: 'e' } });
    expect((await lab.call('PUT', `${at}/metadata/c`, { meta: { x: 'e' } })).status).toBe(400);
    expect((await lab.call('GET', `${at}/metadata/c`)).body).toEqual({ meta: { c: 'e' } });
    expect((await lab.call('DELETE', `${at}/metadata/c`)).status).toBe(204);
    expect(await lab.call('DELETE', `${at}/metadata/c`)).toMatchObject({ status: 404, body: { itemNotFound: { message: 'Metadata item was not found' } } });
    expect((await lab.call('PUT', `${at}/metadata`, { metadata: { z: '1' } })).body).toEqual({ metadata: { z: '1' } });
    expect((await lab.call('GET', `${at}/metadata`)).body).toEqual({ metadata: { z: '1' } });
    expect((await lab.call('POST', `${at}/metadata`, { metadata: Object.fromEntries(Array.from({ length: 128 }, (_, index) => [`k${index}`, 'v'])) })).status).toBe(403);

    expect((await lab.call('PUT', `${at}/tags`, { tags: ['y', 'x'] })).body).toEqual({ tags: ['x', 'y'] });
    const added = await lab.call('PUT', `${at}/tags/w`);
    expect(added).toMatchObject({ status: 201, headers: { location: `${lab.base}${at}/tags/w` } });
    expect((await lab.call('PUT', `${at}/tags/w`)).status).toBe(204);
    expect((await lab.call('GET', `${at}/tags/w`)).status).toBe(204);
    expect((await lab.call('GET', `${at}/tags/nosuch`)).status).toBe(404);
    expect((await lab.call('DELETE', `${at}/tags/w`)).status).toBe(204);
    expect((await lab.call('PUT', `${at}/tags/${'t'.repeat(61)}`)).status).toBe(400);
    expect((await lab.call('GET', `${at}/tags`)).body).toEqual({ tags: ['x', 'y'] });
    expect((await lab.call('GET', '/v2.1/servers?tags=x,y')).body.servers).toHaveLength(1);
    expect((await lab.call('GET', '/v2.1/servers?not-tags=x')).body.servers).toHaveLength(0);
    expect((await lab.call('DELETE', `${at}/tags`)).status).toBe(204);

    const renamed = await lab.call('PUT', at, { server: { name: 'new', description: 'why', accessIPv4: '192.0.2.1', 'OS-DCF:diskConfig': 'AUTO' } });
    expect(renamed).toMatchObject({ status: 200, body: { server: { name: 'new', description: 'why', accessIPv4: '192.0.2.1', 'OS-DCF:diskConfig': 'AUTO' } } });
    expect(Object.keys((await lab.call('PUT', at, { server: { name: 'new' } }, { version: '2.1' })).body.server)).toEqual([
      'id', 'name', 'status', 'tenant_id', 'user_id', 'metadata', 'hostId', 'image', 'flavor', 'created', 'updated', 'addresses', 'accessIPv4', 'accessIPv6', 'links', 'OS-DCF:diskConfig', 'progress',
    ]);
    expect((await lab.call('PUT', at, { server: { nosuch: 1 } })).status).toBe(400);
    await drop(id);
  });

  it('keeps projects apart', async () => {
    const id = await boot();
    const stranger = lab.identity.sign();
    for (const [method, path] of [['GET', ''], ['DELETE', ''], ['GET', '/metadata'], ['GET', '/tags'], ['GET', '/ips'], ['GET', '/os-interface'], ['GET', '/os-security-groups'], ['GET', '/os-instance-actions'], ['DELETE', '/metadata/a']] as const) {
      const answer = await lab.call(method, `/v2.1/servers/${id}${path}`, undefined, { token: stranger });
      expect([method, path, answer.status]).toEqual([method, path, 404]);
    }
    expect((await lab.call('PUT', `/v2.1/servers/${id}`, { server: { name: 'x' } }, { token: stranger })).status).toBe(404);
    expect((await lab.call('GET', '/v2.1/servers', undefined, { token: stranger })).body).toEqual({ servers: [] });
    expect((await lab.call('GET', '/v2.1/servers?all_tenants=1', undefined, { token: stranger })).status).toBe(403);
    expect((await lab.asAdmin('GET', '/v2.1/servers')).body).toEqual({ servers: [] });
    expect((await lab.asAdmin('GET', '/v2.1/servers?all_tenants=1')).body.servers.map((row: { id: string }) => row.id)).toContain(id);
    const reader = lab.tokenFor({ roles: ['reader'] });
    expect((await lab.call('GET', `/v2.1/servers/${id}`, undefined, { token: reader })).status).toBe(200);
    expect((await lab.call('DELETE', `/v2.1/servers/${id}`, undefined, { token: reader })).status).toBe(403);
    expect((await post({}, { token: reader })).status).toBe(403);
    await drop(id);
  });

  it('lists by filter, order and page, with addresses', async () => {
    const ids: string[] = [];
    for (const name of ['web1', 'web2', 'db1']) ids.push(await boot({ name, networks: [{ uuid: net }], metadata: { n: name }, tags: [name] }));
    const [web1, web2, db1] = ids as [string, string, string];
    await lab.mariadb.execute(`INSERT INTO ${lab.schema}.server_addresses VALUES
      ('${web1}', 'p1', 'net1', 'fa:16:3e:00:00:01', '10.10.0.1', 4, 'fixed', 0, 0), ('${web1}', 'p1', 'net1', 'fa:16:3e:00:00:01', 'fd00::1', 6, 'fixed', 0, 1),
      ('${web1}', 'p1', 'net1', 'fa:16:3e:00:00:01', '198.51.100.7', 4, 'floating', 0, 1000), ('${web2}', 'p2', 'net1', 'fa:16:3e:00:00:02', '10.10.0.2', 4, 'fixed', 0, 0)`);
    const names = async (query: string, call = lab.call) => (await call('GET', `/v2.1/servers?${query}`)).body.servers.map(({ name }: { name: string }) => name);
    expect(await names('')).toEqual(['db1', 'web2', 'web1']);
    expect(await names('sort_key=display_name&sort_dir=asc')).toEqual(['db1', 'web1', 'web2']);
    expect(await names('name=web')).toEqual(['web2', 'web1']);
    expect(await names('name=^db')).toEqual(['db1']);
    expect(await names('status=ACTIVE&name=1')).toEqual(['db1', 'web1']);
    expect(await names('status=active&status=SHUTOFF')).toHaveLength(3);
    expect(await names('status=SHUTOFF')).toEqual([]);
    expect(await names('status=NOSUCH')).toEqual([]);
    expect(await names(`image=${image}`)).toHaveLength(3);
    expect(await names(`flavor=${flavor}`)).toHaveLength(3);
    expect(await names('flavor=nosuch')).toEqual([]);
    expect(await names('ip=10.10.0.2')).toEqual(['web2']);
    expect(await names('ip=10.10')).toEqual(['web2', 'web1']);
    expect(await names('ip6=fd00')).toEqual(['web1']);
    expect(await names('tags-any=web1,db1')).toEqual(['db1', 'web1']);
    expect(await names('changes-since=2100-01-01T00:00:00Z')).toEqual([]);
    expect(await names('host=nosuch')).toHaveLength(3);
    expect(await names('all_tenants=1&host=nosuch', lab.asAdmin as typeof lab.call)).toEqual([]);
    expect(await names('nosuch=1')).toHaveLength(3);
    for (const query of ['name=(', 'name=(?<!a*)b', 'limit=-1', 'marker=nosuch', 'sort_key=nosuch', 'changes-since=x', 'all_tenants=maybe', 'locked=maybe']) expect([query, (await lab.call('GET', `/v2.1/servers?${query}`)).status]).toEqual([query, 400]);

    let next: string | undefined = '/v2.1/servers/detail?limit=2';
    const seen: string[] = [];
    while (next !== undefined) {
      const { body }: Awaited<ReturnType<Lab['call']>> = await lab.call('GET', next);
      seen.push(...body.servers.map(({ name }: { name: string }) => name));
      next = body.servers_links && new URL(body.servers_links[0].href).pathname + new URL(body.servers_links[0].href).search;
    }
    expect(seen).toEqual(['db1', 'web2', 'web1']);

    const detail = (await lab.call('GET', '/v2.1/servers/detail?name=web1')).body.servers[0];
    expect(detail.addresses).toEqual({
      net1: [
        { version: 4, addr: '10.10.0.1', 'OS-EXT-IPS:type': 'fixed', 'OS-EXT-IPS-MAC:mac_addr': 'fa:16:3e:00:00:01' },
        { version: 6, addr: 'fd00::1', 'OS-EXT-IPS:type': 'fixed', 'OS-EXT-IPS-MAC:mac_addr': 'fa:16:3e:00:00:01' },
        { version: 4, addr: '198.51.100.7', 'OS-EXT-IPS:type': 'floating', 'OS-EXT-IPS-MAC:mac_addr': 'fa:16:3e:00:00:01' },
      ],
    });
    expect(detail).toMatchObject({ metadata: { n: 'web1' }, tags: ['web1'], security_groups: [{ name: 'default' }] });
    expect(Object.keys(detail).at(-1)).toBe('security_groups');
    expect((await lab.call('GET', `/v2.1/servers/${web1}/ips`)).body).toEqual({ addresses: { net1: [{ version: 4, addr: '10.10.0.1' }, { version: 6, addr: 'fd00::1' }, { version: 4, addr: '198.51.100.7' }] } });
    expect((await lab.call('GET', `/v2.1/servers/${web1}/ips/net1`)).body.net1).toHaveLength(3);
    expect((await lab.call('GET', `/v2.1/servers/${web1}/ips/nosuch`)).status).toBe(404);
    const { interfaceAttachments: [port] } = (await lab.call('GET', `/v2.1/servers/${db1}/os-interface`)).body;
    expect(Object.keys(port)).toEqual(['net_id', 'port_id', 'mac_addr', 'port_state', 'fixed_ips', 'tag']);
    expect((await lab.call('GET', `/v2.1/servers/${db1}/os-interface/${port.port_id}`)).body.interfaceAttachment).toEqual(port);

    const groupId = lab.network.securityGroups.get('default');
    expect((await lab.call('GET', `/v2.1/servers/${db1}/os-security-groups`)).body).toEqual({
      security_groups: [{
        id: groupId, description: 'd', name: 'default', tenant_id: 'p',
        rules: [
          { id: 'r1', parent_group_id: groupId, ip_protocol: 'tcp', from_port: 80, to_port: 80, group: {}, ip_range: { cidr: '0.0.0.0/0' } },
          { id: 'r2', parent_group_id: groupId, ip_protocol: null, from_port: null, to_port: null, group: { name: 'default', tenant_id: 'p' }, ip_range: {} },
        ],
      }],
    });

    for (const id of ids) await drop(id);
    expect((await lab.asAdmin('GET', '/v2.1/servers/detail?all_tenants=1&deleted=True&name=db1')).body.servers[0]).toMatchObject({ id: db1, status: 'DELETED' });
    expect((await lab.call('GET', '/v2.1/servers/detail?deleted=True')).body.servers).toEqual([]);
    expect((await lab.call('GET', '/v2.1/servers?changes-since=2020-01-01T00:00:00Z')).body.servers.map((row: { id: string }) => row.id)).toEqual(expect.arrayContaining(ids));
    expect((await lab.call('GET', `/v2.1/servers/${db1}/os-instance-actions`)).body.instanceActions.map(({ action }: { action: string }) => action)).toEqual(['delete', 'create']);
    const usage = (await lab.call('GET', `/v2.1/os-simple-tenant-usage/${lab.projectId}?start=2020-01-01T00:00:00&end=2100-01-01T00:00:00`)).body.tenant_usage;
    expect(usage.server_usages.filter(({ name }: { name: string }) => name === 'db1')).toEqual([expect.objectContaining({ instance_id: db1, vcpus: 1, memory_mb: 64, local_gb: 1, state: 'terminated', flavor: 'm1.tiny' })]);
    expect((await lab.call('GET', '/v2.1/os-simple-tenant-usage')).status).toBe(403);
    expect((await lab.asAdmin('GET', '/v2.1/os-simple-tenant-usage?detailed=1&start=2020-01-01')).body.tenant_usages[0].server_usages.length).toBeGreaterThan(2);
  });

  it('boots on the host and in the zone that an administrator names', async () => {
    const second = await lab.addHost();
    const make = async (more: Record<string, unknown>) => (await post(more, { token: lab.tokenFor({ roles: ['admin', 'member'] }) })).body.server.id as string;
    for (const more of [{ host: 'host2' }, { hypervisor_hostname: 'host2' }, { availability_zone: 'nova:host2' }]) {
      const id = await make(more);
      expect((await lab.active(id))['OS-EXT-SRV-ATTR:host']).toBe('host2');
      await drop(id);
    }
    expect((await post({ host: 'nosuch' }, { token: lab.tokenFor({ roles: ['admin'] }) }))).toMatchObject({ status: 400, body: { badRequest: { message: 'Compute host nosuch could not be found.' } } });
    expect(second.domains.size).toBe(0);
  });
});
