import { connect as connectBroker } from 'amqplib';
import { newHexId, newUuid, silentLogger } from '@virga/core';
import { createDatabase, migrate, OutboxRelay } from '@virga/db';
import { hostPermissions, RabbitBus, servicePermissions } from '@virga/rpc';
import { createNetworkViews, FakeAgent, FakeImages, FakeNetwork, FakePlacement, startMariaDb, startRabbit, testIdentity } from '@virga/testing';
import { createComputeApp } from '../compute-app';
import { Conductor } from '../conductor';
import { computeMigrations } from '../db/migrations';
import type { ComputeDb } from '../db/schema';
import { NeighbourApi } from '../proxies/neighbour-api';
import { outboxPublisher } from '../operations/publish-outbox';

/** The same over the real broker, with the permissions that each part has there. */
it('boots and deletes over RabbitMQ', async () => {
  const [mariadb, rabbit] = await Promise.all([startMariaDb(), startRabbit()]);
  const schema = `compute_rabbit_${process.pid}`;
  const db = createDatabase<ComputeDb>({ url: await mariadb.createSchema(schema) });
  await migrate(db, computeMigrations);
  await createNetworkViews(mariadb, schema);
  const hostId = newUuid();
  await rabbit.addUsers({
    ...Object.fromEntries(['scheduler', 'network', 'image', 'compute-api', 'conductor'].map((name) => [name, servicePermissions()])),
    [`agent-${hostId}`]: hostPermissions(hostId),
  });
  const buses: RabbitBus[] = [];
  const connect = async (user: string) => { const bus = await RabbitBus.connect({ url: rabbit.url(user), logger: silentLogger }); buses.push(bus); return bus; };

  const placement = new FakePlacement();
  const network = new FakeNetwork();
  const images = new FakeImages();
  await placement.serve(await connect('scheduler'));
  await network.serve(await connect('network'));
  await images.serve(await connect('image'));
  const identity = await testIdentity();
  const apiBus = await connect('compute-api');
  const relay = new OutboxRelay(db, outboxPublisher(db, apiBus), silentLogger);
  relay.start();
  const app = await createComputeApp({
    db, bus: apiBus, logger: silentLogger, apis: { network: new NeighbourApi('http://127.0.0.1:1'), image: new NeighbourApi('http://127.0.0.1:1') }, wakeRelay: () => relay.wake(), identityUrl: 'http://127.0.0.1:5000', verifyToken: (token) => identity.verifier.verify(token),
    settings: { networkSchema: schema, maxLimit: 1000, defaultZone: 'nova', console: { url: 'http://127.0.0.1:6080', serialUrl: '', tokenInFragment: false, tokenSeconds: 300 } },
  });
  await app.listen(0, '127.0.0.1');
  const conductor = new Conductor({ db, bus: await connect('conductor'), logger: silentLogger, hostname: 'ctl', defaultZone: 'nova' });
  await conductor.start();
  const agent = new FakeAgent(await connect(`agent-${hostId}`), hostId, 'host1');
  await agent.start();
  // The host has reported: its queue is there before its first command, so that the agent is at it already.
  const broker = await connectBroker(rabbit.url('conductor'));
  await expect((await broker.createChannel()).checkQueue(`host.${hostId}`)).resolves.toMatchObject({ messageCount: 0 });
  await broker.close();

  const projectId = newHexId();
  const call = async (method: string, path: string, body?: unknown, roles = ['member']) => {
    const response = await fetch(`${await app.getUrl()}${path}`, {
      method, headers: { 'x-auth-token': identity.sign({ projectId, roles }), 'openstack-api-version': 'compute 2.93', ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  };
  const { body: { flavor } } = await call('POST', '/v2.1/flavors', { flavor: { name: 'f', ram: 64, vcpus: 1, disk: 1 } }, ['admin']);
  const { body: { server: { id } } } = await call('POST', '/v2.1/servers', { server: { name: 's', imageRef: images.add(), flavorRef: flavor.id, networks: 'none' } });
  const until = async (check: (answer: Awaited<ReturnType<typeof call>>) => boolean) => {
    for (;;) {
      const answer = await call('GET', `/v2.1/servers/${id}`);
      if (check(answer)) return answer;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  };
  expect((await until(({ body }) => body.server.status !== 'BUILD')).body.server.status).toBe('ACTIVE');
  expect((await call('POST', `/v2.1/servers/${id}/action`, { 'os-getConsoleOutput': {} })).body).toEqual({ output: 'booted\n' });
  expect((await call('DELETE', `/v2.1/servers/${id}`)).status).toBe(204);
  await until(({ status }) => status === 404);
  expect(agent.domains.size).toBe(0);
  expect(placement.claims.size).toBe(0);

  await conductor.stop();
  await app.close();
  await relay.stop();
  for (const bus of buses.reverse()) await bus.close();
  await db.destroy();
});
