import type { DelegationSchema } from './delegation-tables';
import type { Generated, WithOutbox, Executor, Kysely, Transaction } from '@virga/db';

/** Boolean columns come back as 0 or 1; `extra` and `options` hold JSON text. */
export type Flag = number | boolean;

export interface DomainRow { id: string; name: string; description: string | null; enabled: Flag; tags: string; options: string; extra: string }
export interface ProjectRow {
  id: string; domain_id: string;
  /** Null for a project directly under its domain. */
  parent_id: string | null;
  name: string; description: string | null; enabled: Flag; options: string; extra: string;
}
export interface UserRow {
  id: string; domain_id: string; name: string; password_hash: string | null; enabled: Flag; default_project_id: string | null;
  options: string; extra: string;
}
export interface GroupRow { id: string; domain_id: string; name: string; description: string | null; extra: string }
export interface RoleRow {
  id: string; name: string;
  /** Empty for a global role; a column of a unique key cannot be null to be unique. */
  domain_id: string;
  description: string | null; options: string; extra: string;
}
export type ActorType = 'user' | 'group';
export type TargetType = 'project' | 'domain' | 'system';
export interface RoleAssignmentRow {
  target_type: TargetType;
  /** `all` for the system. */
  target_id: string;
  actor_type: ActorType; actor_id: string; role_id: string;
  /** True: holds not on the target itself but on every project below it. */
  inherited: Flag;
}
export interface RegionRow { id: string; description: string; parent_region_id: string | null; extra: string }
export interface ServiceRow { id: string; type: string; name: string | null; description: string | null; enabled: Flag; extra: string }
export interface EndpointRow { id: string; service_id: string; region_id: string | null; interface: string; url: string; enabled: Flag; extra: string }
export interface ApplicationCredentialRow {
  id: string; user_id: string; project_id: string; name: string; description: string | null; secret_hash: string;
  /** Microseconds since the epoch: clients get back exactly what they sent. */
  expires_at: number | null;
  unrestricted: Flag;
}
export interface SigningKeyRow {
  kid: string; public_pem: string;
  /** PKCS #8, AES-256-GCM under the key of VIRGA_IDENTITY_KEY_FILE. */
  private_sealed: string;
  /** Milliseconds since the epoch. */
  created_at: number;
  /** When a newer key took over; null for the current one. */
  retired_at: number | null;
}
export interface PkiCertificateRow {
  /** Serial number in hexadecimal; `ca` for the authority. */
  serial: string; role: 'ca' | 'signing'; certificate_pem: string;
  /** As in SigningKeyRow, as are the times. */
  private_sealed: string; created_at: number; retired_at: number | null;
}
export interface RevocationRow {
  id: Generated<number>; audit_id: string | null; user_id: string | null; project_id: string | null; domain_id: string | null;
  /** SHA-256 of the token's text in hexadecimal, where a single token was revoked. */
  token_sha256: string | null;
  issued_before: number;
  /** After this no token that it concerns can be alive. */
  expires_at: number;
}

export interface IdentitySchema extends WithOutbox, DelegationSchema {
  domains: DomainRow;
  projects: ProjectRow;
  project_tags: { project_id: string; tag: string };
  users: UserRow;
  groups: GroupRow;
  group_members: { group_id: string; user_id: string };
  roles: RoleRow;
  implied_roles: { prior_role_id: string; implied_role_id: string };
  role_assignments: RoleAssignmentRow;
  regions: RegionRow;
  services: ServiceRow;
  endpoints: EndpointRow;
  application_credentials: ApplicationCredentialRow;
  application_credential_roles: { application_credential_id: string; role_id: string };
  signing_keys: SigningKeyRow;
  pki_certificates: PkiCertificateRow;
  revocations: RevocationRow;
}

export type Db = Kysely<IdentitySchema>;
export type Trx = Transaction<IdentitySchema>;
export type Exec = Executor<IdentitySchema>;
