import { Type, type TSchema, type TProperties } from '@sinclair/typebox';
import type { VersionSteps } from '@virga/rest';
import { DEFAULT_QUOTAS, type QuotaResource } from '@virga/domain';

/** Resources of other services that nova's quota answers named until 2.35; here always without limit, for they are not compute's. */
export const FOREIGN = ['fixed_ips', 'floating_ips', 'security_group_rules', 'security_groups', 'networks'] as const;
const INJECTED: readonly string[] = ['injected_files', 'injected_file_content_bytes', 'injected_file_path_bytes'];
const resources = Object.keys(DEFAULT_QUOTAS) as QuotaResource[];

/** Names in the answers of one version, sorted: until 2.35 with the foreign ones, from 2.57 without injected files. */
export const resourcesAt = (minor: number): string[] =>
  [...resources.filter((name) => minor < 57 || !INJECTED.includes(name)), ...(minor < 36 ? FOREIGN.filter((name) => name !== 'networks') : [])].sort();

/** The same of a quota class, which kept the foreign names until 2.49 and had no server groups before. */
export const classResourcesAt = (minor: number): string[] => (minor >= 50 ? resourcesAt(minor) : resourcesAt(1).filter((name) => !name.startsWith('server_group')));

const strict = { additionalProperties: false };
const Limit = Type.Optional(Type.Union([Type.Integer({ minimum: -1, maximum: 0x7fffffff }), Type.String({ pattern: '^-?[0-9]+$', maxLength: 11 })]));
const body = (names: readonly string[]) => {
  const properties: TProperties = Object.fromEntries([...names.map((name) => [name, Limit]), ['force', Type.Optional(Type.Union([Type.Boolean(), Type.String()]))], ['tenant_id', Type.Optional(Type.String())]]);
  return Type.Object({ quota_set: Type.Object(properties, strict) }, strict);
};
export const UpdateQuotaSet = [
  ['2.1', body([...resources, ...FOREIGN])],
  ['2.36', body(resources)],
  ['2.57', body(resources.filter((name) => !INJECTED.includes(name)))],
] as const satisfies VersionSteps<TSchema>;

const classBody = (names: readonly string[]) => Type.Object({ quota_class_set: Type.Object(Object.fromEntries(names.map((name) => [name, Limit])), strict) }, strict);
export const UpdateQuotaClassSet = [
  ['2.1', classBody([...resources.filter((name) => !name.startsWith('server_group')), ...FOREIGN])],
  ['2.50', classBody(resources)],
  ['2.57', classBody(resources.filter((name) => !INJECTED.includes(name)))],
] as const satisfies VersionSteps<TSchema>;
export interface UpdateQuotaClassSetBody { quota_class_set: Record<string, number | string> }

export interface UpdateQuotaSetBody { quota_set: Record<string, number | string | boolean> }
