import { newUuid } from '@virga/core';
import { startLab, type CallOptions, type Lab } from './lab';

/** Older calls about what other services own by now. Those services are played by tables of answers in their recorded forms. */
describe('networks, security groups, floating IPs and images of older clients', () => {
  let lab: Lab;
  const old: CallOptions = { version: '2.35' };
  beforeAll(async () => { lab = await startLab({ hosts: 0 }); });
  afterAll(() => lab.stop());
  beforeEach(() => { lab.networkApi.asked.length = 0; lab.imageApi.asked.length = 0; });

  const refusal = (type: string, status: number) => () => ({ status, body: { NeutronError: { type, message: `${type} it is`, detail: '' } } });

  it.each([
    ['GET', '/v2.1/os-security-groups'], ['POST', '/v2.1/os-security-group-rules'], ['GET', '/v2.1/os-floating-ips'], ['GET', '/v2.1/os-floating-ip-pools'],
    ['GET', '/v2.1/os-networks'], ['GET', '/v2.1/os-tenant-networks'], ['GET', '/v2.1/images/detail'],
  ])('%s %s is gone from 2.36 on', async (method, path) => {
    expect((await lab.call(method, path, method === 'POST' ? {} : undefined, { version: '2.36' })).status).toBe(404);
    expect(lab.networkApi.asked).toHaveLength(0);
  });

  it('an image\'s metadata is gone from 2.39 on', async () => {
    const id = newUuid();
    lab.imageApi.on(`GET /v2/images/${id}`, () => ({ status: 200, body: { id, name: 'i', status: 'active', color: 'red', min_disk: 0, min_ram: 0, owner: 'o' } }));
    expect((await lab.call('GET', `/v2.1/images/${id}/metadata`, undefined, { version: '2.38' })).body).toEqual({ metadata: { color: 'red' } });
    expect((await lab.call('GET', `/v2.1/images/${id}/metadata`, undefined, { version: '2.39' })).status).toBe(404);
  });

  describe('security groups', () => {
    const groupId = newUuid();
    const otherId = newUuid();
    const rule = (more: object) => ({
      id: newUuid(), direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', port_range_min: 22, port_range_max: 22, remote_ip_prefix: null, remote_group_id: null, security_group_id: groupId, ...more,
    });
    const group = (id: string, name: string, rules: object[] = [], owner = lab.projectId) => ({ id, name, description: 'd', tenant_id: owner, project_id: owner, security_group_rules: rules });
    beforeEach(() => {
      const rules = [rule({}), rule({ direction: 'egress' }), rule({ protocol: 'icmp', port_range_min: null, port_range_max: null }), rule({ remote_group_id: otherId })];
      lab.networkApi.on('GET /v2.0/security-groups', () => ({ status: 200, body: { security_groups: [group(groupId, 'web', rules), group(otherId, 'app'), group(newUuid(), 'default', [], 'another')] } }));
    });

    it('are listed with what they let in, in the caller\'s name', async () => {
      const { status, body } = await lab.call('GET', '/v2.1/os-security-groups', undefined, old);
      expect(status).toBe(200);
      expect(body.security_groups.map(({ name }: { name: string }) => name)).toEqual(['app', 'web']);
      expect(body.security_groups[1]).toEqual({
        id: groupId, name: 'web', description: 'd', tenant_id: lab.projectId,
        rules: [
          { id: expect.any(String), parent_group_id: groupId, ip_protocol: 'tcp', from_port: 22, to_port: 22, group: {}, ip_range: { cidr: '0.0.0.0/0' } },
          { id: expect.any(String), parent_group_id: groupId, ip_protocol: 'icmp', from_port: -1, to_port: -1, group: {}, ip_range: { cidr: '0.0.0.0/0' } },
          { id: expect.any(String), parent_group_id: groupId, ip_protocol: 'tcp', from_port: 22, to_port: 22, group: { name: 'app', tenant_id: lab.projectId }, ip_range: {} },
        ],
      });
      expect(lab.networkApi.asked.map(({ token }) => token)).toEqual([lab.member]);
      expect((await lab.call('GET', '/v2.1/os-security-groups?all_tenants=1', undefined, old)).body.security_groups).toHaveLength(2);
      expect((await lab.asAdmin('GET', '/v2.1/os-security-groups?all_tenants=1', undefined, old)).body.security_groups).toHaveLength(3);
    });

    it('are made, renamed and deleted; a conflict there is a bad request here, a full quota is forbidden', async () => {
      lab.networkApi.on('POST /v2.0/security-groups', ({ body }) => ({ status: 201, body: { security_group: group(groupId, body.security_group.name) } }));
      const asked = { security_group: { name: ' web ', description: '' } };
      expect(await lab.call('POST', '/v2.1/os-security-groups', asked, old)).toMatchObject({ status: 200, body: { security_group: { name: ' web ', rules: [] } } });
      lab.networkApi.on('POST /v2.0/security-groups', refusal('OverQuota', 409));
      expect(await lab.call('POST', '/v2.1/os-security-groups', asked, old)).toMatchObject({ status: 403, body: { forbidden: { message: 'OverQuota it is' } } });
      lab.networkApi.on(`DELETE /v2.0/security-groups/${groupId}`, refusal('SecurityGroupInUse', 409));
      expect((await lab.call('DELETE', `/v2.1/os-security-groups/${groupId}`, undefined, old)).status).toBe(400);
      lab.networkApi.on(`DELETE /v2.0/security-groups/${groupId}`, () => ({ status: 204 }));
      expect((await lab.call('DELETE', `/v2.1/os-security-groups/${groupId}`, undefined, old)).status).toBe(202);
      expect((await lab.call('PUT', `/v2.1/os-security-groups/${newUuid()}`, asked, old)).status).toBe(404);
      for (const bad of [{}, { security_group: { name: ' ', description: 'd' } }, { security_group: { name: 'x'.repeat(256), description: 'd' } }]) {
        expect((await lab.call('POST', '/v2.1/os-security-groups', bad, old)).status).toBe(400);
      }
      expect((await lab.call('GET', '/v2.1/os-security-groups/no-uuid', undefined, old)).status).toBe(400);
      expect((await lab.call('GET', `/v2.1/os-security-groups/${newUuid()}`, undefined, old)).status).toBe(404);
      const reader = lab.tokenFor({ roles: ['reader'] });
      expect((await lab.call('POST', '/v2.1/os-security-groups', asked, { ...old, token: reader })).status).toBe(403);
    });

    it('take rules, judged as nova did', async () => {
      lab.networkApi.on('POST /v2.0/security-group-rules', ({ body }) => ({ status: 201, body: { security_group_rule: rule({ ...body.security_group_rule }) } }));
      const post = (more: object) => lab.call('POST', '/v2.1/os-security-group-rules', { security_group_rule: { parent_group_id: groupId, ip_protocol: 'tcp', from_port: 22, to_port: 23, ...more } }, old);
      expect((await post({})).body.security_group_rule).toMatchObject({ parent_group_id: groupId, ip_protocol: 'tcp', from_port: 22, to_port: 23, group: {}, ip_range: { cidr: '0.0.0.0/0' } });
      expect((await post({ group_id: otherId })).body.security_group_rule).toMatchObject({ group: { name: 'app', tenant_id: lab.projectId }, ip_range: {} });
      expect((await post({ ip_protocol: 'icmp', from_port: -1, to_port: -1 })).body.security_group_rule).toMatchObject({ ip_protocol: 'icmp', from_port: -1, to_port: -1 });
      expect((await post({ cidr: '2001:db8::/32' })).status).toBe(200);
      expect(lab.networkApi.asked.at(-1)!.body.security_group_rule).toMatchObject({ ethertype: 'IPv6', direction: 'ingress' });
      for (const bad of [
        { parent_group_id: 'no' }, { ip_protocol: 'gre' }, { from_port: 65_536 }, { to_port: 70_000 }, { to_port: 21 }, { cidr: '300.0.0.0/8' }, { cidr: '10.0.0.0/33' },
        { ip_protocol: null, from_port: null, to_port: null }, { ip_protocol: 'icmp', from_port: 256, to_port: 0 }, { from_port: null },
      ]) expect([bad, (await post(bad)).status]).toEqual([bad, 400]);
      expect((await post({ parent_group_id: newUuid() })).status).toBe(404);
      lab.networkApi.on('POST /v2.0/security-group-rules', refusal('SecurityGroupRuleExists', 409));
      expect((await post({})).status).toBe(400);
      expect((await lab.call('DELETE', `/v2.1/os-security-group-rules/${newUuid()}`, undefined, old)).status).toBe(404);
    });
  });

  describe('floating IPs', () => {
    const netId = newUuid();
    const fipId = newUuid();
    const fip = (more: object = {}) => ({ id: fipId, floating_ip_address: '198.51.100.7', fixed_ip_address: null, floating_network_id: netId, port_id: null, port_details: null, ...more });
    beforeEach(() => {
      lab.networkApi.on('GET /v2.0/networks', () => ({ status: 200, body: { networks: [{ id: netId, name: 'public' }] } }));
      lab.networkApi.on('POST /v2.0/floatingips', () => ({ status: 201, body: { floatingip: fip() } }));
      lab.networkApi.on('GET /v2.0/floatingips', ({ query }) => ({ status: 200, body: { floatingips: query.get('floating_ip_address') === '198.51.100.9' ? [] : [fip()] } }));
      lab.networkApi.on(`GET /v2.0/floatingips/${fipId}`, () => ({ status: 200, body: { floatingip: fip({ port_id: 'p', fixed_ip_address: '10.0.0.5', port_details: { device_id: 's' } }) } }));
    });

    it('come from pools', async () => {
      expect((await lab.call('GET', '/v2.1/os-floating-ip-pools', undefined, old)).body).toEqual({ floating_ip_pools: [{ name: 'public' }] });
      const made = { floating_ip: { id: fipId, ip: '198.51.100.7', fixed_ip: null, pool: 'public', instance_id: null } };
      for (const body of [{ pool: 'public' }, { pool: netId }, undefined]) expect((await lab.call('POST', '/v2.1/os-floating-ips', body, old)).body).toEqual(made);
      expect((await lab.call('POST', '/v2.1/os-floating-ips', { pool: 'none' }, old)).status).toBe(404);
      expect((await lab.call('GET', '/v2.1/os-floating-ips', undefined, old)).body).toEqual({ floating_ips: [made.floating_ip] });
      expect((await lab.call('GET', `/v2.1/os-floating-ips/${fipId}`, undefined, old)).body.floating_ip).toMatchObject({ fixed_ip: '10.0.0.5', instance_id: 's' });
      expect((await lab.call('DELETE', `/v2.1/os-floating-ips/${newUuid()}`, undefined, old)).status).toBe(404);
      lab.networkApi.on('POST /v2.0/floatingips', refusal('OverQuota', 409));
      expect((await lab.call('POST', '/v2.1/os-floating-ips', undefined, old)).status).toBe(403);
    });

    it('are given to servers and taken again, until 2.43', async () => {
      const flavor = await lab.makeFlavor('f.proxies');
      const image = lab.images.add();
      const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', flavorRef: flavor, imageRef: image, networks: 'none' } });
      const action = (what: object, version = '2.43') => lab.call('POST', `/v2.1/servers/${body.server.id}/action`, what, { version });
      const add = { addFloatingIp: { address: '198.51.100.7' } };
      lab.networkApi.on('GET /v2.0/ports', () => ({ status: 200, body: { ports: [] } }));
      expect(await action(add)).toMatchObject({ status: 400, body: { badRequest: { message: 'No fixed IPs associated to instance' } } });
      lab.networkApi.on('GET /v2.0/ports', ({ query }) => ({ status: 200, body: { ports: query.get('device_id') === body.server.id ? [{ id: 'p1', network_id: netId, fixed_ips: [{ ip_address: '10.0.0.5', subnet_id: 'sub' }] }] : [] } }));
      lab.networkApi.on(`PUT /v2.0/floatingips/${fipId}`, () => ({ status: 200, body: { floatingip: fip() } }));
      expect((await action(add)).status).toBe(202);
      expect(lab.networkApi.asked.at(-1)!.body).toEqual({ floatingip: { port_id: 'p1', fixed_ip_address: '10.0.0.5' } });
      expect((await action({ addFloatingIp: { address: '198.51.100.7', fixed_address: '10.0.0.6' } })).status).toBe(400);
      expect((await action({ addFloatingIp: { address: '' } })).status).toBe(400);
      expect((await action({ addFloatingIp: { address: '198.51.100.9' } })).status).toBe(404);
      expect((await action(add, '2.44')).status).toBe(404);
      expect((await action({ removeFloatingIp: { address: '198.51.100.7' } })).status).toBe(409);
      lab.networkApi.on(`PUT /v2.0/floatingips/${fipId}`, refusal('FloatingIPPortAlreadyAssociated', 409));
      expect((await action(add)).status).toBe(400);
      lab.networkApi.on('GET /v2.0/floatingips', () => ({ status: 200, body: { floatingips: [fip({ port_id: 'p1' })] } }));
      lab.networkApi.on(`PUT /v2.0/floatingips/${fipId}`, () => ({ status: 200, body: { floatingip: fip() } }));
      expect((await action({ removeFloatingIp: { address: '198.51.100.7' } })).status).toBe(202);
      expect(lab.networkApi.asked.at(-1)!.body).toEqual({ floatingip: { port_id: null } });
      lab.networkApi.on('PUT /v2.0/ports/p1', () => ({ status: 200, body: {} }));
      expect((await action({ addFixedIp: { networkId: netId } })).status).toBe(202);
      expect(lab.networkApi.asked.at(-1)!.body.port.fixed_ips).toEqual([{ ip_address: '10.0.0.5', subnet_id: 'sub' }, { subnet_id: 'sub' }]);
      expect((await action({ removeFixedIp: { address: '10.0.0.5' } })).status).toBe(202);
      expect(lab.networkApi.asked.at(-1)!.body.port.fixed_ips).toEqual([]);
      expect((await action({ removeFixedIp: { address: '10.0.0.8' } })).status).toBe(400);
      expect((await action({ addFixedIp: { networkId: newUuid() } })).status).toBe(400);
    });
  });

  it('a server has no volumes, and no id is one', async () => {
    const flavor = await lab.makeFlavor('f.volumes');
    const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', flavorRef: flavor, imageRef: lab.images.add(), networks: 'none' } });
    const path = `/v2.1/servers/${body.server.id}/os-volume_attachments`;
    expect((await lab.call('GET', path)).body).toEqual({ volumeAttachments: [] });
    expect((await lab.call('POST', path, { volumeAttachment: { volumeId: newUuid() } })).status).toBe(404);
    expect((await lab.call('POST', path, { volumeAttachment: {} })).status).toBe(400);
    for (const method of ['GET', 'DELETE']) expect((await lab.call(method, `${path}/${newUuid()}`)).status).toBe(404);
    expect((await lab.call('GET', path, undefined, { token: lab.identity.sign({}) })).status).toBe(404);
  });

  it('networks are shown by name and id', async () => {
    const id = newUuid();
    lab.networkApi.on('GET /v2.0/networks', () => ({ status: 200, body: { networks: [{ id, name: 'net1' }] } }));
    lab.networkApi.on(`GET /v2.0/networks/${id}`, () => ({ status: 200, body: { network: { id, name: 'net1' } } }));
    expect((await lab.call('GET', '/v2.1/os-tenant-networks', undefined, old)).body).toEqual({ networks: [{ id, label: 'net1', cidr: 'None' }] });
    expect((await lab.call('GET', `/v2.1/os-tenant-networks/${id}`, undefined, old)).body).toEqual({ network: { id, label: 'net1', cidr: 'None' } });
    const { network: plain } = (await lab.call('GET', `/v2.1/os-networks/${id}`, undefined, old)).body;
    expect(plain).toMatchObject({ id, label: 'net1', cidr: null });
    expect(plain).not.toHaveProperty('host');
    expect((await lab.asAdmin('GET', '/v2.1/os-networks', undefined, old)).body.networks[0]).toMatchObject({ label: 'net1', host: null });
    expect((await lab.call('GET', `/v2.1/os-networks/${newUuid()}`, undefined, old)).status).toBe(404);
  });

  describe('images', () => {
    const id = newUuid();
    const serverId = newUuid();
    const image = (more: object = {}) => ({
      id, name: 'i', status: 'active', size: 5, virtual_size: null, min_disk: 1, min_ram: 2, created_at: '2026-11-25T00:00:00Z', updated_at: '2026-11-25T00:00:01Z', protected: false, visibility: 'private',
      owner: lab.projectId, checksum: null, disk_format: 'raw', container_format: 'bare', tags: [], self: '', file: '', schema: '', os_hidden: false, os_hash_algo: null, os_hash_value: null, ...more,
    });

    it('are shown with their server, progress and links', async () => {
      lab.imageApi.on(`GET /v2/images/${id}`, () => ({ status: 200, body: image({ instance_uuid: serverId, status: 'queued' }) }));
      const { body } = await lab.call('GET', `/v2.1/images/${id}`, undefined, old);
      expect(body.image).toMatchObject({ id, status: 'SAVING', progress: 25, minDisk: 1, minRam: 2, metadata: { instance_uuid: serverId }, server: { id: serverId }, 'OS-EXT-IMG-SIZE:size': 5 });
      expect(body.image.links[0]).toEqual({ rel: 'self', href: `${lab.base}/v2.1/images/${id}` });
      expect((await lab.call('GET', '/v2.1/images/nothing', undefined, old)).status).toBe(404);
    });

    it('are filtered in the image service\'s words and paged', async () => {
      lab.imageApi.on('GET /v2/images', ({ query }) => ({ status: 200, body: { images: query.get('marker') ? [] : [image()] } }));
      const { body } = await lab.call('GET', `/v2.1/images?status=ACTIVE&server=http://x/servers/${serverId}&type=snapshot&changes-since=2026-11-25T00:00:00Z&limit=1`, undefined, old);
      expect(Object.fromEntries(lab.imageApi.asked[0]!.query)).toEqual({ status: 'in:active', instance_uuid: serverId, image_type: 'snapshot', updated_at: 'gte:2026-11-25T00:00:00Z', limit: '1' });
      expect(body.images).toEqual([expect.objectContaining({ id, name: 'i' })]);
      expect(body.images_links[0].href).toContain(`marker=${id}`);
      expect((await lab.call('GET', '/v2.1/images?status=nonsense', undefined, old)).body).toEqual({ images: [] });
      expect((await lab.call('GET', '/v2.1/images?limit=-1', undefined, old)).status).toBe(400);
    });

    it('change their metadata and go', async () => {
      lab.imageApi.on(`GET /v2/images/${id}`, () => ({ status: 200, body: image({ a: '1', b: '2' }) }));
      lab.imageApi.on(`PATCH /v2/images/${id}`, () => ({ status: 200, body: image({ a: '9' }) }));
      const path = `/v2.1/images/${id}/metadata`;
      expect((await lab.call('PUT', path, { metadata: { a: '9' } }, old)).body).toEqual({ metadata: { a: '9' } });
      expect(lab.imageApi.asked.at(-1)).toMatchObject({
        contentType: 'application/openstack-images-v2.1-json-patch', body: [{ op: 'remove', path: '/b' }, { op: 'replace', path: '/a', value: '9' }],
      });
      expect((await lab.call('POST', path, { metadata: { 'c.d': '3' } }, old)).status).toBe(200);
      expect(lab.imageApi.asked.at(-1)!.body).toEqual([{ op: 'add', path: '/c.d', value: '3' }]);
      expect((await lab.call('PUT', `${path}/a`, { meta: { a: '4' } }, old)).body).toEqual({ meta: { a: '4' } });
      expect((await lab.call('PUT', `${path}/a`, { meta: { b: '4' } }, old)).status).toBe(400);
      expect((await lab.call('GET', `${path}/zz`, undefined, old)).status).toBe(404);
      expect((await lab.call('DELETE', `${path}/zz`, undefined, old)).status).toBe(404);
      expect((await lab.call('DELETE', `${path}/a`, undefined, old)).status).toBe(204);
      lab.imageApi.on(`DELETE /v2/images/${id}`, () => ({ status: 204 }));
      expect((await lab.call('DELETE', `/v2.1/images/${id}`, undefined, old)).status).toBe(204);
      lab.imageApi.on(`DELETE /v2/images/${id}`, () => ({ status: 403, body: { message: 'You are not permitted to delete images owned by others.<br /><br />\n\n\n', code: '403 Forbidden', title: 'Forbidden' } }));
      expect(await lab.call('DELETE', `/v2.1/images/${id}`, undefined, old)).toMatchObject({ status: 403, body: { forbidden: { message: 'You are not permitted to delete images owned by others.' } } });
    });
  });

  it('a service that fails is told as unavailable, without its inside', async () => {
    lab.networkApi.on('GET /v2.0/networks', () => ({ status: 500, body: { NeutronError: { type: 'X', message: 'secret inside' } } }));
    const { status, body } = await lab.call('GET', '/v2.1/os-networks', undefined, old);
    expect(status).toBe(503);
    expect(JSON.stringify(body)).not.toContain('secret');
  });
});
