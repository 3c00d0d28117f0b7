import { createHash } from 'node:crypto';
import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { badRequest, newHexId } from '@virga/core';
import { admin, either, owner, type Policies } from '@virga/rest';
import { selfLink, type ListSpec } from '../collection/list';
import { systemReader } from '../collection/personas';
import { parseObject } from '../collection/rows';
import { Name255, NullableId } from '../collection/schema-parts';
import type { CredentialRow } from '../db/delegation-tables';
import { unseal } from '../tokens/sealed';

const reads = either(admin, systemReader, owner);
const writes = either(admin, owner);
export const credentialPolicies: Policies = {
  'identity:list_credentials': { check: reads, description: 'List credentials; everyone their own.' },
  'identity:get_credential': { check: reads, description: 'Show a credential; everyone their own.' },
  'identity:create_credential': { check: writes, description: 'Keep a credential; everyone for themselves.' },
  'identity:update_credential': { check: writes, description: 'Change a credential; everyone their own.' },
  'identity:delete_credential': { check: writes, description: 'Delete a credential; everyone their own.' },
  'identity:ec2_list_credentials': { check: reads, description: 'List EC2 credentials; everyone their own.' },
  'identity:ec2_get_credential': { check: reads, description: 'Show an EC2 credential; everyone their own.' },
  'identity:ec2_create_credential': { check: writes, description: 'Make an EC2 credential; everyone for themselves.' },
  'identity:ec2_delete_credential': { check: writes, description: 'Delete an EC2 credential; everyone their own.' },
};

const Blob = Type.String({ maxLength: 65_536, format: 'text' });
export const CredentialCreate = Type.Object({
  credential: Type.Object({ blob: Blob, type: Name255, user_id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })), project_id: Type.Optional(NullableId) }),
});
export type CredentialCreate = Static<typeof CredentialCreate>;
export const CredentialUpdate = Type.Object({
  credential: Type.Object({
    blob: Type.Optional(Blob), type: Type.Optional(Name255), project_id: Type.Optional(NullableId), user_id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  }, { minProperties: 1 }),
});
export type CredentialUpdate = Static<typeof CredentialUpdate>;
export const CREDENTIAL_ATTRIBUTES = ['blob', 'type', 'user_id', 'project_id'];

export const credentialList: ListSpec = {
  table: 'credentials', columns: ['id', 'user_id', 'project_id', 'type', 'blob_sealed', 'extra'], exact: { user_id: 'user_id', type: 'type' },
};

export const credentialView = (row: CredentialRow, sealKey: Buffer, request: FastifyRequest) => ({
  ...parseObject(row.extra), id: row.id, user_id: row.user_id, project_id: row.project_id, type: row.type,
  blob: unseal(sealKey, row.id, row.blob_sealed), links: selfLink(request, `credentials/${row.id}`),
});

/** The id of an EC2 credential is the SHA-256 of its access key, so that a signature's key finds it. */
export const ec2Id = (access: string): string => createHash('sha256').update(access).digest('hex');

/** The id of a new credential. 400 for an EC2 credential whose blob names no access key. */
export function credentialId(type: string, blob: string): string {
  if (type !== 'ec2') return newHexId();
  let access: unknown;
  try {
    access = (JSON.parse(blob) as { access?: unknown } | null)?.access;
  } catch {
    throw badRequest('Invalid blob in credential');
  }
  if (typeof access !== 'string' || access === '') throw badRequest('Invalid blob in credential');
  return ec2Id(access);
}
