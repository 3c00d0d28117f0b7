import { Type } from '@sinclair/typebox';

const Values = Type.Union([Type.String(), Type.Array(Type.String())]);
const Time = Type.String({ format: 'date-time' });
const Owner = Type.String({ minLength: 1, maxLength: 255 });

const filters = { host: Type.Optional(Values), instance_uuid: Type.Optional(Values), source_compute: Type.Optional(Values), status: Type.Optional(Values), migration_type: Type.Optional(Values), hidden: Type.Optional(Values) };
const paging = { limit: Type.Optional(Type.String({ pattern: '^[0-9]+$', minLength: 1, maxLength: 10 })), marker: Type.Optional(Type.String({ maxLength: 255 })), 'changes-since': Type.Optional(Time) };
const before = { 'changes-before': Type.Optional(Time) };
const owners = { user_id: Type.Optional(Owner), project_id: Type.Optional(Owner) };
const strict = { additionalProperties: false };

/** Query of GET /os-migrations; before 2.59 what is not known is ignored. */
export const ListMigrations = [
  ['2.1', Type.Object(filters)],
  ['2.59', Type.Object({ ...filters, ...paging }, strict)],
  ['2.66', Type.Object({ ...filters, ...paging, ...before }, strict)],
  ['2.80', Type.Object({ ...filters, ...paging, ...before, ...owners }, strict)],
] as const;

export interface MigrationQuery {
  host?: string | string[];
  instance_uuid?: string | string[];
  source_compute?: string | string[];
  status?: string | string[];
  migration_type?: string | string[];
  hidden?: string | string[];
  limit?: string;
  marker?: string;
  'changes-since'?: string;
  'changes-before'?: string;
  user_id?: string;
  project_id?: string;
}
