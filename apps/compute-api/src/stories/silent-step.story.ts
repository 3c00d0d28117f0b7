import { sql } from '@virga/db';
import { startLab, type Lab } from './lab';

/** A host that lives, takes a command and never says how it ended. */
describe('a step that never answers', () => {
  let lab: Lab;
  let image: string;
  let flavor: string;
  beforeAll(async () => {
    lab = await startLab({ hosts: 2, conductor: { hostLeaseMs: 3_600_000 } });
    flavor = await lab.makeFlavor();
    image = lab.images.add();
  });
  afterAll(() => lab.stop());
  const create = async (): Promise<string> => (await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: 'none' } })).body.server.id;
  const commandOf = (id: string, verb: string) => lab.until(async () => lab.agents.flatMap(({ executed }) => executed).find((command) => command.instanceId === id && command.verb === verb), (command) => command !== undefined);
  /** The time that the command's step has is over. */
  const expire = (id: string) => lab.until(async () => (await sql`UPDATE commands AS c JOIN operations AS o ON o.waiting_command = c.id AND o.state = 'parked'
    SET c.deadline = NOW(3) - INTERVAL 1 SECOND, o.due_at = NOW(3) WHERE o.instance_id = ${id}`.execute(lab.db)).numAffectedRows ?? 0n, (changed) => changed > 0n);

  it('is given up when its time is over: a build goes to another host, and what the first one makes of it is taken away', async () => {
    for (const agent of lab.agents) agent.behaviour.build = 'silent';
    const id = await create();
    const command = (await commandOf(id, 'build'))!;
    const first = lab.agents.find(({ executed }) => executed.includes(command))!;
    for (const agent of lab.agents) delete agent.behaviour.build;
    await expire(id);
    const server = await lab.active(id);
    expect(server['OS-EXT-SRV-ATTR:host']).not.toBe(first.hostname);
    expect(first.executed.some((other) => other.instanceId === id && other.verb === 'destroy')).toBe(true);
    expect(first.domains.has(id)).toBe(false);
    expect(lab.placement.claims.size).toBe(1);
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
  });

  it('ends an action with its reason, and gives the state back', async () => {
    const id = await create();
    await lab.active(id);
    for (const agent of lab.agents) agent.behaviour.stop = 'silent';
    const { headers } = await lab.call('POST', `/v2.1/servers/${id}/action`, { 'os-stop': null });
    await commandOf(id, 'stop');
    await expire(id);
    expect(await lab.serverUntil(id, (server) => server['OS-EXT-STS:task_state'] === null)).toMatchObject({ status: 'ACTIVE' });
    const { instanceAction } = (await lab.asAdmin('GET', `/v2.1/servers/${id}/os-instance-actions/${headers['x-openstack-request-id']}`)).body;
    expect(instanceAction).toMatchObject({ action: 'stop', message: 'Error', events: [expect.objectContaining({ result: 'Error', details: expect.stringContaining('did not answer') })] });
    for (const agent of lab.agents) delete agent.behaviour.stop;
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
    expect(lab.placement.claims.size).toBe(0);
  });
});
