import { Agent, request } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { RestClient } from '../../deploy/src/seed/rest-client';
import { Cloud } from '../../e2e/cloud';

/** What a cloud of simulated hosts needs besides them: no real host, no guest image. */
const PARTS = ['identity', 'scheduler', 'network', 'image', 'conductor', 'compute-api', 'flavors', 'fleet'];
const CLIENT_TIMEOUT_MS = 120_000;

export interface FleetCloudOptions {
  state: string;
  hosts: number;
  portOffset: number;
}

/** A cloud of our own with a fleet, as a measurement needs it: its processes, its API, and its database to look into. */
export class FleetCloud {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 256 });
  private token = '';
  private computeUrl = '';

  private constructor(readonly parts: { name: string; pid: number }[], private readonly admin: RestClient, private readonly sql: Connection) {}

  static async start({ state, hosts, portOffset }: FleetCloudOptions): Promise<FleetCloud> {
    const cloud = new Cloud(state);
    const up = await cloud.virga('up', '--no-install', '--name', 'vgf', '--port-offset', String(portOffset), '--simulated-hosts', String(hosts), '--only', PARTS.join(','));
    if (up.code !== 0) throw new Error(`the cloud did not start: ${up.stdout}${up.stderr}`);
    const status = JSON.parse((await cloud.virga('status', '--json')).stdout) as { parts: { name: string; pid: number | null }[] };
    const parts = status.parts.flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }]));
    const secrets = JSON.parse(readFileSync(join(state, 'etc/secrets.json'), 'utf8')) as Record<string, string>;
    const login = { authUrl: `http://127.0.0.1:${5000 + portOffset}/v3`, username: 'admin', password: secrets['user.admin']!, project: 'admin' };
    const admin = await RestClient.login(login);
    const sql = await createConnection({ socketPath: join(state, 'mariadb/mysqld.sock'), user: 'root', timezone: 'Z' });
    const fleet = new FleetCloud(parts, admin, sql);
    await fleet.rememberToken(login);
    return fleet;
  }

  /** As an administrator. Throws on an answer that is not 2xx. */
  call<T>(method: string, type: string, path: string, body?: unknown, raw?: Uint8Array): Promise<T> {
    return this.admin.request<T>(method, type, path, { ...(body !== undefined && { body }), ...(raw && { raw }), headers: { 'openstack-api-version': 'compute 2.90' } });
  }

  async query<T>(statement: string): Promise<T[]> {
    const [rows] = await this.sql.query<RowDataPacket[]>(statement);
    return rows as T[];
  }

  async count(statement: string): Promise<number> {
    const [row] = await this.query<{ n: number | string }>(statement);
    return Number(row!.n);
  }

  /** A request of a client under load: little work on this side, one connection for each that is under way. */
  compute(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? '' : JSON.stringify(body);
      const sent = request(`${this.computeUrl}${path}`, {
        method, agent: this.agent, timeout: CLIENT_TIMEOUT_MS,
        headers: { 'x-auth-token': this.token, 'openstack-api-version': 'compute 2.90', ...(payload && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }) },
      }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve({ status: answer.statusCode!, text: Buffer.concat(chunks).toString() }));
      });
      sent.on('error', reject).on('timeout', () => sent.destroy(new Error('no answer in time'))).end(payload);
    });
  }

  async close(): Promise<void> {
    this.agent.destroy();
    await this.sql.end();
  }

  private async rememberToken({ authUrl, username, password, project }: { authUrl: string; username: string; password: string; project: string }): Promise<void> {
    const domain = { name: 'Default' };
    const answer = await fetch(`${authUrl}/auth/tokens`, {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user: { name: username, domain, password } } }, scope: { project: { name: project, domain } } } }),
    });
    this.token = answer.headers.get('x-subject-token')!;
    this.computeUrl = this.admin.endpoint('compute');
  }
}

/** Ends what `start` made, with its data. */
export async function destroyFleetCloud(state: string): Promise<void> {
  await new Cloud(state).virga('destroy', '--yes');
}
