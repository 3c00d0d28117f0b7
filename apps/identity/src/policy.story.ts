import { join } from 'node:path';
import { newHexId } from '@virga/core';
import { routesOf } from '@virga/rest';
import { changedBy, openTo, policyTable, walkPolicies } from '@virga/testing';
import { projectScope, startTestCloud, type TestCloud } from './testing/test-cloud';

/** Who may do what, read and agreed on; POLICY_TABLE_WRITE=1 writes what the service does, for review. */
const TABLE = join(__dirname, 'policy-table.tsv');
/** Answer to everybody, without a token. */
const OPEN = ['GET /', 'GET /v2.0', 'GET /v2.0/certificates/ca', 'GET /v2.0/certificates/signing', 'GET /v3', 'GET /v3/OS-SIMPLE-CERT/ca', 'GET /v3/OS-SIMPLE-CERT/certificates'];
/** Prove who asks by what their body says. */
const PROVING: ReadonlySet<string> = new Set(['POST /v2.0/tokens', 'POST /v3/auth/tokens', 'POST /v3/users/:id/password']);

describe('every route as every persona', () => {
  let cloud: TestCloud;
  let walked: string[];

  beforeAll(async () => {
    cloud = await startTestCloud('identity_policy');
    const admin = await cloud.admin();
    const send = (method: string, path: string, body?: unknown, token = admin) => cloud.request(method, path, { token, body });
    const made = async (path: string, singular: string, attributes: Record<string, unknown>): Promise<string> => {
      const { status, body } = await send('POST', `/v3/${path}`, { [singular]: attributes });
      if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`);
      return body[singular].id;
    };
    const roles = Object.fromEntries((await send('GET', '/v3/roles')).body.roles.map(({ id, name }: { id: string; name: string }) => [name, id])) as Record<string, string>;
    const name = () => `n${newHexId()}`;
    const project = await made('projects', 'project', { name: 'policy', domain_id: 'default' });
    const elsewhere = await made('domains', 'domain', { name: 'elsewhere' });
    /** A user of their own with one role, as a token of that scope. */
    const persona = async (role: string, target: string, scope: unknown, domain = 'default'): Promise<string> => {
      const user = { name: name(), password: 'secret', domain_id: domain };
      const id = await made('users', 'user', user);
      const { status } = await send('PUT', `/v3/${target}/users/${id}/roles/${roles[role]}`);
      if (status !== 204) throw new Error(`${role} on ${target}: ${status}`);
      const answer = await cloud.request('POST', '/v3/auth/tokens', { body: { auth: { identity: { methods: ['password'], password: { user: { id, password: 'secret' } } }, scope } } });
      if (answer.status !== 201) throw new Error(`login of a ${role} of ${target}: ${answer.status}`);
      return answer.headers.get('x-subject-token')!;
    };
    const ofProject = (role: string) => persona(role, `projects/${project}`, { project: { id: project } });
    const ofDomain = (role: string, domain: string) => persona(role, `domains/${domain}`, { domain: { id: domain } }, domain);
    const ofSystem = (role: string) => persona(role, 'system', { system: { all: true } });

    const subject = await made('users', 'user', { name: name(), domain_id: 'default' });
    const values: Record<string, string> = { 'config/:group': 'identity', ':group/:option': 'driver', config: 'identity', tags: 'tag', tokens: await cloud.login('demo', 'demo secret', projectScope('demo')) };
    const makers: Record<string, () => Promise<string>> = {
      async users() {
        const id = await made('users', 'user', { name: name(), domain_id: 'default' });
        await send('PUT', `/v3/projects/${project}/users/${id}/roles/${roles['member']}`);
        return id;
      },
      groups: async () => made('groups', 'group', { name: name(), domain_id: 'default' }),
      async projects() {
        const id = await made('projects', 'project', { name: name(), domain_id: 'default' });
        await send('PUT', `/v3/projects/${id}/tags/tag`);
        return id;
      },
      async domains() {
        const id = await made('domains', 'domain', { name: name(), enabled: false });
        await send('PUT', `/v3/domains/${id}/config`, { config: { identity: { driver: 'sql' } } });
        return id;
      },
      roles: async () => made('roles', 'role', { name: name() }),
      implies: async () => made('roles', 'role', { name: name() }),
      services: async () => made('services', 'service', { type: name(), name: 's' }),
      async endpoints() { return made('endpoints', 'endpoint', { service_id: await makers['services']!(), interface: 'public', url: 'http://127.0.0.1/' }); },
      regions: async () => made('regions', 'region', {}),
      credentials: async () => made('credentials', 'credential', { type: 'other', blob: 'x', user_id: subject, project_id: project }),
      policies: async () => made('policies', 'policy', { type: 'text/plain', blob: 'x' }),
      consumers: async () => made('OS-OAUTH1/consumers', 'consumer', {}),
      async endpoint_groups() { return made('OS-EP-FILTER/endpoint_groups', 'endpoint_group', { name: name(), filters: { interface: 'public' } }); },
    };
    /** What a path with several names deletes has to be there. */
    const joined: [RegExp, (path: string) => Promise<unknown>][] = [
      [/\/roles\/:\w+$/, (path) => send('PUT', path.replace(/\/inherited_to_projects$/, ''))], [/\/inherited_to_projects$/, (path) => send('PUT', path)],
      [/\/implies\/:\w+$/, (path) => send('PUT', path)], [/\/groups\/:\w+\/users\/:\w+$/, (path) => send('PUT', path)], [/OS-EP-FILTER\/.*\/(endpoints|projects)\/:\w+$/, (path) => send('PUT', path)],
    ];
    const fill = (path: string) => path.split('/').map((segment, at, all) => (segment.startsWith(':') ? values[`${all[at - 1]}/${segment}`] ?? values[all[at - 1]!] ?? segment : segment)).join('/');

    walked = await walkPolicies({
      routes: routesOf(cloud.identity.app).filter(({ path, method }) => !path.endsWith('*') && method !== 'HEAD'),
      versions: [''],
      personas: {
        admin: await ofProject('admin'), 'system-admin': await ofSystem('admin'), 'system-reader': await ofSystem('reader'),
        'domain-admin': await ofDomain('admin', 'default'), 'domain-manager': await ofDomain('manager', 'default'), 'domain-reader': await ofDomain('reader', 'default'), 'other-domain-manager': await ofDomain('manager', elsewhere),
        manager: await ofProject('manager'), member: await ofProject('member'), reader: await ofProject('reader'), 'no-token': null,
      },
      bodies: {
        'POST /v3/users': { user: { name: 'same', domain_id: 'default' } }, 'POST /v3/groups': { group: { name: 'same', domain_id: 'default' } }, 'POST /v3/projects': { project: { name: 'same', domain_id: 'default' } },
        'POST /v3/credentials': { credential: { type: 'other', blob: 'x', user_id: subject } }, 'PATCH /v3/users/:id': { user: { description: 'x' } }, 'PATCH /v3/groups/:id': { group: { description: 'x' } }, 'PATCH /v3/projects/:id': { project: { description: 'x' } },
        'PUT /v3/projects/:id/tags': { tags: ['tag'] }, 'PATCH /v3/credentials/:id': { credential: { blob: 'y' } },
        'POST /v3/OS-TRUST/trusts': { trust: { trustor_user_id: subject, trustee_user_id: subject, impersonation: false, project_id: project, roles: [{ id: roles['reader'] }] } },
        'POST /v3/users/:userId/application_credentials': { application_credential: { name: 'x' } }, 'POST /v3/users/:userId/credentials/OS-EC2': { tenant_id: project },
      },
      async fixtures(route) {
        for (const [segment, make] of Object.entries(makers)) if (route === undefined || route.path.includes(`/${segment}/`)) values[segment] = await make();
        if (route) for (const [pattern, join] of joined) if (pattern.test(route.path)) await join(fill(route.path));
        return values;
      },
      send: async (method, path, token, _version, body) => {
        // A token may look at itself and end itself; that is nobody else's.
        const own: Record<string, string> = path === '/v3/auth/tokens' && token !== null ? { 'x-subject-token': method === 'DELETE' ? 'none' : token } : {};
        return (await cloud.request(method, path, { ...(token !== null && { token }), ...(body !== undefined && { body }), headers: own })).status;
      },
    });
  }, 400_000);
  afterAll(() => cloud.stop());

  it('is let through where the table says', () => {
    const { agreed, served } = policyTable(TABLE, walked);
    expect(served).toEqual(agreed);
  });

  it('needs a token but for versions, certificates and what proves who asks', () => {
    expect(openTo(walked, 'no-token').map(({ route }) => route).filter((route) => !PROVING.has(route))).toEqual(OPEN);
  });
  it('cannot change anything as a reader, whatever the scope', () => {
    expect(changedBy(walked, 'system-reader', 'domain-reader', 'reader').filter(({ route }) => !PROVING.has(route))).toEqual([]);
  });
  it('lets a manager of another domain do nothing that a reader of no domain could not', () => {
    expect(changedBy(walked, 'other-domain-manager').filter(({ route }) => !PROVING.has(route))).toEqual([]);
  });
});
