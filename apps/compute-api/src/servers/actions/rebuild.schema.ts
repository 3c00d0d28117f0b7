import { Type, type Static, type TProperties, type TSchema } from '@sinclair/typebox';
import type { VersionSteps } from '@virga/rest';
import { AccessIpV4, AccessIpV6, Bool, Description, DiskConfig, Fqdn, Hostname, MetadataItems, NoFiles, ServerName } from '../create-server.schema';

const properties = {
  imageRef: Type.String({ format: 'uuid' }),
  name: Type.Optional(ServerName),
  adminPass: Type.Optional(Type.String({ maxLength: 255 })),
  metadata: Type.Optional(MetadataItems),
  preserve_ephemeral: Type.Optional(Bool),
  accessIPv4: Type.Optional(AccessIpV4),
  accessIPv6: Type.Optional(AccessIpV6),
  'OS-DCF:diskConfig': Type.Optional(DiskConfig),
};
const step = (more: TProperties) => Type.Object({ ...properties, ...more }, { additionalProperties: false });
const at19 = { description: Type.Optional(Description) };
const at54 = { ...at19, key_name: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Null()])) };
const at57 = { ...at54, user_data: Type.Optional(Type.Union([Type.String({ format: 'base64', maxLength: 65_535 }), Type.Null()])) };
const at63 = { ...at57, trusted_image_certificates: Type.Optional(Type.Null()) };

/** As at the creation of servers, files cannot be injected in any version. */
export const Rebuild = [
  ['2.1', step(NoFiles)],
  ['2.19', step({ ...at19, ...NoFiles })],
  ['2.54', step({ ...at54, ...NoFiles })],
  ['2.57', step(at57)],
  ['2.63', step(at63)],
  ['2.90', step({ ...at63, hostname: Type.Optional(Hostname) })],
  ['2.94', step({ ...at63, hostname: Type.Optional(Fqdn) })],
] as const satisfies VersionSteps<TSchema>;

/** The body in all its versions together. */
export type RebuildBody = { [K in keyof typeof properties]?: Static<(typeof properties)[K]> } & {
  imageRef: string; description?: string | null; key_name?: string | null; user_data?: string | null; hostname?: string;
};
