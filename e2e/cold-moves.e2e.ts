import { Cloud } from './cloud';

/** Guests that are resized, moved while they are off and kept apart, by the stock client; in order, each test builds on those before. */
const cloud = new Cloud(process.env.VIRGA_E2E_STATE ?? '/var/tmp/virga-e2e');
interface Facts { hostname: string; ephemeral: number }

async function facts(server: string): Promise<Facts> {
  const shown = await cloud.json<Record<string, any>>('server', 'show', server, '--os-compute-api-version', '2.50');
  return { hostname: shown['OS-EXT-SRV-ATTR:host'] as string, ephemeral: (shown.flavor as { ephemeral: number }).ephemeral };
}

beforeAll(async () => {
  await cloud.openstack('network', 'create', 'cold-net');
  await cloud.openstack('subnet', 'create', '--network', 'cold-net', '--subnet-range', '10.50.0.0/24', 'cold-subnet');
  for (const size of [1, 2]) await cloud.openstack('flavor', 'create', '--ram', '128', '--disk', '1', '--ephemeral', String(size), '--vcpus', '1', `cold.${size}`);
});
afterAll(async () => {
  for (const server of ['cold-1', 'apart-1', 'apart-2', 'apart-3']) await cloud.client('server', 'delete', '--wait', server);
  await cloud.client('server', 'group', 'delete', 'apart');
  for (const size of [1, 2]) await cloud.client('flavor', 'delete', `cold.${size}`);
  await cloud.client('network', 'delete', 'cold-net');
});

it('resizes a guest with what is on its disk, and takes it back or keeps it as the user says', async () => {
  await cloud.openstack('server', 'create', '--image', 'tiny', '--flavor', 'cold.1', '--network', 'cold-net', '--wait', 'cold-1');
  await cloud.untilPrinted('cold-1', /VIRGA-BOOTS 1\b/);
  const before = await facts('cold-1');
  await cloud.openstack('server', 'resize', '--flavor', 'cold.2', '--wait', 'cold-1');
  expect(await cloud.status('cold-1')).toBe('VERIFY_RESIZE');
  // The count lies on the disk: it was moved and not made anew.
  await cloud.untilPrinted('cold-1', /VIRGA-BOOTS 2\b/);
  expect((await facts('cold-1')).ephemeral).toBe(2);
  await cloud.openstack('server', 'resize', 'revert', 'cold-1');
  await cloud.untilStatus('cold-1', 'ACTIVE');
  expect(await facts('cold-1')).toEqual(before);

  await cloud.openstack('server', 'resize', '--flavor', 'cold.2', '--wait', 'cold-1');
  await cloud.openstack('server', 'resize', 'confirm', 'cold-1');
  await cloud.untilStatus('cold-1', 'ACTIVE');
  expect((await facts('cold-1')).ephemeral).toBe(2);
  // A disk cannot be made smaller: accepted, as it is there, and then taken back.
  await cloud.openstack('server', 'resize', '--flavor', 'cold.1', 'cold-1');
  await cloud.untilStatus('cold-1', 'ACTIVE');
  expect((await facts('cold-1')).ephemeral).toBe(2);
});

it('moves a guest to the other host while it is off', async () => {
  const { hostname } = await facts('cold-1');
  await cloud.openstack('server', 'stop', 'cold-1');
  await cloud.untilStatus('cold-1', 'SHUTOFF');
  await cloud.openstack('server', 'migrate', '--wait', 'cold-1');
  await cloud.openstack('server', 'resize', 'confirm', 'cold-1');
  await cloud.untilStatus('cold-1', 'SHUTOFF');
  expect((await facts('cold-1')).hostname).not.toBe(hostname);
  const { code, stdout: report } = await cloud.virga('verify');
  expect({ code, report }).toMatchObject({ code: 0 });
});

it('keeps the members of an anti-affinity group apart, and boots none for which there is no host', async () => {
  const { id } = await cloud.json<{ id: string }>('server', 'group', 'create', '--policy', 'anti-affinity', 'apart');
  const boot = (name: string) => cloud.client('server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', '--network', 'cold-net', '--hint', `group=${id}`, '--wait', name);
  for (const name of ['apart-1', 'apart-2', 'apart-3']) await boot(name);
  const hosts = [(await facts('apart-1')).hostname, (await facts('apart-2')).hostname];
  expect(new Set(hosts).size).toBe(2);
  expect(await cloud.openstack('server', 'show', 'apart-3', '-f', 'value', '-c', 'fault')).toContain('against the policy of the server group');
});
