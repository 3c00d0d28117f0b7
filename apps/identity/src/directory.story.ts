import { PASSWORDS, passwordLogin, projectScope, startTestCloud, type TestCloud } from './testing/test-cloud';

/* Domains, projects, users and groups over HTTP. */
describe('the directory', () => {
  let cloud: TestCloud;
  let admin: string;
  beforeAll(async () => { cloud = await startTestCloud('identity_directory'); admin = await cloud.admin(); });
  afterAll(() => cloud.stop());

  const get = (path: string, token = admin) => cloud.request('GET', `/v3/${path}`, { token });
  const post = (path: string, body: unknown, token = admin) => cloud.request('POST', `/v3/${path}`, { token, body });
  const patch = (path: string, body: unknown, token = admin) => cloud.request('PATCH', `/v3/${path}`, { token, body });
  const put = (path: string, body?: unknown, token = admin) => cloud.request('PUT', `/v3/${path}`, { token, ...(body !== undefined && { body }) });
  const del = (path: string, token = admin) => cloud.request('DELETE', `/v3/${path}`, { token });

  describe('projects', () => {
    test('life of a project', async () => {
      const made = await post('projects', { project: { name: 'gold', domain_id: 'default', description: 'x' } });
      expect(made.status).toBe(201);
      const { id } = made.body.project;
      expect(made.body.project).toEqual({
        id: expect.stringMatching(/^[0-9a-f]{32}$/), name: 'gold', domain_id: 'default', description: 'x', enabled: true, parent_id: 'default', is_domain: false,
        tags: [], options: {}, links: { self: `${cloud.url}/v3/projects/${id}` },
      });
      expect((await get(`projects/${id}`)).body).toEqual(made.body);
      expect((await get('projects?name=gold')).body).toEqual({
        projects: [made.body.project], links: { next: null, self: `${cloud.url}/v3/projects?name=gold`, previous: null },
      });
      const again = await post('projects', { project: { name: 'gold', domain_id: 'default' } });
      expect(again.status).toBe(409);
      expect(again.body.error.message).toMatch(/^Conflict occurred attempting to store project - it is not permitted .*: name is gold, project id [0-9a-f]{32}\.$/);
      const changed = await patch(`projects/${id}`, { project: { description: 'y', colour: 'blue' } });
      expect(changed.status).toBe(200);
      expect(changed.body.project).toMatchObject({ description: 'y', colour: 'blue', extra: { colour: 'blue' } });
      expect((await get(`projects/${id}`)).body.project).toMatchObject({ description: 'y', colour: 'blue' });
      expect((await del(`projects/${id}`)).status).toBe(204);
      const gone = await get(`projects/${id}`);
      expect(gone.body).toEqual({ error: { code: 404, message: `Could not find project: ${id}.`, title: 'Not Found' } });
      expect((await del(`projects/${id}`)).status).toBe(404);
    });

    test.each([
      ['no name', { project: { domain_id: 'default' } }, 400, /'name' is a required property/],
      ['no project', { name: 'x' }, 400, /'project' is a required property/],
      ['name of another type', { project: { name: 5 } }, 400, /5 is not of type 'string'/],
      ['empty name', { project: { name: '' } }, 400, /too short/],
      ['blank name', { project: { name: '   ' } }, 400, /does not match/],
      ['overlong name', { project: { name: 'n'.repeat(65) } }, 400, /too long/],
      ['NUL in the name', { project: { name: 'a\u0000b' } }, 400, /text/],
      ['half a surrogate pair in the name', { project: { name: 'a\ud800b' } }, 400, /valid JSON/],
      ['enabled as text', { project: { name: 'x', enabled: 'yes' } }, 400, /'yes' is not of type 'boolean'/],
      ['unknown option', { project: { name: 'x', options: { fast: true } } }, 400, /'fast' was unexpected/],
      ['unknown domain', { project: { name: 'x', domain_id: 'nosuch' } }, 404, /Could not find domain: nosuch/],
      ['unknown parent', { project: { name: 'x', parent_id: 'nosuch' } }, 404, /Could not find project: nosuch/],
      ['a list', [{ project: { name: 'x' } }], 400, /project|object/],
      ['a tag with a comma', { project: { name: 'x', tags: ['a,b'] } }, 400, /does not match/],
      ['__proto__', JSON.parse('{"project": {"name": "x", "__proto__": {"enabled": false}}}'), 400, /./],
    ])('refused: %s', async (_, body, status, sentence) => {
      const before = (await get('projects')).body.projects.length;
      const answer = await post('projects', body);
      expect(answer.status).toBe(status);
      expect(answer.body.error).toMatchObject({ code: status, message: expect.stringMatching(sentence) });
      expect((await get('projects')).body.projects).toHaveLength(before);
    });

    test('names of any alphabet, told apart by code point', async () => {
      const names = ['проект', '專案', 'مشروع', '\u{1F680}', '\u{1F681}', 'Straße', 'STRASSE', 'x'.repeat(64), '\u{1F600}'.repeat(32)];
      for (const name of names) {
        const { status, body } = await post('projects', { project: { name } });
        expect({ name, status }).toEqual({ name, status: 201 });
        const found = await get(`projects?name=${encodeURIComponent(name)}`);
        expect(found.body.projects.map((project: { id: string }) => project.id)).toEqual([body.project.id]);
      }
    });

    test('filters, inexact ones too, and pages', async () => {
      for (const name of ['page-a', 'page-b', 'page-c', 'p%ge']) await post('projects', { project: { name, enabled: name !== 'page-b' } });
      const names = async (query: string): Promise<string[]> => (await get(`projects?${query}`)).body.projects.map(({ name }: { name: string }) => name).sort();
      expect(await names('name__startswith=page-')).toEqual(['page-a', 'page-b', 'page-c']);
      expect(await names('name__contains=%25')).toEqual(['p%ge']);
      expect(await names('name__icontains=AGE-')).toEqual(['page-a', 'page-b', 'page-c']);
      expect(await names('name__startswith=page-&enabled=False')).toEqual(['page-b']);
      expect(await names('name__startswith=page-&enabled')).toEqual(['page-a', 'page-c']);
      expect(await names('parent_id=default&name=page-a')).toEqual(['page-a']);
      expect(await names('domain_id=nosuch')).toEqual([]);
      const seen: string[] = [];
      for (let path: string | null = '/v3/projects?name__startswith=page-&limit=2'; path !== null;) {
        const { body } = await cloud.request('GET', path, { token: admin });
        expect(body.projects.length).toBeLessThanOrEqual(2);
        seen.push(...body.projects.map(({ name }: { name: string }) => name));
        path = body.links.next === null ? null : (body.links.next as string).replace(cloud.url, '');
      }
      expect(seen.sort()).toEqual(['page-a', 'page-b', 'page-c']);
      expect((await get('projects?limit=zwei')).status).toBe(400);
    });

    test('tags', async () => {
      const { id } = (await post('projects', { project: { name: 'tagged', tags: ['red', 'blue'] } })).body.project;
      expect((await get(`projects/${id}`)).body.project.tags).toEqual(['blue', 'red']);
      expect((await put(`projects/${id}/tags/gr%C3%BCn`)).status).toBe(201);
      expect((await get(`projects/${id}/tags`)).body.tags).toEqual(['blue', 'grün', 'red']);
      expect((await get(`projects/${id}/tags/red`)).status).toBe(204);
      expect((await del(`projects/${id}/tags/red`)).status).toBe(204);
      expect((await get(`projects/${id}/tags/red`)).status).toBe(404);
      expect((await put(`projects/${id}/tags`, { tags: ['one', 'two'] })).body.tags).toEqual(['one', 'two']);
      const ids = async (query: string) => (await get(`projects?${query}`)).body.projects.map((project: { id: string }) => project.id);
      expect(await ids('tags=one,two')).toEqual([id]);
      expect(await ids('tags=one,three')).toEqual([]);
      expect(await ids('tags-any=one,three')).toEqual([id]);
      expect(await ids('not-tags-any=one')).not.toContain(id);
      expect((await del(`projects/${id}/tags`)).status).toBe(204);
      expect((await get(`projects/${id}/tags`)).body.tags).toEqual([]);
    });

    test('a tree: parents and subtree; no way to cut or close it in the middle', async () => {
      const make = async (name: string, parent_id?: string): Promise<string> => (await post('projects', { project: { name, parent_id } })).body.project.id;
      const top = await make('top');
      const mid = await make('mid', top);
      const leaf = await make('leaf', mid);
      expect((await get(`projects/${leaf}?parents_as_ids`)).body.project.parents).toEqual({ [mid]: { [top]: null } });
      expect((await get(`projects/${top}?subtree_as_ids`)).body.project.subtree).toEqual({ [mid]: { [leaf]: null } });
      expect((await get(`projects/${top}?subtree_as_list`)).body.project.subtree.map(({ project }: { project: { id: string } }) => project.id)).toEqual([mid, leaf]);
      expect((await del(`projects/${mid}`)).status).toBe(403);
      expect((await patch(`projects/${mid}`, { project: { enabled: false } })).status).toBe(403);
      expect((await patch(`projects/${leaf}`, { project: { parent_id: top } })).status).toBe(403);
      const deeper = await make('deeper', leaf);
      expect((await post('projects', { project: { name: 'deepest', parent_id: await make('deep', deeper) } })).status).toBe(403);
    });

    test('an immutable project stays as it is until it is mutable', async () => {
      const { id } = (await post('projects', { project: { name: 'stone', options: { immutable: true } } })).body.project;
      expect((await patch(`projects/${id}`, { project: { description: 'no' } })).status).toBe(403);
      expect((await del(`projects/${id}`)).status).toBe(403);
      expect((await patch(`projects/${id}`, { project: { options: { immutable: false } } })).status).toBe(200);
      expect((await del(`projects/${id}`)).status).toBe(204);
    });
  });

  describe('users', () => {
    test('life of a user; the password is nowhere', async () => {
      const made = await post('users', { user: { name: 'gold', domain_id: 'default', password: 'first', default_project_id: 'abc', email: 'g@example.org' } });
      expect(made.status).toBe(201);
      const { id } = made.body.user;
      expect(made.body.user).toEqual({
        id, name: 'gold', domain_id: 'default', enabled: true, default_project_id: 'abc', password_expires_at: null, options: {}, email: 'g@example.org',
        links: { self: `${cloud.url}/v3/users/${id}` },
      });
      expect((await get('users?name=gold')).body.users).toEqual([made.body.user]);
      const taken = await post('users', { user: { name: 'gold', domain_id: 'default' } });
      expect(taken.body.error.message).toBe('Conflict occurred attempting to store user - Duplicate entry found with name gold at domain ID default.');
      await patch(`users/${id}`, { user: { original_password: 'leak', password_hash: 'leak', name: 'gold2' } });
      const stored = await cloud.db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
      expect(stored.name).toBe('gold2');
      expect(JSON.stringify(stored)).not.toMatch(/leak|first/);
      expect((await del(`users/${id}`)).status).toBe(204);
      expect((await get(`users/${id}`)).body.error.message).toBe(`Could not find user: ${id}.`);
    });

    test('a user without a password cannot log in with any', async () => {
      await post('users', { user: { name: 'bare' } });
      for (const password of ['', 'null', 'undefined']) expect((await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('bare', password) })).status).toBe(401);
    });

    test('the default project is the scope when none is asked for, as long as it can be', async () => {
      const project = (await get('projects?name=demo')).body.projects[0].id;
      const { id } = (await post('users', { user: { name: 'usual', password: 'pw', default_project_id: project } })).body.user;
      const scope = async () => (await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('usual', 'pw') })).body.token.project?.name;
      expect(await scope()).toBeUndefined();
      const member = (await get('roles?name=member')).body.roles[0].id;
      await put(`projects/${project}/users/${id}/roles/${member}`);
      expect(await scope()).toBe('demo');
      expect((await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('usual', 'pw', 'unscoped') })).body.token.project).toBeUndefined();
    });

    test('own password: the old one proves it, and all older tokens are void', async () => {
      const { id } = (await post('users', { user: { name: 'changer', password: 'old' } })).body.user;
      const token = await cloud.login('changer', 'old');
      const change = (original_password: string, password: unknown) => cloud.request('POST', `/v3/users/${id}/password`, { token, body: { user: { original_password, password } } });
      expect((await change('wrong', 'new')).status).toBe(401);
      expect((await change('old', '')).status).toBe(400);
      expect((await change('old', 'x'.repeat(4097))).status).toBe(400);
      expect((await get(`users/${id}`, token)).status).toBe(200);
      expect((await change('old', 'new')).status).toBe(204);
      expect((await get(`users/${id}`, token)).status).toBe(401);
      expect((await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('changer', 'old') })).status).toBe(401);
      const fresh = await cloud.login('changer', 'new');
      expect((await get(`users/${id}`, fresh)).status).toBe(200);
    });

    test('two changes of one password at once: one of them wins', async () => {
      const { id } = (await post('users', { user: { name: 'racer', password: 'old' } })).body.user;
      const change = (password: string) => cloud.request('POST', `/v3/users/${id}/password`, { body: { user: { original_password: 'old', password } } });
      const statuses = (await Promise.all([change('one'), change('two')])).map(({ status }) => status).sort();
      expect(statuses).toEqual([204, 401]);
    });

    test.each([
      ['disabled', (id: string) => patch(`users/${id}`, { user: { enabled: false } })],
      ['given another password by an admin', (id: string) => patch(`users/${id}`, { user: { password: 'other' } })],
      ['deleted', (id: string) => del(`users/${id}`)],
    ])('tokens of a user who is %s are void at once', async (how, act) => {
      const { id } = (await post('users', { user: { name: `void ${how}`, password: 'pw' } })).body.user;
      const token = await cloud.login(`void ${how}`, 'pw');
      expect((await get('auth/projects', token)).status).toBe(200);
      expect((await act(id)).status).toBeLessThan(300);
      expect((await get('auth/projects', token)).status).toBe(401);
      expect((await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin(`void ${how}`, 'pw') })).status).toBe(401);
    });

    test('everyone sees themselves and nobody else', async () => {
      const demo = await cloud.demo();
      const users = (await get('users')).body.users as { id: string; name: string }[];
      const idOf = (name: string) => users.find((user) => user.name === name)!.id;
      expect((await get(`users/${idOf('demo')}`, demo)).status).toBe(200);
      expect((await get(`users/${idOf('admin')}`, demo)).status).toBe(403);
      expect((await get('users/nosuch', demo)).status).toBe(403);
      expect((await get(`users/${idOf('demo')}/projects`, demo)).body.projects.map(({ name }: { name: string }) => name)).toEqual(['demo']);
      expect((await patch(`users/${idOf('demo')}`, { user: { enabled: false } }, demo)).status).toBe(403);
    });

    test('twenty users of one name at once: one is made', async () => {
      const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await post('users', { user: { name: 'single' } })).status));
      expect(statuses.filter((status) => status === 201)).toHaveLength(1);
      expect(statuses.filter((status) => status === 409)).toHaveLength(19);
    });
  });

  describe('groups', () => {
    test('life of a group and of a membership', async () => {
      const { group } = (await post('groups', { group: { name: 'crew', description: 'd' } })).body;
      expect(group).toEqual({ id: group.id, name: 'crew', domain_id: 'default', description: 'd', links: { self: `${cloud.url}/v3/groups/${group.id}` } });
      expect((await post('groups', { group: { name: 'crew' } })).status).toBe(409);
      expect((await patch(`groups/${group.id}`, { group: { name: 'crew2' } })).body.group.name).toBe('crew2');
      const { id } = (await post('users', { user: { name: 'sailor' } })).body.user;
      const place = `groups/${group.id}/users/${id}`;
      expect((await get(place)).status).toBe(404);
      expect((await put(place)).status).toBe(204);
      expect((await put(place)).status).toBe(204);
      expect((await cloud.request('HEAD', `/v3/${place}`, { token: admin })).status).toBe(204);
      expect((await get(`groups/${group.id}/users`)).body.users.map(({ name }: { name: string }) => name)).toEqual(['sailor']);
      expect((await get(`users/${id}/groups`)).body.groups.map(({ name }: { name: string }) => name)).toEqual(['crew2']);
      expect((await del(place)).status).toBe(204);
      expect((await del(place)).status).toBe(404);
      expect((await put(`groups/${group.id}/users/nosuch`)).body.error.message).toBe('Could not find user: nosuch.');
      expect((await del(`groups/${group.id}`)).status).toBe(204);
      expect((await get(`groups/${group.id}`)).status).toBe(404);
    });
  });

  describe('domains', () => {
    test('life of a domain; what is in it goes with it, and its tokens are void', async () => {
      const { domain } = (await post('domains', { domain: { name: 'realm' } })).body;
      expect(domain).toEqual({ id: domain.id, name: 'realm', description: '', enabled: true, tags: [], options: {}, links: { self: `${cloud.url}/v3/domains/${domain.id}` } });
      expect((await post('domains', { domain: { name: 'realm' } })).status).toBe(409);
      const { project } = (await post('projects', { project: { name: 'demo', domain_id: domain.id } })).body;
      await post('projects', { project: { name: 'child', domain_id: domain.id, parent_id: project.id } });
      const { user } = (await post('users', { user: { name: 'demo', domain_id: domain.id, password: 'pw' } })).body;
      const member = (await get('roles?name=member')).body.roles[0].id;
      await put(`projects/${project.id}/users/${user.id}/roles/${member}`);
      const login = () => cloud.request('POST', '/v3/auth/tokens', {
        body: { auth: { identity: { methods: ['password'], password: { user: { id: user.id, password: 'pw' } } }, scope: { project: { name: 'demo', domain: { name: 'realm' } } } } },
      });
      const token = (await login()).headers.get('x-subject-token')!;
      expect((await get('auth/projects', token)).body.projects).toHaveLength(1);
      const enabled = await del(`domains/${domain.id}`);
      expect(enabled.status).toBe(403);
      expect(enabled.body.error.message).toBe('Cannot delete a domain that is enabled, please disable it first.');
      expect((await patch(`domains/${domain.id}`, { domain: { enabled: false } })).body.domain.enabled).toBe(false);
      expect((await get('auth/projects', token)).status).toBe(401);
      expect((await login()).status).toBe(401);
      expect((await del(`domains/${domain.id}`)).status).toBe(204);
      for (const table of ['projects', 'users'] as const) {
        expect(await cloud.db.selectFrom(table).select('id').where('domain_id', '=', domain.id).execute()).toEqual([]);
      }
      expect(await cloud.db.selectFrom('role_assignments').selectAll().where('target_id', '=', project.id).execute()).toEqual([]);
    });

    test('a domain is a project that acts as one', async () => {
      const made = await post('projects', { project: { name: 'acting', is_domain: true } });
      expect(made.status).toBe(201);
      const { id } = made.body.project;
      expect(made.body.project).toMatchObject({ name: 'acting', is_domain: true, domain_id: null, parent_id: null, links: { self: `${cloud.url}/v3/projects/${id}` } });
      expect((await get(`domains/${id}`)).body.domain.name).toBe('acting');
      expect((await get(`projects/${id}`)).body).toEqual(made.body);
      expect((await get('projects?is_domain=true&name=acting')).body.projects).toEqual([made.body.project]);
      expect((await get('projects?name=acting')).body.projects).toEqual([]);
      expect((await get('projects?is_domain=true', await cloud.demo())).status).toBe(403);
      expect((await del(`projects/${id}`)).status).toBe(403);
      expect((await patch(`projects/${id}`, { project: { enabled: false } })).body.project.enabled).toBe(false);
      expect((await del(`projects/${id}`)).status).toBe(204);
      expect((await get(`domains/${id}`)).status).toBe(404);
    });

    test('a manager of one domain rules there, hands on no more than member roles, and sees nothing else', async () => {
      const { domain } = (await post('domains', { domain: { name: 'managed' } })).body;
      const role = async (name: string): Promise<string> => (await get(`roles?name=${name}`)).body.roles[0].id;
      const { user } = (await post('users', { user: { name: 'boss', domain_id: domain.id, password: 'pw' } })).body;
      await put(`domains/${domain.id}/users/${user.id}/roles/${await role('manager')}`);
      const login = await cloud.request('POST', '/v3/auth/tokens', {
        body: { auth: { identity: { methods: ['password'], password: { user: { id: user.id, password: 'pw' } } }, scope: { domain: { id: domain.id } } } },
      });
      expect(login.body.token.domain).toEqual({ id: domain.id, name: 'managed' });
      const boss = login.headers.get('x-subject-token')!;
      const made = await post('projects', { project: { name: 'shop' } }, boss);
      expect(made.body.project.domain_id).toBe(domain.id);
      expect((await post('projects', { project: { name: 'intruder', domain_id: 'default' } }, boss)).status).toBe(403);
      expect((await get('users', boss)).body.users.map(({ name }: { name: string }) => name)).toEqual(['boss']);
      expect((await get('users?domain_id=default', boss)).status).toBe(403);
      const place = `projects/${made.body.project.id}/users/${user.id}/roles`;
      expect((await put(`${place}/${await role('member')}`, undefined, boss)).status).toBe(204);
      expect((await put(`${place}/${await role('admin')}`, undefined, boss)).status).toBe(403);
      const demo = (await get('users?name=demo&domain_id=default')).body.users[0].id;
      expect((await put(`projects/${made.body.project.id}/users/${demo}/roles/${await role('member')}`, undefined, boss)).status).toBe(403);
      expect((await get('role_assignments', boss)).body.role_assignments).toHaveLength(2);
      expect((await patch(`domains/${domain.id}`, { domain: { description: 'mine' } }, boss)).status).toBe(403);

      // An admin who lives in the domain, and a group that is admin, are out of reach; others are not.
      const { user: chief } = (await post('users', { user: { name: 'chief', domain_id: domain.id, password: 'pw' } })).body;
      const { group } = (await post('groups', { group: { name: 'chiefs', domain_id: domain.id } })).body;
      expect((await patch(`users/${chief.id}`, { user: { password: 'known' } }, boss)).status).toBe(200);
      expect((await put(`groups/${group.id}/users/${user.id}`, undefined, boss)).status).toBe(204);
      await del(`groups/${group.id}/users/${user.id}`);
      const again = await cloud.request('POST', '/v3/auth/tokens', {
        body: { auth: { identity: { methods: ['password'], password: { user: { id: user.id, password: 'pw' } } }, scope: { domain: { id: domain.id } } } },
      });
      const second = again.headers.get('x-subject-token')!;
      await put(`system/groups/${group.id}/roles/${await role('reader')}`);
      expect((await put(`groups/${group.id}/users/${user.id}`, undefined, second)).status).toBe(403);
      expect((await del(`groups/${group.id}`, second)).status).toBe(403);
      await put(`groups/${group.id}/users/${chief.id}`);
      expect((await patch(`users/${chief.id}`, { user: { password: 'stolen' } }, second)).status).toBe(403);
      expect((await del(`users/${chief.id}`, second)).status).toBe(403);
    });
  });

  test('a project that is closed shuts out its tokens and logins', async () => {
    const { project } = (await post('projects', { project: { name: 'closing' } })).body;
    const demo = (await get('users?name=demo&domain_id=default')).body.users[0].id;
    const member = (await get('roles?name=member')).body.roles[0].id;
    await put(`projects/${project.id}/users/${demo}/roles/${member}`);
    const [inside, outside] = [await cloud.login('demo', PASSWORDS.demo, projectScope('closing')), await cloud.demo()];
    await patch(`projects/${project.id}`, { project: { enabled: false } });
    expect((await get('auth/projects', inside)).status).toBe(401);
    expect((await get('auth/projects', outside)).body.projects.map(({ name }: { name: string }) => name)).toEqual(['demo']);
    expect((await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('demo', PASSWORDS.demo, projectScope('closing')) })).status).toBe(401);
  });
});
