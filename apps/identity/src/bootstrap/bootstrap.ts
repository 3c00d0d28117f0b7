import { newHexId } from '@virga/core';
import { addToOutbox, inTransaction } from '@virga/db';
import { REVOCATION_TOPIC, type Revocation } from '@virga/contracts';
import type { ActorType, Db, TargetType, Trx } from '../db/tables';
import { PasswordHasher } from '../passwords/password-hash';
import type { BootstrapDocument } from './bootstrap-document';

const DEFAULT_DOMAIN = 'default';
const IMMUTABLE = JSON.stringify({ immutable: true });
/** Each role implies the next. */
const ROLE_CHAIN = ['admin', 'manager', 'member', 'reader'];
const ROLES = [...ROLE_CHAIN, 'service'];

/** Counts what was not there before, by kind. */
type Made = Record<string, number>;

interface Step { trx: Trx; made: Made }
const count = ({ made }: Step, kind: string): void => { made[kind] = (made[kind] ?? 0) + 1; };

/**
 * Makes what a cloud needs before anyone can log in, and what is missing of it when it is run again: the default
 * domain, the roles with admin > manager > member > reader, project and user `admin` (admin on the project and on the
 * system), project `service` with its users, project and user `demo` (member), region, services and endpoints.
 * Passwords and endpoint URLs are set to the document's. Service users have the role `service` only: services talk to
 * each other over the bus, so none of them needs to be admin.
 */
export async function bootstrap(db: Db, document: BootstrapDocument, tokenSeconds: number, hasher = new PasswordHasher()): Promise<Made> {
  const accounts = [
    { project: 'admin', user: 'admin', password: document.admin.password, role: 'admin' },
    ...(document.demo ? [{ project: 'demo', user: 'demo', password: document.demo.password, role: 'member' }] : []),
    ...document.serviceUsers.map(({ name, password }) => ({ project: 'service', user: name, password, role: 'service' })),
  ];
  // Hashing takes long: before the transaction, and only where the password is another.
  const hashes = new Map<string, string>();
  for (const { user, password } of accounts) {
    const known = await db.selectFrom('users').select('password_hash').where('domain_id', '=', DEFAULT_DOMAIN).where('name', '=', user).executeTakeFirst();
    if (!known || !(await hasher.verify(password, known.password_hash))) hashes.set(user, await hasher.hash(password));
  }
  return inTransaction(db, async (trx) => {
    const step: Step = { trx, made: {} };
    await ensureDomain(step);
    const roles = new Map<string, string>();
    for (const name of ROLES) roles.set(name, await ensureRole(step, name));
    for (let i = 1; i < ROLE_CHAIN.length; i++) await ensureImplied(step, roles.get(ROLE_CHAIN[i - 1]!)!, roles.get(ROLE_CHAIN[i]!)!);
    const projects = new Map<string, string>();
    for (const name of new Set(['admin', 'service', ...accounts.map(({ project }) => project)])) projects.set(name, await ensureProject(step, name));
    for (const { project, user, role } of accounts) {
      const userId = await ensureUser(step, user, hashes.get(user), tokenSeconds);
      await ensureAssignment(step, 'user', userId, 'project', projects.get(project)!, roles.get(role)!);
      if (user === 'admin') await ensureAssignment(step, 'user', userId, 'system', 'all', roles.get('admin')!);
    }
    await ensureCatalog(step, document);
    return step.made;
  });
}

async function ensureDomain(step: Step): Promise<void> {
  const known = await step.trx.selectFrom('domains').select('id').where('id', '=', DEFAULT_DOMAIN).executeTakeFirst();
  if (known) return;
  await step.trx.insertInto('domains').values({
    id: DEFAULT_DOMAIN, name: 'Default', description: 'The default domain', enabled: true, tags: '[]', options: '{}', extra: '{}',
  }).execute();
  count(step, 'domains');
}

async function ensureRole(step: Step, name: string): Promise<string> {
  const known = await step.trx.selectFrom('roles').select('id').where('name', '=', name).where('domain_id', '=', '').executeTakeFirst();
  if (known) return known.id;
  const id = newHexId();
  await step.trx.insertInto('roles').values({ id, name, domain_id: '', description: null, options: IMMUTABLE, extra: '{}' }).execute();
  count(step, 'roles');
  return id;
}

async function ensureImplied({ trx }: Step, prior: string, implied: string): Promise<void> {
  await trx.insertInto('implied_roles').ignore().values({ prior_role_id: prior, implied_role_id: implied }).execute();
}

async function ensureProject(step: Step, name: string): Promise<string> {
  const known = await step.trx.selectFrom('projects').select('id').where('domain_id', '=', DEFAULT_DOMAIN).where('name', '=', name).executeTakeFirst();
  if (known) return known.id;
  const id = newHexId();
  await step.trx.insertInto('projects').values({
    id, domain_id: DEFAULT_DOMAIN, parent_id: null, name, description: '', enabled: true, options: '{}', extra: '{}',
  }).execute();
  count(step, 'projects');
  return id;
}

async function ensureUser(step: Step, name: string, newHash: string | undefined, tokenSeconds: number): Promise<string> {
  const { trx } = step;
  const known = await trx.selectFrom('users').select('id').where('domain_id', '=', DEFAULT_DOMAIN).where('name', '=', name).executeTakeFirst();
  if (known) {
    if (newHash !== undefined) {
      await trx.updateTable('users').set({ password_hash: newHash }).where('id', '=', known.id).execute();
      const now = Date.now();
      await trx.insertInto('revocations').values({
        audit_id: null, user_id: known.id, project_id: null, domain_id: null, issued_before: now, expires_at: now + tokenSeconds * 1000 + 60_000,
      }).execute();
      await addToOutbox(trx, { topic: REVOCATION_TOPIC, payload: { userId: known.id, issuedBefore: now } satisfies Revocation });
      count(step, 'passwords');
    }
    return known.id;
  }
  if (newHash === undefined) throw new Error(`user ${name} was removed meanwhile; run bootstrap again`);
  const id = newHexId();
  await trx.insertInto('users').values({
    id, domain_id: DEFAULT_DOMAIN, name, password_hash: newHash, enabled: true, default_project_id: null, options: '{}', extra: '{}',
  }).execute();
  count(step, 'users');
  return id;
}

async function ensureAssignment({ trx }: Step, actorType: ActorType, actorId: string, targetType: TargetType, targetId: string, roleId: string): Promise<void> {
  await trx.insertInto('role_assignments').ignore().values({
    target_type: targetType, target_id: targetId, actor_type: actorType, actor_id: actorId, role_id: roleId, inherited: false,
  }).execute();
}

async function ensureCatalog(step: Step, { region, services }: BootstrapDocument): Promise<void> {
  const { trx } = step;
  await trx.insertInto('regions').ignore().values({ id: region, description: '', parent_region_id: null, extra: '{}' }).execute();
  for (const { type, name, endpoints } of services) {
    let service = await trx.selectFrom('services').select('id').where('type', '=', type).where('name', '=', name).executeTakeFirst();
    if (!service) {
      service = { id: newHexId() };
      await trx.insertInto('services').values({ id: service.id, type, name, description: null, enabled: true, extra: '{}' }).execute();
      count(step, 'services');
    }
    for (const [face, url] of Object.entries(endpoints)) {
      const known = await trx.selectFrom('endpoints').select(['id', 'url']).where('service_id', '=', service.id)
        .where('interface', '=', face).where('region_id', '=', region).executeTakeFirst();
      if (known) {
        if (known.url !== url) await trx.updateTable('endpoints').set({ url }).where('id', '=', known.id).execute();
        continue;
      }
      await trx.insertInto('endpoints').values({
        id: newHexId(), service_id: service.id, region_id: region, interface: face, url, enabled: true, extra: '{}',
      }).execute();
      count(step, 'endpoints');
    }
  }
}
