import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { selfLink, type ListSpec } from '../collection/list';
import { parseObject } from '../collection/rows';
import { Enabled, Name255, NullableId } from '../collection/schema-parts';
import type { UserRow } from '../db/tables';

const Password = Type.Union([Type.String(), Type.Null()]);
/** Options that keystone knows. This service has no password expiry and no lock-out, for which they are meant; they are kept and shown. */
const UserOptions = Type.Object({
  ignore_change_password_upon_first_use: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  ignore_password_expiry: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  ignore_lockout_failure_attempts: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  ignore_user_inactivity: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  lock_password: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
}, { additionalProperties: false });
const attributes = {
  password: Type.Optional(Password),
  enabled: Type.Optional(Enabled),
  default_project_id: Type.Optional(NullableId),
  domain_id: Type.Optional(NullableId),
  options: Type.Optional(UserOptions),
};
/** `original_password` is named so that it can never become an extra attribute. */
export const USER_ATTRIBUTES = ['name', 'original_password', 'password_expires_at', 'federated', 'password_hash', ...Object.keys(attributes)];

export const UserCreate = Type.Object({ user: Type.Object({ name: Name255, ...attributes }) });
export type UserCreate = Static<typeof UserCreate>;
export const UserUpdate = Type.Object({ user: Type.Object({ name: Type.Optional(Name255), ...attributes }) });
export type UserUpdate = Static<typeof UserUpdate>;
export const PasswordChange = Type.Object({ user: Type.Object({ password: Type.String({ minLength: 1 }), original_password: Type.String() }) });
export type PasswordChange = Static<typeof PasswordChange>;

/** The password hash is not read for lists. */
export type VisibleUser = Omit<UserRow, 'password_hash'>;

export const userList: ListSpec = {
  table: 'users', columns: ['id', 'domain_id', 'name', 'enabled', 'default_project_id', 'options', 'extra'],
  exact: { id: 'id', name: 'name', domain_id: 'domain_id', default_project_id: 'default_project_id' }, flags: ['enabled'], texts: ['name'],
};

export const userView = (row: VisibleUser, request: FastifyRequest) => ({
  ...parseObject(row.extra),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  enabled: Boolean(row.enabled),
  ...(row.default_project_id !== null && { default_project_id: row.default_project_id }),
  password_expires_at: null,
  options: parseObject(row.options),
  links: selfLink(request, `users/${row.id}`),
});
