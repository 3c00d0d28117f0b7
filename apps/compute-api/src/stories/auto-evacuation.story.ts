import { conflict } from '@virga/core';
import { sql } from '@virga/db';
import { startLab, type Lab } from './lab';

/** Instances of dead hosts are brought up elsewhere by themselves where that is configured, and never before the host is surely off. */
describe('evacuation by itself', () => {
  let lab: Lab;
  let fenced: string[];
  let fenceFails: boolean;
  let ids: string[];
  beforeEach(async () => {
    fenced = [];
    fenceFails = false;
    const fence = async (hostname: string) => { fenced.push(hostname); if (fenceFails) throw conflict('no power switch'); };
    lab = await startLab({ hosts: 3, conductor: { sweepMs: 100, reconcileMs: 0, evacuateAfterSeconds: 30, evacuator: { everyMs: 50, againSeconds: 1 }, fence } });
    const flavorRef = await lab.makeFlavor();
    const imageRef = lab.images.add();
    ids = await Promise.all(['a', 'b'].map(async (name) => (await lab.call('POST', '/v2.1/servers', { server: { name, imageRef, flavorRef, networks: 'none' } })).body.server.id));
    for (const id of ids) expect((await lab.active(id))['OS-EXT-SRV-ATTR:host']).toBe('host1');
    await lab.call('POST', `/v2.1/servers/${ids[1]}/action`, { 'os-stop': null });
    await lab.serverUntil(ids[1]!, ({ status }) => status === 'SHUTOFF');
  });
  afterEach(() => lab.stop());

  const silent = (names: string[], seconds: number) => lab.db.updateTable('hosts').set({ lease_until: sql<Date>`NOW(3) - INTERVAL ${sql.lit(seconds)} SECOND` }).where('hostname', 'in', names).execute();
  const evacuations = async () => (await lab.db.selectFrom('migrations').select(['instance_id', 'status']).where('migration_type', '=', 'evacuation').execute());
  /** Long enough for many looks. */
  const looks = async () => { for (let look = 0; look < 20; look++) await new Promise((resolve) => setTimeout(resolve, 50)); };

  it('brings them up as they were, after the host was fenced', async () => {
    await silent(['host1'], 60);
    expect(await lab.serverUntil(ids[0]!, (seen) => seen['OS-EXT-SRV-ATTR:host'] !== 'host1' && seen['OS-EXT-STS:task_state'] === null)).toMatchObject({ status: 'ACTIVE' });
    expect(await lab.serverUntil(ids[1]!, (seen) => seen['OS-EXT-SRV-ATTR:host'] !== 'host1' && seen['OS-EXT-STS:task_state'] === null)).toMatchObject({ status: 'SHUTOFF' });
    expect(fenced).toEqual(['host1', 'host1']);
    await lab.until(evacuations, (all) => all.every(({ status }) => status === 'done'));
    expect((await evacuations()).map(({ instance_id: id }) => id).sort()).toEqual([...ids].sort());
  });

  it('leaves a host alone that is not silent for long enough, and all when most are silent', async () => {
    await silent(['host1'], 20);
    await looks();
    await silent(['host1', 'host2'], 60);
    await looks();
    expect([await evacuations(), fenced]).toEqual([[], []]);
  });

  it('tries again when the host could not be fenced, not for ever, and nothing has moved', async () => {
    fenceFails = true;
    await silent(['host1'], 60);
    await lab.until(evacuations, (all) => all.filter(({ status }) => status === 'failed').length === 10);
    await looks();
    expect((await evacuations()).length).toBe(10);
    for (const id of ids) expect((await lab.serverUntil(id, (seen) => seen['OS-EXT-STS:task_state'] === null))['OS-EXT-SRV-ATTR:host']).toBe('host1');
    expect(lab.agents.slice(1).flatMap(({ domains }) => [...domains.keys()])).toEqual([]);
  });

  it('does nothing where nobody can know that the host is off, and something where it fences itself', async () => {
    for (const conductor of lab.conductors.splice(0)) await conductor.stop();
    await lab.addConductor({ fence: undefined as never });
    await lab.db.updateTable('leases').set({ lease_until: sql<Date>`NOW(3) - INTERVAL 1 SECOND` }).where('name', '=', 'evacuations').execute();
    await silent(['host1'], 60);
    await looks();
    expect(await evacuations()).toEqual([]);
    await sql`UPDATE hosts SET facts_json = JSON_SET(facts_json, '$.selfFenceSeconds', 30) WHERE hostname = 'host1'`.execute(lab.db);
    await lab.serverUntil(ids[0]!, (seen) => seen['OS-EXT-SRV-ATTR:host'] !== 'host1' && seen['OS-EXT-STS:task_state'] === null);
  });
});
