import { newUuid } from '@virga/core';
import { instanceSpec } from '../workflows/instance-spec';
import { startLab, type Lab } from './lab';

describe('rebuilding servers, and images of them', () => {
  let lab: Lab;
  let flavor: string;
  let image: string;
  let other: string;
  let net: string;
  beforeAll(async () => {
    lab = await startLab();
    flavor = await lab.makeFlavor();
    image = lab.images.add({ properties: { hw_pointer_model: 'usbtablet', os_hash_algo: 'sha512' } });
    other = lab.images.add();
    net = lab.network.addNetwork('net1');
    await lab.asAdmin('PUT', `/v2.1/os-quota-sets/${lab.projectId}`, { quota_set: { instances: -1, cores: -1 } });
  });
  afterAll(() => lab.stop());

  const boot = async (more: Record<string, unknown> = {}) => {
    const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: [{ uuid: net }], metadata: { old: '1' }, ...more } });
    await lab.active(body.server.id);
    return body.server.id as string;
  };
  const act = (id: string, body: unknown, options = {}) => lab.call('POST', `/v2.1/servers/${id}/action`, body, options);
  const settled = (id: string) => lab.serverUntil(id, (server) => server['OS-EXT-STS:task_state'] === null);
  const commands = (id: string) => lab.agents[0]!.executed.filter(({ instanceId }) => instanceId === id);

  it('rebuilds in place with everything that may change, and keeps the rest', async () => {
    const id = await boot();
    const [port] = lab.network.portsOf(id);
    await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'k', public_key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ2cNvPbtGLKVSSKQv8R7Wp8xSVBcDW5tqAZ9Ejz0e3 a@b' } });
    const answer = await act(id, { rebuild: { imageRef: other, name: 'new', description: 'd', metadata: { a: 'b' }, adminPass: 'secret', user_data: 'aGk=', accessIPv4: '9.9.9.9', preserve_ephemeral: true, 'OS-DCF:diskConfig': 'AUTO', trusted_image_certificates: null } });
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe(`${lab.base}/v2.1/servers/${id}`);
    expect(answer.body.server).toMatchObject({ id, name: 'new', status: 'REBUILD', image: { id: other }, adminPass: 'secret', user_data: 'aGk=', key_name: null, metadata: { a: 'b' }, accessIPv4: '9.9.9.9', description: 'd', 'OS-DCF:diskConfig': 'AUTO' });
    expect(await settled(id)).toMatchObject({ status: 'ACTIVE', image: { id: other }, name: 'new', 'OS-EXT-SRV-ATTR:host': 'host1' });
    expect(lab.network.portsOf(id)).toEqual([port]);
    expect(commands(id).map(({ verb }) => verb)).toEqual(['build', 'rebuild']);
    expect(commands(id)[1]!.args).toMatchObject({ preserveEphemeral: true, start: true, spec: { image: { id: other }, displayName: 'new', ports: [{ portId: port!.portId }] } });
    // What is a secret of the first boot is gone after it.
    expect(await lab.db.selectFrom('instances').select('admin_pass').where('id', '=', id).executeTakeFirst()).toEqual({ admin_pass: null });
  });

  it('has the kernel of the image of its last rebuild wherever it goes, also when its history is gone', async () => {
    const [one, two] = [lab.images.add({ diskFormat: 'aki', containerFormat: 'aki' }), lab.images.add({ diskFormat: 'aki', containerFormat: 'aki' })];
    const ami = (kernel: string) => lab.images.add({ properties: { kernel_id: kernel } });
    const id = await boot({ imageRef: ami(one) });
    expect(commands(id)[0]!.args).toMatchObject({ kernelImage: { id: one } });
    await act(id, { rebuild: { imageRef: ami(two) } });
    await settled(id);
    expect(commands(id)[1]!.args).toMatchObject({ spec: { kernelImage: { id: two } } });
    await lab.db.deleteFrom('operations').where('instance_id', '=', id).execute();
    const row = () => lab.db.selectFrom('instances').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    expect(instanceSpec(await row(), []).kernelImage).toMatchObject({ id: two });
    await act(id, { rebuild: { imageRef: other } });
    await settled(id);
    expect(instanceSpec(await row(), [])).not.toHaveProperty('kernelImage');
  });

  it('leaves a server off that was off', async () => {
    const id = await boot();
    await act(id, { 'os-stop': null });
    await lab.serverUntil(id, ({ status }) => status === 'SHUTOFF');
    expect(Object.keys((await act(id, { rebuild: { imageRef: other } }, { version: '2.1' })).body.server)).not.toContain('user_data');
    expect(await settled(id)).toMatchObject({ status: 'SHUTOFF', 'OS-EXT-STS:power_state': 4 });
    expect(commands(id).at(-1)!.args).toMatchObject({ preserveEphemeral: false, start: false });
  });

  it('ends in ERROR with the reason when the host cannot, and may be tried again', async () => {
    const id = await boot();
    lab.agents[0]!.behaviour.rebuild = { fail: 'disk full' };
    await act(id, { rebuild: { imageRef: other } });
    expect(await lab.serverUntil(id, ({ status }) => status === 'ERROR')).toMatchObject({ fault: { message: 'disk full' } });
    delete lab.agents[0]!.behaviour.rebuild;
    await act(id, { rebuild: { imageRef: image } });
    expect(await settled(id)).toMatchObject({ status: 'ACTIVE', image: { id: image } });
  });

  it('refuses what nova refuses of a rebuild', async () => {
    const id = await boot();
    const big = lab.images.add({ minDisk: 50 });
    for (const [body, status] of [
      [{ imageRef: newUuid() }, 400], [{ imageRef: 'x' }, 400], [{}, 400], [{ imageRef: big }, 400], [{ imageRef: other, key_name: 'nosuch' }, 400], [{ imageRef: other, name: '' }, 400],
      [{ imageRef: other, metadata: { '': 'x' } }, 400], [{ imageRef: other, personality: [] }, 400], [{ imageRef: other, trusted_image_certificates: ['a'] }, 400],
    ] as const) expect([body, (await act(id, { rebuild: body })).status]).toEqual([body, status]);
    expect((await act(id, { rebuild: { imageRef: other, key_name: 'k' } }, { version: '2.53' })).status).toBe(400);
    expect((await act(id, { rebuild: { imageRef: other } }, { token: lab.tokenFor({ projectId: newUuid() }) })).status).toBe(404);
    expect((await act(id, { rebuild: { imageRef: other } }, { token: lab.tokenFor({ roles: ['reader'] }) })).status).toBe(403);
    await act(id, { pause: null });
    await lab.serverUntil(id, ({ status }) => status === 'PAUSED');
    expect(await act(id, { rebuild: { imageRef: other } })).toMatchObject({ status: 409, body: { conflictingRequest: { message: `Cannot 'rebuild' instance ${id} while it is in vm_state paused` } } });
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).body.server).toMatchObject({ image: { id: image } });
  });

  it('answers an administrator with the user data under one name', async () => {
    const id = await boot();
    const { status, body } = await lab.asAdmin('POST', `/v2.1/servers/${id}/action`, { rebuild: { imageRef: image } }, { version: '2.75' });
    expect(status).toBe(202);
    expect(body.server).toMatchObject({ user_data: null, 'OS-EXT-SRV-ATTR:hostname': expect.any(String) });
    expect(body.server).not.toHaveProperty('OS-EXT-SRV-ATTR:user_data');
    await settled(id);
  });

  it('makes an image, named in the answer, with what nova writes on it', async () => {
    const id = await boot();
    const { status, body } = await act(id, { createImage: { name: 'snap', metadata: { mine: 'yes', image_type: 'golden' } } });
    expect(status).toBe(202);
    expect(body).toEqual({ image_id: expect.any(String) });
    await settled(id);
    expect(commands(id).at(-1)).toMatchObject({ verb: 'snapshot', args: { imageId: body.image_id } });
    const made = lab.images.images.get(body.image_id)!;
    expect(made).toMatchObject({ name: 'snap', diskFormat: 'qcow2', containerFormat: 'bare', minDisk: 1 });
    expect(made.properties).toMatchObject({ mine: 'yes', hw_pointer_model: 'usbtablet', base_image_ref: image, image_type: 'golden', instance_uuid: id, user_id: lab.userId, owner_id: lab.projectId });
    expect(made.properties).not.toHaveProperty('os_hash_algo');
    const old = await act(id, { createImage: { name: 'snap2' } }, { version: '2.44' });
    expect(old).toMatchObject({ status: 202, body: null });
    expect(old.headers.location).toMatch(/\/images\/[0-9a-f-]{36}$/);
  });

  it('leaves no image when the host cannot, when the state forbids it, and when the server is deleted meanwhile', async () => {
    const id = await boot();
    const count = lab.images.images.size;
    lab.agents[0]!.behaviour.snapshot = { fail: 'no space' };
    await act(id, { createImage: { name: 'snap' } });
    expect(await settled(id)).toMatchObject({ status: 'ACTIVE' });
    expect(lab.images.images.size).toBe(count);
    lab.agents[0]!.behaviour.snapshot = 'silent';
    expect((await act(id, { createImage: { name: 'snap' } })).status).toBe(202);
    expect((await act(id, { createImage: { name: 'snap' } })).status).toBe(409);
    expect(lab.images.images.size).toBe(count + 1);
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
    delete lab.agents[0]!.behaviour.snapshot;
    expect(lab.images.images.size).toBe(count);
  });

  it('refuses what nova refuses of images', async () => {
    const id = await boot();
    const count = lab.images.images.size;
    for (const body of [{}, { name: '' }, { name: 'x', metadata: { a: 1 } }, { name: 'x'.repeat(256) }, { name: 'x', more: 1 }]) expect((await act(id, { createImage: body })).status).toBe(400);
    for (const body of [{ name: 'x', backup_type: 'daily' }, { name: 'x', rotation: 1 }, { name: 'x', backup_type: 'daily', rotation: -1 }]) expect((await act(id, { createBackup: body })).status).toBe(400);
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`k${index}`, 'v']));
    expect((await act(id, { createImage: { name: 'x', metadata: many } })).status).toBe(403);
    expect((await act(id, { createImage: { name: 'x' } }, { token: lab.tokenFor({ projectId: newUuid() }) })).status).toBe(404);
    expect((await act(id, { createImage: { name: 'x' } }, { token: lab.tokenFor({ roles: ['reader'] }) })).status).toBe(403);
    expect(lab.images.images.size).toBe(count);
  });

  it('keeps as many backups as asked for', async () => {
    const id = await boot();
    const ids: string[] = [];
    for (const name of ['one', 'two', 'three']) {
      const { body } = await act(id, { createBackup: { name, backup_type: 'daily', rotation: 2 } });
      ids.push(body.image_id);
      lab.images.images.get(body.image_id)!.status = 'active';
      await settled(id);
    }
    expect(ids.map((one) => lab.images.images.has(one))).toEqual([false, true, true]);
    expect(lab.images.images.get(ids[2]!)!.properties).toMatchObject({ image_type: 'backup', backup_type: 'daily' });
  });

  it('gives a host leave only for what it is asked for', async () => {
    const id = await boot();
    const [agent] = lab.agents;
    agent!.behaviour.snapshot = 'silent';
    const { body: { image_id: imageId } } = await act(id, { createImage: { name: 'snap' } });
    await lab.until(async () => commands(id).at(-1)?.verb, (verb) => verb === 'snapshot');
    const ask = (over: object) => agent!.client.uploadTicket({ hostId: agent!.hostId, imageId, sizeBytes: 1000, ...over });
    expect(await ask({})).toMatchObject({ ticket: expect.any(String), stored: false });
    await expect(ask({ imageId: image })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(ask({ hostId: newUuid() })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(ask({ sizeBytes: 100 * 1024 ** 3 })).rejects.toMatchObject({ kind: 'forbidden' });
    delete agent!.behaviour.snapshot;
    await agent!.report(commands(id).at(-1)!);
    await settled(id);
    await expect(ask({})).rejects.toMatchObject({ kind: 'forbidden' });
  });
});
