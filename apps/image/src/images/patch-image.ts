import { badRequest, conflict, forbidden, type RequestContext } from '@virga/core';
import { checkInput, FAULT_STYLES, type PolicyEnforcer } from '@virga/rest';
import { Type } from '@sinclair/typebox';
import { checkPropertyNames, enforceVisibility } from './create-image';
import { PropertyValue, READ_ONLY, WRITABLE, type PatchOperations } from './image.schema';
import type { ImageRepository, ImageRow } from './image.repository';
import type { ImagesTable } from '../db/tables';
import type { Updateable } from '@virga/db';

type Base = keyof typeof WRITABLE;
const isBase = (name: string): name is Base => Object.hasOwn(WRITABLE, name);
/** Formats may change only while there is no data that they describe. */
const FIXED_WITH_DATA = new Set(['disk_format', 'container_format']);

const pointer = (path: string): string => {
  const parts = path.slice(1).split('/');
  if (parts.length !== 1 || parts[0] === '') throw badRequest(`Invalid JSON pointer for this resource: '${path}'`);
  return parts[0]!.replaceAll('~1', '/').replaceAll('~0', '~');
};

const VERBS = ['add', 'replace', 'remove'];

/** Operations of both drafts of JSON patch that glance takes: `{op, path, value}`, and the older `{<op>: path, value}`. */
export const readPatch = (body: unknown): unknown => (!Array.isArray(body) ? body : body.map((operation: unknown) => {
  if (typeof operation !== 'object' || operation === null || 'op' in operation) return operation;
  const verbs = VERBS.filter((verb) => Object.hasOwn(operation, verb));
  if (verbs.length !== 1) return operation;
  const { [verbs[0]!]: path, ...rest } = operation as Record<string, unknown>;
  return { ...rest, op: verbs[0], path };
}));

/** Applies a JSON patch of top-level attributes, all or nothing. */
export async function patchImage(
  images: ImageRepository, policy: PolicyEnforcer, context: RequestContext, image: ImageRow, operations: PatchOperations,
): Promise<ImageRow> {
  const properties = { ...image.properties };
  const changes: Updateable<ImagesTable> = {};
  for (const { op, path, value } of operations) {
    const name = pointer(path);
    if (READ_ONLY.has(name) || name === 'id') throw forbidden(`Attribute '${name}' is read-only.`);
    if (isBase(name)) setBase(image, changes, name, op, value);
    else setProperty(properties, name, op, value);
  }
  checkPropertyNames(Object.keys(properties));
  if (changes.owner !== undefined && changes.owner !== image.owner && !context.roleNames.has('admin')) throw forbidden("Owner can't be updated by non admin.");
  if (changes.visibility !== undefined) enforceVisibility(policy, context, changes.visibility, image.owner);
  return images.update(image, { ...changes, properties: JSON.stringify(properties) });
}

function setBase(image: ImageRow, changes: Updateable<ImagesTable>, name: Base, op: string, value: unknown): void {
  if (op === 'remove') throw forbidden(`Property ${name} may not be removed.`);
  checkInput(Type.Object({ [name]: WRITABLE[name] }), { [name]: value }, FAULT_STYLES.image);
  if (FIXED_WITH_DATA.has(name) && image.status !== 'queued') throw forbidden(`Attribute ${name} can be only replaced for a queued image.`);
  const stored = typeof value === 'boolean' ? Number(value) : name === 'tags' ? JSON.stringify([...new Set(value as string[])]) : value;
  Object.assign(changes, { [name]: stored });
}

function setProperty(properties: Record<string, string>, name: string, op: string, value: unknown): void {
  if (op !== 'add' && !Object.hasOwn(properties, name)) {
    throw conflict(`There was a conflict when trying to complete your request.<br /><br />\nProperty ${name} does not exist.`);
  }
  if (op === 'remove') {
    delete properties[name];
    return;
  }
  checkInput(Type.Object({ [name]: PropertyValue }), { [name]: value }, FAULT_STYLES.image);
  properties[name] = value as string;
}
