import { Type, type TSchema } from '@sinclair/typebox';
import { GROUP_POLICIES, type GroupPolicy } from '@virga/domain';
import type { VersionSteps } from '@virga/rest';
import { ServerName } from '../servers/create-server.schema';

const strict = { additionalProperties: false };
const policy = (names: readonly string[]) => Type.Union(names.map((name) => Type.Literal(name)));
const older = (names: readonly string[]) => Type.Object({ server_group: Type.Object({ name: ServerName, policies: Type.Array(policy(names), { minItems: 1, maxItems: 1 }) }, strict) }, strict);
const Positive = Type.Union([Type.Integer({ minimum: 1 }), Type.String({ pattern: '^[0-9]*[1-9][0-9]*$', maxLength: 9 })]);

export const CreateServerGroup = [
  ['2.1', older(GROUP_POLICIES.filter((name) => !name.startsWith('soft-')))],
  ['2.15', older(GROUP_POLICIES)],
  ['2.64', Type.Object({
    server_group: Type.Object({ name: ServerName, policy: policy(GROUP_POLICIES), rules: Type.Optional(Type.Object({ max_server_per_host: Type.Optional(Positive) }, strict)) }, strict),
  }, strict)],
] as const satisfies VersionSteps<TSchema>;

/** The body in all its versions together. */
export interface CreateServerGroupBody {
  server_group: { name: string; policies?: [GroupPolicy]; policy?: GroupPolicy; rules?: { max_server_per_host?: number | string } };
}

const query = { limit: Type.Optional(Type.String({ pattern: '^\\d{1,10}$' })), offset: Type.Optional(Type.String({ pattern: '^\\d{1,10}$' })), all_projects: Type.Optional(Type.String()) };
export const ListServerGroups = [['2.1', Type.Object(query)], ['2.75', Type.Object(query, strict)]] as const satisfies VersionSteps<TSchema>;
export interface ServerGroupQuery { limit?: string; offset?: string; all_projects?: string }
