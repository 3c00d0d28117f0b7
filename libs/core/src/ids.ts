import { randomUUID } from 'node:crypto';

/** A canonical UUID (RFC 4122, version 4), as servers, ports, networks and images are named. */
export const newUuid = (): string => randomUUID();

/** 32 hexadecimal digits, as projects, users and roles are named. */
export const newHexId = (): string => randomUUID().replaceAll('-', '');

/** `req-<uuid>`: what X-Openstack-Request-Id carries. */
export const newRequestId = (): string => `req-${randomUUID()}`;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value);

/** True for a UUID with or without its dashes, the form that OpenStack accepts in references. */
export const isUuidLike = (value: unknown): value is string =>
  typeof value === 'string' && (UUID.test(value) || /^[0-9a-f]{32}$/i.test(value));
