import amqp from 'amqplib';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import mysql from 'mysql2/promise';
import { isRunning } from './private-server';
import { startMariaDb, startOwnMariaDb } from './mariadb';
import { startOwnRabbit, startRabbit } from './rabbitmq';

describe('private servers of tests', () => {
  test('MariaDB: one per process, empty schemas, strict', async () => {
    const db = await startMariaDb();
    expect((await startMariaDb()).socketPath).toBe(db.socketPath);
    const url = await db.createSchema('launcher');
    const connection = await mysql.createConnection(url);
    await connection.query('CREATE TABLE t (a VARCHAR(3) NOT NULL)');
    await expect(connection.query("INSERT INTO t VALUES ('too long')")).rejects.toThrow(/too long/);
    await connection.end();
  });

  test('MariaDB: kill -9 and start again keeps what was committed; stop leaves nothing', async () => {
    const db = await startOwnMariaDb();
    const url = await db.createSchema('launcher');
    await db.execute('CREATE TABLE launcher.t (a INT); INSERT INTO launcher.t VALUES (7)');
    const first = db.pid();
    await db.kill();
    expect(isRunning(first)).toBe(false);
    await db.start();
    const connection = await mysql.createConnection(url);
    expect((await connection.query('SELECT a FROM t'))[0]).toEqual([{ a: 7 }]);
    await connection.end();
    const second = db.pid();
    await db.stop();
    expect(isRunning(second)).toBe(false);
    expect(existsSync(dirname(db.socketPath))).toBe(false);
  });

  test('RabbitMQ: users with permissions that the broker keeps', async () => {
    const rabbit = await startRabbit();
    expect((await startRabbit()).port).toBe(rabbit.port);
    const url = await rabbit.addUser('narrow', { configure: '^mine$', write: '^mine$', read: '^mine$' });
    const connection = await amqp.connect(url);
    connection.on('error', () => { /* a refusal closes the channel only */ });
    const good = await connection.createChannel();
    await good.assertQueue('mine', { exclusive: true });
    const bad = await connection.createChannel();
    bad.on('error', () => { /* expected */ });
    await expect(bad.assertQueue('other', { exclusive: true })).rejects.toThrow(/ACCESS_REFUSED|ACCESS-REFUSED/);
    await connection.close();
  });

  test('RabbitMQ: kill -9 and start again keeps durable queues; stop leaves no process', async () => {
    const rabbit = await startOwnRabbit();
    const before = await amqp.connect(rabbit.url());
    before.on('error', () => { /* killed below */ });
    await (await before.createChannel()).assertQueue('kept', { durable: true });
    // The broker answers before the declaration is on disk.
    await rabbit.evaluate('mnesia:sync_log().');
    await rabbit.kill();
    await rabbit.start();
    const after = await amqp.connect(rabbit.url());
    expect((await (await after.createChannel()).checkQueue('kept')).queue).toBe('kept');
    await after.close();
    const pid = rabbit.pid();
    await rabbit.stop();
    expect(isRunning(pid)).toBe(false);
  });
});
