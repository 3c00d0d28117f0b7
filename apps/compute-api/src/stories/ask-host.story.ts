import { randomUUID } from 'node:crypto';
import { sql } from '@virga/db';
import { FakeAgent } from '@virga/testing';
import { askHost } from '../hosts/ask-host';
import { startLab, type Lab } from './lab';

describe('a host that is asked while its agent is started anew', () => {
  let lab: Lab;
  let agent: FakeAgent;
  const instanceId = randomUUID();
  const ask = () => askHost({ db: lab.db, bus: lab.broker.connect('compute-api') }, agent.hostId, (host) => host.consoleOutput({ instanceId }));
  beforeAll(async () => {
    lab = await startLab({ hosts: 1 });
    const hostId = lab.placement.addHost('host9');
    agent = new FakeAgent(lab.broker.connect(`agent-${hostId}`), hostId, 'host9');
    agent.domains.set(instanceId, 1);
    await agent.heartbeat();
  });
  afterAll(() => lab.stop());

  it('is not waited for when its lease is over', async () => {
    await lab.db.updateTable('hosts').set({ lease_until: sql<Date>`NOW(3) - INTERVAL 1 SECOND` }).where('id', '=', agent.hostId).execute();
    await expect(ask()).rejects.toMatchObject({ kind: 'unavailable' });
    await agent.heartbeat();
  });

  it('is waited for as long as it lives, and its own refusals are told', async () => {
    const answer = ask();
    await lab.until(async () => Promise.race([answer.then(() => 'answered', () => 'refused'), new Promise((resolve) => { setTimeout(resolve, 500, 'waits'); })]), (seen) => seen === 'waits');
    await agent.start();
    expect(Buffer.from((await answer).outputBase64, 'base64').toString()).toBe('booted\n');
    agent.domains.delete(instanceId);
    await expect(ask()).rejects.toMatchObject({ kind: 'notFound' });
  });
});
