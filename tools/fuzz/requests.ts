import type { TSchema } from '@sinclair/typebox';
import type { HttpRoute } from '../http-routes';
import type { SentRequest } from './http-client';
import type { Random } from './random';
import { HOSTILE, spoil, valueFor } from './values';

/** A route with what its body may be: one of these is taken. */
export interface FuzzRoute extends HttpRoute { bodies: TSchema[] }

/** Ids that answers showed: of everything, and of what the run itself made and may destroy. */
export interface Seen { shown: string[]; made: string[] }

export const EVIL_HOST = 'evil.example';
const IDS = ['00000000-0000-4000-8000-00000000dead', 'nosuch', 'a'.repeat(300), '%00', '%2e%2e%2f', "'", '0', '-1', '%F0%9F%98%80', '%ff', '..', 'default', 'detail', '__proto__'];
const QUERY_KEYS = ['limit', 'marker', 'sort_key', 'sort_dir', 'sort', 'fields', 'name', 'id', 'all_tenants', 'tags', 'not-tags', 'changes-since', 'page_reverse', 'status', 'project_id', 'user_id', 'domain_id', '__proto__', 'nosuch', 'fixed_ips', 'name__contains', 'created_at'];
const QUERY_VALUES = ['-1', '0', '1', '99999999999999999999', 'abc', '', '%00', '%F0%9F%98%80', '%ff', "'", 'id', 'name', 'asc', 'desc', 'id:asc', 'nosuch', 'true', 'ip_address=1', '2026-99-99', 'in:a,b', 'gt:1', '%0d%0a', '*', '('];
const VERSION_HEADERS: Record<string, string>[] = [
  { 'openstack-api-version': 'compute 2.1' }, { 'openstack-api-version': 'compute latest' }, { 'openstack-api-version': 'compute 2.96' }, { 'x-openstack-nova-api-version': '2.79' },
  { 'openstack-api-version': 'compute 2.1', 'x-openstack-nova-api-version': '2.96' }, { 'openstack-api-version': 'compute 99.99' }, { 'openstack-api-version': 'compute two' }, { 'openstack-api-version': 'compute 2.01' },
  { 'openstack-api-version': 'compute' }, { 'openstack-api-version': ',,, ;compute 2.1' }, { 'openstack-api-version': `compute 2.${'9'.repeat(400)}` }, { 'x-openstack-nova-api-version': '-1' },
];
const ODD_HEADERS: Record<string, string>[] = [
  { host: EVIL_HOST }, { host: `${EVIL_HOST}"><x` }, { host: 'a b' }, { 'x-forwarded-proto': 'javascript' }, { 'x-forwarded-host': '"><script>' }, { 'if-match': 'revision_number=x' }, { 'if-match': 'revision_number=1' },
  { accept: 'text/html' }, { accept: 'nonsense' }, { 'x-roles': 'admin' }, { 'x-user-id': 'x', 'x-project-id': 'y' }, { 'x-subject-token': 'a.b.c' }, { 'accept-language': '*'.repeat(2000) }, { expect: '' }, { range: 'bytes=5-1' },
];
const CONTENT_TYPES = ['text/plain', 'application/xml', 'application/json; charset=utf-16', 'application/json-patch+json', 'application/openstack-images-v2.1-json-patch', 'multipart/form-data', '', 'application/octet-stream', 'nonsense'];
const RAW_BODIES: readonly Buffer[] = [
  ...['', '{', '[', 'null', '"x"', '5', '[]', '{}', '{"a":1,"a":2}', '{"__proto__":{"admin":true}}', '{"constructor":{"prototype":{"x":1}}}', '{"a":"\\ud800"}', '{"server":null}', '{"a":1e999}', 'nul', '\u0000', '{"a":}', `{"a":${'['.repeat(100)}${']'.repeat(100)}}`, '['.repeat(50_000), `{"a":"${'x'.repeat(2_000_000)}"}`].map((text) => Buffer.from(text)),
  Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0xc0, 0x80, 0x22, 0x7d]), Buffer.from([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]),
];
const VERBS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'POST', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'LINK'];

/** Through a Buffer, which puts U+FFFD for half a surrogate pair, where the encoder would throw. */
const encodeQuery = (key: string, value: unknown): string => `${encodeURIComponent(key)}=${encodeURIComponent(Buffer.from(typeof value === 'object' ? JSON.stringify(value) : String(value)).toString()).slice(0, 400)}`;

function pathOf(route: FuzzRoute, random: Random, seen: Seen, harmless: boolean): string {
  // Only what the run made may be changed or deleted by it.
  const pool = harmless ? seen.shown : seen.made;
  return route.path.replace(/:[^/]+/g, () => (pool.length > 0 && random.chance(0.75) ? encodeURIComponent(random.pick(pool)) : random.pick(IDS)));
}

function queryOf(route: FuzzRoute, random: Random, ids: readonly string[]): string {
  const parts: string[] = [];
  if (route.query.length > 0 && random.chance(0.6)) {
    const query = valueFor(random.pick(route.query), random, ids);
    for (const [key, value] of Object.entries((random.chance(0.4) ? spoil(query, random) : query) as object ?? {})) parts.push(encodeQuery(key, value));
  }
  for (let more = random.below(3); more > 0; more--) parts.push(`${random.pick(QUERY_KEYS)}=${random.pick(QUERY_VALUES)}`);
  return parts.length > 0 ? `?${parts.join('&')}` : '';
}

function bodyOf(route: FuzzRoute, random: Random, ids: readonly string[]): Buffer | undefined {
  if (random.chance(0.12)) return random.pick(RAW_BODIES);
  const value = route.bodies.length > 0 ? valueFor(random.pick(route.bodies), random, ids) : random.pick(HOSTILE);
  return Buffer.from(JSON.stringify(random.chance(0.5) ? spoil(value, random) : value) ?? 'null');
}

/** The next request of a run: mostly a right one with one thing wrong. */
export function makeRequest(route: FuzzRoute, random: Random, seen: Seen, token: string): SentRequest {
  const method = random.chance(0.04) ? random.pick(VERBS) : route.method;
  const harmless = ['GET', 'HEAD', 'OPTIONS', 'TRACE'].includes(method);
  const path = `${pathOf(route, random, seen, harmless)}${random.chance(harmless ? 0.6 : 0.1) ? queryOf(route, random, seen.shown) : ''}`;
  const body = ['POST', 'PUT', 'PATCH'].includes(method) || random.chance(0.02) ? bodyOf(route, random, harmless ? seen.shown : seen.made) : undefined;
  const headers: Record<string, string> = {
    ...(!random.chance(0.03) && { 'x-auth-token': random.chance(0.02) ? random.pick(['x', 'a.b.c', `${token}x`, 'é'.replace('é', '%'), 'x'.repeat(7000)]) : token }),
    ...(body && { 'content-type': random.chance(0.05) ? random.pick(CONTENT_TYPES) : route.app === 'image' && method === 'PATCH' ? 'application/openstack-images-v2.1-json-patch' : 'application/json' }),
    ...(route.app === 'compute-api' && random.chance(0.7) && random.pick(VERSION_HEADERS)),
    ...(random.chance(0.08) && random.pick(ODD_HEADERS)),
  };
  return { method, path, headers, ...(body && { body }) };
}
