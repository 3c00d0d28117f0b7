import { PASSWORDS, passwordLogin, projectScope, startTestCloud, type Answer, type TestCloud } from './testing/test-cloud';

/* Roles, assignments, catalog and application credentials over HTTP. */
describe('access', () => {
  let cloud: TestCloud;
  let admin: string;
  const roles: Record<string, string> = {};
  const users: Record<string, string> = {};
  const projects: Record<string, string> = {};
  const get = (path: string, token = admin) => cloud.request('GET', `/v3/${path}`, { token });
  const post = (path: string, body: unknown, token = admin) => cloud.request('POST', `/v3/${path}`, { token, body });
  const patch = (path: string, body: unknown, token = admin) => cloud.request('PATCH', `/v3/${path}`, { token, body });
  const put = (path: string, token = admin) => cloud.request('PUT', `/v3/${path}`, { token });
  const del = (path: string, token = admin) => cloud.request('DELETE', `/v3/${path}`, { token });
  const names = (items: { name: string }[]): string[] => items.map(({ name }) => name).sort();
  const tryLogin = (user: string, password: string, scope?: unknown): Promise<Answer> => cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin(user, password, scope) });

  beforeAll(async () => {
    cloud = await startTestCloud('identity_access');
    admin = await cloud.admin();
    for (const { id, name } of (await get('roles')).body.roles) roles[name] = id;
    for (const { id, name } of (await get('users')).body.users) users[name] = id;
    for (const { id, name } of (await get('projects')).body.projects) projects[name] = id;
  });
  afterAll(() => cloud.stop());

  describe('roles', () => {
    test('life of a role; those of the bootstrap cannot be changed', async () => {
      const { role } = (await post('roles', { role: { name: 'operator', description: 'd' } })).body;
      expect(role).toEqual({ id: role.id, name: 'operator', domain_id: null, description: 'd', options: {}, links: { self: `${cloud.url}/v3/roles/${role.id}` } });
      expect((await post('roles', { role: { name: 'operator' } })).body.error.message).toBe('Conflict occurred attempting to store role - Duplicate entry found with name operator.');
      expect((await patch(`roles/${role.id}`, { role: { name: 'operator2' } })).body.role.name).toBe('operator2');
      expect(names((await get('roles')).body.roles)).toEqual(['admin', 'manager', 'member', 'operator2', 'reader', 'service']);
      expect((await del(`roles/${role.id}`)).status).toBe(204);
      expect((await get(`roles/${role.id}`)).status).toBe(404);
      expect((await get(`roles/${roles['admin']}`)).body.role.options).toEqual({ immutable: true });
      expect((await del(`roles/${roles['admin']}`)).status).toBe(403);
      expect((await patch(`roles/${roles['admin']}`, { role: { name: 'x' } })).status).toBe(403);
    });

    test('a role of a domain is listed there, may bear a global name, and is no role of tokens', async () => {
      const { role } = (await post('roles', { role: { name: 'member', domain_id: 'default' } })).body;
      expect((await get('roles?domain_id=default')).body.roles).toEqual([role]);
      expect((await get('roles?name=member')).body.roles).toHaveLength(1);
      const { user } = (await post('users', { user: { name: 'local', password: 'pw' } })).body;
      expect((await put(`projects/${projects['demo']}/users/${user.id}/roles/${role.id}`)).status).toBe(204);
      expect((await tryLogin('local', 'pw', projectScope('demo'))).status).toBe(401);
      expect((await put(`roles/${role.id}/implies/${roles['reader']}`)).status).toBe(201);
      expect(names((await tryLogin('local', 'pw', projectScope('demo'))).body.token.roles)).toEqual(['reader']);
      const effective = (await get(`role_assignments?effective&include_names&user.id=${user.id}`)).body.role_assignments;
      expect(names(effective.map((item: { role: { name: string } }) => item.role))).toEqual(['reader']);
      expect((await put(`roles/${roles['reader']}/implies/${role.id}`)).status).toBe(403);
    });

    test('implied roles: in tokens at once, gone from them at once', async () => {
      const make = async (name: string): Promise<string> => (await post('roles', { role: { name } })).body.role.id;
      const [prior, implied] = [await make('prior'), await make('implied')];
      expect((await get(`roles/${prior}/implies/${implied}`)).status).toBe(404);
      const made = await put(`roles/${prior}/implies/${implied}`);
      expect(made.status).toBe(201);
      expect(made.body.role_inference).toMatchObject({ prior_role: { id: prior, name: 'prior' }, implies: { id: implied, name: 'implied' } });
      expect((await get(`roles/${prior}/implies`)).body.role_inference.implies).toHaveLength(1);
      expect((await cloud.request('HEAD', `/v3/roles/${prior}/implies/${implied}`, { token: admin })).status).toBe(204);
      expect((await get(`roles/${prior}/implies/${implied}`)).status).toBe(200);
      const chain = (await get('role_inferences')).body.role_inferences.find((rule: { prior_role: { name: string } }) => rule.prior_role.name === 'admin');
      expect(names(chain.implies)).toEqual(['manager']);
      expect((await put(`roles/${prior}/implies/${roles['admin']}`)).status).toBe(403);
      const { user } = (await post('users', { user: { name: 'implier', password: 'pw' } })).body;
      await put(`projects/${projects['demo']}/users/${user.id}/roles/${prior}`);
      const login = await tryLogin('implier', 'pw', projectScope('demo'));
      expect(names(login.body.token.roles)).toEqual(['implied', 'prior']);
      expect((await del(`roles/${prior}/implies/${implied}`)).status).toBe(204);
      expect((await get('auth/projects', login.headers.get('x-subject-token')!)).status).toBe(401);
      expect((await del(`roles/${prior}/implies/${implied}`)).status).toBe(404);
      expect(names((await tryLogin('implier', 'pw', projectScope('demo'))).body.token.roles)).toEqual(['prior']);
    });
  });

  describe('assignments', () => {
    test('give, ask, list, take; the taking is effective at once and in that project only', async () => {
      const { user } = (await post('users', { user: { name: 'holder', password: 'pw' } })).body;
      const place = (project: string) => `projects/${projects[project]}/users/${user.id}/roles/${roles['member']}`;
      expect((await get(place('demo'))).body.error.message).toBe(
        `Could not find role assignment with role: ${roles['member']}, user or group: ${user.id}, project, domain, or system: ${projects['demo']}.`);
      for (const project of ['demo', 'service']) expect((await put(place(project))).status).toBe(204);
      expect((await put(place('demo'))).status).toBe(204);
      expect((await cloud.request('HEAD', `/v3/${place('demo')}`, { token: admin })).status).toBe(204);
      expect(names((await get(`projects/${projects['demo']}/users/${user.id}/roles`)).body.roles)).toEqual(['member']);
      const [demo, service] = [await cloud.login('holder', 'pw', projectScope('demo')), await cloud.login('holder', 'pw', projectScope('service'))];
      expect((await del(place('demo'))).status).toBe(204);
      expect((await get('auth/projects', demo)).status).toBe(401);
      expect((await get('auth/projects', service)).body.projects).toHaveLength(1);
      expect((await tryLogin('holder', 'pw', projectScope('demo'))).status).toBe(401);
      expect((await del(place('demo'))).status).toBe(404);
      expect((await put(place('demo'))).status).toBe(204);
      const again = await cloud.login('holder', 'pw', projectScope('demo'));
      expect((await get('auth/projects', again)).status).toBe(200);
    });

    test.each([
      ['role', 'projects/P/users/U/roles/nosuch', 'Could not find role: nosuch.'],
      ['user', 'projects/P/users/nosuch/roles/R', 'Could not find user: nosuch.'],
      ['group', 'projects/P/groups/nosuch/roles/R', 'Could not find group: nosuch.'],
      ['project', 'projects/nosuch/users/U/roles/R', 'Could not find project: nosuch.'],
      ['domain', 'domains/nosuch/users/U/roles/R', 'Could not find domain: nosuch.'],
      ['user on the system', 'system/users/nosuch/roles/R', 'Could not find user: nosuch.'],
    ])('404 for an unknown %s', async (_, path, sentence) => {
      const full = path.replace('P', projects['demo']!).replace('U', users['demo']!).replace('R', roles['member']!);
      const answer = await put(full);
      expect({ status: answer.status, message: answer.body.error.message }).toEqual({ status: 404, message: sentence });
    });

    test('through a group; leaving it is effective at once', async () => {
      const { group } = (await post('groups', { group: { name: 'team' } })).body;
      const { user } = (await post('users', { user: { name: 'player', password: 'pw' } })).body;
      await put(`projects/${projects['demo']}/groups/${group.id}/roles/${roles['member']}`);
      expect((await tryLogin('player', 'pw', projectScope('demo'))).status).toBe(401);
      await put(`groups/${group.id}/users/${user.id}`);
      const token = await cloud.login('player', 'pw', projectScope('demo'));
      expect(names((await get('auth/projects', token)).body.projects)).toEqual(['demo']);
      const effective = (await get(`role_assignments?effective&include_names&user.id=${user.id}`)).body.role_assignments;
      expect(effective.map((item: { role: { name: string } }) => item.role.name).sort()).toEqual(['member', 'reader']);
      expect(effective[0].links.membership).toBe(`${cloud.url}/v3/groups/${group.id}/users/${user.id}`);
      await del(`groups/${group.id}/users/${user.id}`);
      expect((await get('auth/projects', token)).status).toBe(401);
      await put(`groups/${group.id}/users/${user.id}`);
      const second = await cloud.login('player', 'pw', projectScope('demo'));
      await del(`projects/${projects['demo']}/groups/${group.id}/roles/${roles['member']}`);
      expect((await get('auth/projects', second)).status).toBe(401);
    });

    test('inherited from a domain and from a project above', async () => {
      const { domain } = (await post('domains', { domain: { name: 'heirs' } })).body;
      const make = async (name: string, parent_id?: string): Promise<string> => (await post('projects', { project: { name, domain_id: domain.id, parent_id } })).body.project.id;
      const top = await make('top');
      const low = await make('low', await make('mid', top));
      const { user } = (await post('users', { user: { name: 'heir', password: 'pw' } })).body;
      const scope = (id: string) => ({ project: { id } });
      const place = `OS-INHERIT/projects/${top}/users/${user.id}/roles/${roles['member']}/inherited_to_projects`;
      expect((await put(place)).status).toBe(204);
      expect((await get(place)).status).toBe(204);
      expect((await tryLogin('heir', 'pw', scope(top))).status).toBe(401);
      expect((await tryLogin('heir', 'pw', scope(low))).status).toBe(201);
      expect(names((await get(`users/${user.id}/projects`)).body.projects)).toEqual(['low', 'mid']);
      expect(names((await get(`OS-INHERIT/projects/${top}/users/${user.id}/roles/inherited_to_projects`)).body.roles)).toEqual(['member']);
      const token = await cloud.login('heir', 'pw', scope(low));
      expect((await del(place)).status).toBe(204);
      expect((await get('auth/projects', token)).status).toBe(401);
      await put(`OS-INHERIT/domains/${domain.id}/users/${user.id}/roles/${roles['reader']}/inherited_to_projects`);
      expect(names((await tryLogin('heir', 'pw', scope(top))).body.token.roles)).toEqual(['reader']);
      expect((await tryLogin('heir', 'pw', { domain: { id: domain.id } })).status).toBe(401);
      const effective = (await get(`role_assignments?effective&user.id=${user.id}`)).body.role_assignments;
      expect(effective).toHaveLength(3);
      expect(effective[0].scope['OS-INHERIT:inherited_to']).toBe('projects');
    });

    test('role_assignments: with names, and by every filter', async () => {
      const all = (await get('role_assignments?include_names')).body.role_assignments as { links: { assignment: string }; scope: { project?: { name: string } }; user: { name: string } }[];
      const demo = all.find(({ user, scope }) => user?.name === 'demo' && scope.project?.name === 'demo');
      expect(demo).toEqual({
        links: { assignment: `${cloud.url}/v3/projects/${projects['demo']}/users/${users['demo']}/roles/${roles['member']}` },
        scope: { project: { id: projects['demo'], name: 'demo', domain: { id: 'default', name: 'Default' } } },
        user: { id: users['demo'], name: 'demo', domain: { id: 'default', name: 'Default' } },
        role: { id: roles['member'], name: 'member' },
      });
      const count = async (query: string): Promise<number> => (await get(`role_assignments?${query}`)).body.role_assignments.length;
      expect(await count(`user.id=${users['demo']}`)).toBe(1);
      expect(await count(`role.id=${roles['service']}`)).toBe(1);
      expect(await count('scope.system=all')).toBe(1);
      expect(await count(`effective&scope.system=all`)).toBe(4);
      expect(await count(`scope.project.id=${projects['admin']}`)).toBe(1);
      expect(await count(`user.id=${users['demo']}&effective&role.id=${roles['reader']}`)).toBe(1);
      expect(await count('user.id=nosuch')).toBe(0);
      expect((await get('role_assignments?user.id=a&group.id=b')).status).toBe(400);
      expect((await get('role_assignments?effective&group.id=b')).status).toBe(400);
      const own = await cloud.demo();
      expect((await get(`role_assignments?user.id=${users['demo']}`, own)).body.role_assignments).toHaveLength(1);
      expect((await get('role_assignments', own)).status).toBe(403);
      expect((await get(`role_assignments?user.id=${users['admin']}`, own)).status).toBe(403);
    });

    test('deleting a role takes it from its holders, and from those whose roles imply it', async () => {
      const { role } = (await post('roles', { role: { name: 'shortlived' } })).body;
      const { user } = (await post('users', { user: { name: 'short', password: 'pw' } })).body;
      await put(`projects/${projects['demo']}/users/${user.id}/roles/${role.id}`);
      const token = await cloud.login('short', 'pw', projectScope('demo'));
      expect((await del(`roles/${role.id}`)).status).toBe(204);
      expect((await get('auth/projects', token)).status).toBe(401);
      expect((await tryLogin('short', 'pw', projectScope('demo'))).status).toBe(401);
    });

    test('assignments that race with the deletion of their user or project leave nothing behind', async () => {
      for (let round = 0; round < 8; round++) {
        const { user } = (await post('users', { user: { name: `fleeting ${round}` } })).body;
        const { project } = (await post('projects', { project: { name: `fleeting ${round}` } })).body;
        const place = `projects/${project.id}/users/${user.id}/roles`;
        const gone = round % 2 === 0 ? `users/${user.id}` : `projects/${project.id}`;
        const answers = await Promise.all([put(`${place}/${roles['member']}`), del(gone), put(`${place}/${roles['reader']}`), put(`${place}/${roles['manager']}`)]);
        for (const { status } of answers) expect([204, 404]).toContain(status);
        expect(answers[1]!.status).toBe(204);
        const left = await cloud.db.selectFrom('role_assignments').selectAll().where((where) => where.or([where('actor_id', '=', user.id), where('target_id', '=', project.id)])).execute();
        expect(left).toEqual([]);
      }
    });

    test('a login that races with the taking of its role never keeps it', async () => {
      const { user } = (await post('users', { user: { name: 'quick', password: 'pw' } })).body;
      const place = `projects/${projects['demo']}/users/${user.id}/roles/${roles['member']}`;
      const base = await cloud.login('quick', 'pw');
      for (let round = 0; round < 10; round++) {
        await put(place);
        const byToken = () => cloud.request('POST', '/v3/auth/tokens', { body: { auth: { identity: { methods: ['token'], token: { id: base } }, scope: projectScope('demo') } } });
        const logins = Array.from({ length: 6 }, byToken);
        const taken = del(place);
        const tokens = (await Promise.all(logins)).filter(({ status }) => status === 201).map(({ headers }) => headers.get('x-subject-token')!);
        expect((await taken).status).toBe(204);
        for (const token of tokens) expect((await get('auth/projects', token)).status).toBe(401);
      }
    });
  });

  describe('the catalog', () => {
    test('regions, services and endpoints: life, errors, and what tokens show of them', async () => {
      expect((await post('regions', { region: { id: 'Süd/1', description: 'd' } })).body.region).toEqual({
        id: 'Süd/1', description: 'd', parent_region_id: null, links: { self: `${cloud.url}/v3/regions/S%C3%BCd%2F1` },
      });
      const region = 'regions/S%C3%BCd%2F1';
      expect((await post('regions', { region: { id: 'Süd/1' } })).status).toBe(409);
      expect((await post('regions', { region: { id: 'sub', parent_region_id: 'nosuch' } })).status).toBe(404);
      expect((await cloud.request('PUT', `/v3/regions/${'a'.repeat(256)}`, { token: admin, body: { region: {} } })).status).toBe(400);
      expect((await post('regions', { region: { id: 'sub', parent_region_id: 'Süd/1' } })).status).toBe(201);
      expect((await patch(region, { region: { parent_region_id: 'sub' } })).status).toBe(400);
      expect((await get('regions?parent_region_id=S%C3%BCd%2F1')).body.regions).toHaveLength(1);
      expect((await del(region)).status).toBe(409);
      expect((await del('regions/sub')).status).toBe(204);

      const { service } = (await post('services', { service: { type: 'object-store', name: 'swift' } })).body;
      expect(service).toEqual({ id: service.id, type: 'object-store', name: 'swift', enabled: true, links: { self: `${cloud.url}/v3/services/${service.id}` } });
      expect((await post('services', { service: { name: 'typeless' } })).status).toBe(400);
      const wrong = { interface: 'public', url: 'http://s/v1/$(project_id)s', service_id: service.id };
      expect((await post('endpoints', { endpoint: { ...wrong, interface: 'secret' } })).status).toBe(400);
      expect((await post('endpoints', { endpoint: { ...wrong, url: 'no url' } })).status).toBe(400);
      expect((await post('endpoints', { endpoint: { ...wrong, service_id: 'nosuch' } })).status).toBe(404);
      expect((await post('endpoints', { endpoint: { ...wrong, region_id: 'nosuch' } })).status).toBe(400);
      const { endpoint } = (await post('endpoints', { endpoint: { ...wrong, region_id: 'Süd/1' } })).body;
      expect(endpoint).toEqual({
        id: endpoint.id, interface: 'public', region_id: 'Süd/1', region: 'Süd/1', service_id: service.id, url: 'http://s/v1/$(project_id)s', enabled: true,
        links: { self: `${cloud.url}/v3/endpoints/${endpoint.id}` },
      });
      expect((await get(`endpoints?service_id=${service.id}&interface=public`)).body.endpoints).toEqual([endpoint]);
      expect((await del(region)).status).toBe(409);

      const shown = async (token: string) => ((await get('auth/catalog', token)).body.catalog as { name: string; endpoints: { url: string }[] }[]).find(({ name }) => name === 'swift');
      const demo = await cloud.demo();
      expect((await shown(demo))?.endpoints.map(({ url }) => url)).toEqual([`http://s/v1/${projects['demo']}`]);
      expect((await shown(await cloud.login('admin', PASSWORDS.admin, { system: { all: true } })))?.endpoints).toEqual([]);
      expect((await get('auth/catalog', await cloud.login('admin', PASSWORDS.admin))).status).toBe(403);
      await patch(`endpoints/${endpoint.id}`, { endpoint: { enabled: false } });
      expect((await shown(demo))?.endpoints).toEqual([]);
      await patch(`services/${service.id}`, { service: { enabled: false } });
      expect(await shown(demo)).toBeUndefined();
      expect((await del(`services/${service.id}`)).status).toBe(204);
      expect((await get(`endpoints/${endpoint.id}`)).status).toBe(404);
      expect((await del(region)).status).toBe(204);
      expect((await get('regions', demo)).status).toBe(200);
      expect((await get('services', demo)).status).toBe(403);
    });
  });

  describe('application credentials', () => {
    const base = () => `users/${users['demo']}/application_credentials`;
    const use = (application_credential: unknown, scope?: unknown) =>
      cloud.request('POST', '/v3/auth/tokens', { body: { auth: { identity: { methods: ['application_credential'], application_credential }, ...(scope !== undefined && { scope }) } } });

    test('make, use by id and by name, list without the secret, delete: its tokens are void', async () => {
      const demo = await cloud.demo();
      const made = await post(base(), { application_credential: { name: 'ac1' } }, demo);
      expect(made.status).toBe(201);
      const { application_credential: credential } = made.body;
      expect(credential).toMatchObject({ name: 'ac1', description: null, user_id: users['demo'], project_id: projects['demo'], system: null, expires_at: null, unrestricted: false });
      expect(names(credential.roles)).toEqual(['member', 'reader']);
      expect(credential.secret.length).toBeGreaterThan(80);
      expect((await post(base(), { application_credential: { name: 'ac1' } }, demo)).status).toBe(409);
      expect(JSON.stringify((await get(base(), demo)).body)).not.toMatch(/secret/);
      expect((await get(`${base()}?name=ac1`, demo)).body.application_credentials).toHaveLength(1);

      const byId = await use({ id: credential.id, secret: credential.secret });
      expect(byId.status).toBe(201);
      expect(byId.body.token).toMatchObject({ methods: ['application_credential'], project: { name: 'demo' }, application_credential: { id: credential.id, name: 'ac1', restricted: true } });
      expect(byId.body.token.audit_ids).toHaveLength(1);
      const byName = await use({ name: 'ac1', secret: credential.secret, user: { name: 'demo', domain: { id: 'default' } } });
      expect(byName.status).toBe(201);
      const token = byId.headers.get('x-subject-token')!;
      expect((await cloud.request('GET', '/v3/auth/tokens', { token, headers: { 'x-subject-token': token } })).body).toEqual(byId.body);
      expect((await use({ id: credential.id, secret: 'wrong' })).status).toBe(401);
      expect((await use({ id: 'nosuch', secret: credential.secret })).status).toBe(401);
      expect((await use({ id: credential.id, secret: credential.secret, user: { id: users['admin'] } })).status).toBe(401);
      expect((await use({ id: credential.id, secret: credential.secret }, { system: { all: true } })).status).toBe(401);

      const derived = await cloud.request('POST', '/v3/auth/tokens', { body: { auth: { identity: { methods: ['token'], token: { id: token } } } } });
      expect(derived.body.token).toMatchObject({ methods: ['application_credential', 'token'], project: { name: 'demo' }, expires_at: byId.body.token.expires_at });
      expect((await cloud.request('POST', '/v3/auth/tokens', { body: { auth: { identity: { methods: ['token'], token: { id: token } }, scope: { unscoped: {} } } } })).status).toBe(401);

      expect((await post(base(), { application_credential: { name: 'by itself' } }, token)).status).toBe(403);
      expect((await del(`${base()}/${credential.id}`, token)).status).toBe(403);
      expect((await del(`${base()}/${credential.id}`, demo)).status).toBe(204);
      for (const void_ of [token, byName.headers.get('x-subject-token')!, derived.headers.get('x-subject-token')!]) expect((await get('auth/projects', void_)).status).toBe(401);
      expect((await get('auth/projects', demo)).status).toBe(200);
      expect((await use({ id: credential.id, secret: credential.secret })).status).toBe(401);
    });

    test('with fewer roles, with an end, and unrestricted', async () => {
      const demo = await cloud.demo();
      const narrow = (await post(base(), { application_credential: { name: 'narrow', roles: [{ name: 'reader' }], secret: 'mine', unrestricted: true } }, demo)).body.application_credential;
      expect(narrow.secret).toBe('mine');
      const login = await use({ id: narrow.id, secret: 'mine' });
      expect(names(login.body.token.roles)).toEqual(['reader']);
      const token = login.headers.get('x-subject-token')!;
      expect((await post(base(), { application_credential: { name: 'made by another' } }, token)).status).toBe(201);
      expect((await post(base(), { application_credential: { name: 'more', roles: [{ name: 'member' }] } }, token)).status).toBe(400);
      const soon = new Date(Date.now() + 600_000).toISOString().slice(0, 19);
      const ends = (await post(base(), { application_credential: { name: 'ends', expires_at: soon } }, demo)).body.application_credential;
      expect(ends.expires_at).toBe(`${soon}.000000`);
      const fine = (await post(base(), { application_credential: { name: 'fine', expires_at: `${soon}.414307` } }, demo)).body.application_credential;
      expect(fine.expires_at).toBe(`${soon}.414307`);
      expect((await use({ id: ends.id, secret: ends.secret })).body.token.expires_at).toBe(`${soon}.000000Z`);
      await cloud.db.updateTable('application_credentials').set({ expires_at: (Date.now() - 1) * 1000 }).where('id', '=', ends.id).execute();
      expect((await use({ id: ends.id, secret: ends.secret })).status).toBe(401);
    });

    test('a role that was given after the token was issued may be chosen', async () => {
      const { user } = (await post('users', { user: { name: 'grower', password: 'pw' } })).body;
      await put(`projects/${projects['demo']}/users/${user.id}/roles/${roles['reader']}`);
      const token = await cloud.login('grower', 'pw', projectScope('demo'));
      await put(`projects/${projects['demo']}/users/${user.id}/roles/${roles['member']}`);
      const path = `users/${user.id}/application_credentials`;
      expect(names((await post(path, { application_credential: { name: 'new', roles: [{ id: roles['member'] }] } }, token)).body.application_credential.roles)).toEqual(['member']);
      expect(names((await post(path, { application_credential: { name: 'own' } }, token)).body.application_credential.roles)).toEqual(['reader']);
    });

    test.each([
      ['unknown property', { name: 'x', colour: 'blue' }, 400],
      ['a past end', { name: 'x', expires_at: '2020-01-01T00:00:00' }, 400],
      ['an end that is none', { name: 'x', expires_at: 'tomorrow' }, 400],
      ['a role one does not hold', { name: 'x', roles: [{ name: 'admin' }] }, 400],
      ['another project', { name: 'x', project_id: 'other' }, 400],
      ['no name', {}, 400],
      ['overlong secret', { name: 'x', secret: 's'.repeat(4097) }, 400],
    ])('refused: %s', async (_, application_credential, status) => {
      expect((await post(base(), { application_credential }, await cloud.demo())).status).toBe(status);
    });

    test('only for oneself; an admin may look and delete', async () => {
      expect((await post(base(), { application_credential: { name: 'for another' } })).status).toBe(403);
      const demo = await cloud.demo();
      const { id } = (await post(base(), { application_credential: { name: 'seen' } }, demo)).body.application_credential;
      expect((await get(`users/${users['admin']}/application_credentials`, demo)).status).toBe(403);
      expect((await get(`users/${users['admin']}/application_credentials/${id}`)).status).toBe(404);
      expect((await get(`${base()}/${id}`)).status).toBe(200);
      expect((await del(`${base()}/${id}`)).status).toBe(204);
      expect((await get(`${base()}/${id}`)).body.error.message).toBe(`Could not find Application Credential: ${id}.`);
    });

    test('a credential gives no role that its user has lost', async () => {
      const { user } = (await post('users', { user: { name: 'loser', password: 'pw' } })).body;
      const place = `projects/${projects['demo']}/users/${user.id}/roles/${roles['member']}`;
      await put(place);
      const token = await cloud.login('loser', 'pw', projectScope('demo'));
      const { id, secret } = (await post(`users/${user.id}/application_credentials`, { application_credential: { name: 'c' } }, token)).body.application_credential;
      expect((await use({ id, secret })).status).toBe(201);
      await del(place);
      expect((await use({ id, secret })).status).toBe(401);
    });
  });
});
