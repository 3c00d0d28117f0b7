import { isIP } from 'node:net';
import { badRequest, type RequestContext } from '@virga/core';
import type { RawBuilder } from 'kysely';
import { sql } from '@virga/db';
import { statesOfStatus } from '@virga/domain';
import { readBoolean } from '../booleans';
import { readTime } from '../times';

export type ServerQuery = Record<string, string | string[] | undefined>;
type Condition = RawBuilder<boolean>;

const is = (column: string) => (values: string[]): Condition => sql<boolean>`${sql.ref(`instances.${column}`)} IN (${sql.join(values)})`;
const first = (values: string[]): string => values[0]!;

/** A pattern as nova takes it; one that the database could not run is refused. */
function pattern(text: string, name: string): string {
  if (text.length > 255) throw badRequest(`Invalid filter ${name}: the expression is too long.`);
  try {
    new RegExp(text);
  } catch {
    throw badRequest(`Invalid filter ${name}: ${text} is not a regular expression.`);
  }
  return text;
}

function time(text: string, name: string): Date {
  const read = readTime(text);
  if (!read) throw badRequest(`Invalid input for query parameters ${name}. Value: ${text}. '${text}' is not a 'date-time'`);
  return read;
}

function number(text: string, name: string): number {
  if (!/^-?\d{1,9}$/.test(text)) throw badRequest(`Invalid ${name} filter: ${text}`);
  return Number(text);
}

function statusCondition(values: string[]): Condition {
  const states = values.map((value) => statesOfStatus(value));
  const known = states.filter((state) => state !== undefined);
  if (known.length === 0) return sql<boolean>`FALSE`;
  return sql<boolean>`(${sql.join(known.map(({ vmStates, taskStates }) => (taskStates
    ? sql`(instances.vm_state IN (${sql.join(vmStates)}) AND instances.task_state IN (${sql.join(taskStates)}))`
    : sql`instances.vm_state IN (${sql.join(vmStates)})`)), sql` OR `)})`;
}

const splitTags = (values: string[]): string[] => values.flatMap((value) => value.split(','));
const hasTag = (tag: string) => sql`EXISTS (SELECT 1 FROM instance_tags t WHERE t.instance_id = instances.id AND t.tag = ${tag})`;
const allTags = (values: string[]): Condition => sql<boolean>`(${sql.join(splitTags(values).map(hasTag), sql` AND `)})`;
const anyTag = (values: string[]): Condition => sql<boolean>`(${sql.join(splitTags(values).map(hasTag), sql` OR `)})`;

interface Filter {
  /** First version (2.n) in which the filter is known; below that it is ignored. */
  from?: number;
  adminOnly?: boolean;
  /** First version in which others than administrators may use it. */
  openFrom?: number;
  condition(values: string[], network: string): Condition;
}

const FILTERS: Record<string, Filter> = {
  name: { condition: (values) => sql<boolean>`instances.display_name REGEXP ${pattern(first(values), 'name')}` },
  status: { condition: statusCondition },
  image: { condition: is('image_id') },
  flavor: { condition: (values) => sql<boolean>`JSON_VALUE(instances.flavor_json, '$.flavorid') IN (${sql.join(values)})` },
  reservation_id: { condition: is('reservation_id') },
  'changes-since': { condition: (values) => sql<boolean>`instances.updated_at >= ${time(first(values), 'changes-since')}` },
  'changes-before': { from: 66, condition: (values) => sql<boolean>`instances.updated_at <= ${time(first(values), 'changes-before')}` },
  ip: { condition: (values, network) => addressCondition(first(values), 'ip', 4, network) },
  ip6: { from: 5, condition: (values, network) => addressCondition(first(values), 'ip6', 6, network) },
  tags: { from: 26, condition: allTags },
  'tags-any': { from: 26, condition: anyTag },
  'not-tags': { from: 26, condition: (values) => sql<boolean>`NOT ${allTags(values)}` },
  'not-tags-any': { from: 26, condition: (values) => sql<boolean>`NOT ${anyTag(values)}` },
  locked: {
    from: 73,
    condition: (values) => {
      const locked = readBoolean(first(values));
      if (locked === undefined) throw badRequest(`Invalid input for query parameters locked. Value: ${first(values)}. '${first(values)}' is not a 'boolean'`);
      return sql<boolean>`instances.locked = ${locked ? 1 : 0}`;
    },
  },
  uuid: { adminOnly: true, condition: is('id') },
  host: { adminOnly: true, condition: is('host') },
  node: { adminOnly: true, condition: is('host') },
  project_id: { adminOnly: true, condition: is('project_id') },
  tenant_id: { adminOnly: true, condition: is('project_id') },
  instance_name: { adminOnly: true, condition: (values) => sql<boolean>`CONCAT('instance-', LPAD(LOWER(HEX(instances.num)), 8, '0')) REGEXP ${pattern(first(values), 'instance_name')}` },
  user_id: { adminOnly: true, openFrom: 83, condition: is('user_id') },
  key_name: { adminOnly: true, openFrom: 83, condition: is('key_name') },
  availability_zone: { adminOnly: true, openFrom: 83, condition: is('availability_zone') },
  hostname: { adminOnly: true, condition: is('hostname') },
  description: { adminOnly: true, condition: (values) => sql<boolean>`instances.description REGEXP ${pattern(first(values), 'description')}` },
  vm_state: { adminOnly: true, openFrom: 83, condition: is('vm_state') },
  task_state: { adminOnly: true, openFrom: 83, condition: is('task_state') },
  power_state: { adminOnly: true, openFrom: 83, condition: (values) => sql<boolean>`instances.power_state = ${number(first(values), 'power_state')}` },
  launch_index: { adminOnly: true, condition: (values) => sql<boolean>`instances.launch_index = ${number(first(values), 'launch_index')}` },
  config_drive: {
    adminOnly: true, openFrom: 83,
    condition: (values) => sql<boolean>`instances.config_drive = ${readBoolean(first(values)) ? 1 : 0}`,
  },
};

function addressCondition(text: string, name: string, version: 4 | 6, network: string): Condition {
  const exact = isIP(text) === version;
  return sql<boolean>`instances.id IN (SELECT a.instance_id FROM ${sql.table(`${network}.server_addresses`)} a WHERE a.version = ${version} AND ${exact ? sql`a.address = ${text}` : sql`a.address REGEXP ${pattern(text, name)}`})`;
}

/**
 * Conditions of a server list. Unknown filters are ignored, as nova does; one that is for administrators is ignored for
 * others. Deleted servers are listed with changes-since, or for administrators on request.
 */
export function serverConditions(query: ServerQuery, caller: RequestContext, at: number, network: string, allProjects: boolean): Condition[] {
  const admin = caller.roleNames.has('admin');
  const conditions: Condition[] = [];
  const named = query.project_id !== undefined || query.tenant_id !== undefined;
  if (!(allProjects || (admin && named && allProjects))) conditions.push(sql<boolean>`instances.project_id = ${caller.project?.id ?? ''}`);
  for (const [name, filter] of Object.entries(FILTERS)) {
    const given = query[name];
    if (given === undefined || (filter.from ?? 1) > at) continue;
    if (filter.adminOnly && !admin && !(filter.openFrom !== undefined && at >= filter.openFrom)) continue;
    conditions.push(filter.condition([given].flat(), network));
  }
  conditions.push(...deletedConditions(query, admin));
  return conditions;
}

function deletedConditions(query: ServerQuery, admin: boolean): Condition[] {
  const asked = [query.deleted].flat()[0];
  const statuses = [query.status].flat().map((status) => status?.toUpperCase());
  if (asked !== undefined && admin && readBoolean(asked) === undefined) throw badRequest(`Invalid value '${asked}' for query parameter deleted.`);
  const deleted = asked === undefined || !admin ? undefined : readBoolean(asked);
  if (deleted === true || (deleted === undefined && admin && statuses.includes('DELETED'))) return [sql<boolean>`instances.deleted_at IS NOT NULL`];
  if (deleted === undefined && query['changes-since'] !== undefined) return [];
  return [sql<boolean>`instances.deleted_at IS NULL`];
}
