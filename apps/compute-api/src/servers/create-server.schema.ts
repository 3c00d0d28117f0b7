import { isIPv4, isIPv6 } from 'node:net';
import { FormatRegistry, Type, type Static, type TProperties, type TSchema } from '@sinclair/typebox';
import { isUuid } from '@virga/core';
import type { VersionSteps } from '@virga/rest';

FormatRegistry.Set('ipv4-or-none', (value) => value === '' || isIPv4(value));
FormatRegistry.Set('ipv6-or-none', (value) => value === '' || isIPv6(value));
FormatRegistry.Set('image-id', (value) => value === '' || isUuid(value));
const strict = { additionalProperties: false };

/** No control characters, no blanks at the ends; any script. */
export const ServerName = Type.String({ minLength: 1, maxLength: 255, pattern: '^(?!\\s)[^\\x00-\\x1f\\x7f]+(?<!\\s)$' });
export const Description = Type.Union([Type.String({ maxLength: 255, pattern: '^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f]*$' }), Type.Null()]);
export const DiskConfig = Type.Union([Type.Literal('AUTO'), Type.Literal('MANUAL')]);
export const AccessIpV4 = Type.String({ format: 'ipv4-or-none' });
export const AccessIpV6 = Type.String({ format: 'ipv6-or-none' });
export const MetadataItems = Type.Record(Type.String({ pattern: '^[a-zA-Z0-9-_:. ]{1,255}$' }), Type.String({ maxLength: 255 }), strict);
export const Tag = Type.String({ minLength: 1, maxLength: 60, pattern: '^[^,/]*$' });
export const Hostname = Type.String({ minLength: 2, maxLength: 63, pattern: '^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$' });
export const Fqdn = Type.String({ minLength: 2, maxLength: 255, pattern: '^[a-zA-Z0-9]+[a-zA-Z0-9-.]*[a-zA-Z0-9]+$' });
export const Bool = Type.Union([Type.Boolean(), Type.String({ pattern: '^([Tt]rue|[Ff]alse|TRUE|FALSE|[Yy]es|[Nn]o|YES|NO|[Oo]n|[Oo]ff|ON|OFF|0|1)$' })]);
const Count = Type.Union([Type.Integer({ minimum: 1 }), Type.String({ pattern: '^[1-9][0-9]*$', maxLength: 9 })]);

const Network = Type.Object({
  uuid: Type.Optional(Type.String({ format: 'uuid' })),
  port: Type.Optional(Type.Union([Type.String({ format: 'uuid' }), Type.Null()])),
  fixed_ip: Type.Optional(Type.String({ format: 'ip' })),
}, strict);
const NetworkList = Type.Array(Network);

/** Read here, judged in `boot-device.ts`: only boot from an image is built. */
const BlockDevice = Type.Object({
  uuid: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  source_type: Type.Optional(Type.Union(['volume', 'image', 'snapshot', 'blank'].map((word) => Type.Literal(word)))),
  destination_type: Type.Optional(Type.Union(['local', 'volume'].map((word) => Type.Literal(word)))),
  boot_index: Type.Optional(Type.Union([Type.Integer(), Type.String({ pattern: '^-?[0-9]+$', maxLength: 10 }), Type.Null()])),
  delete_on_termination: Type.Optional(Bool),
  volume_size: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.String({ pattern: '^[0-9]+$', maxLength: 10 })])),
  device_name: Type.Optional(Type.String({ maxLength: 255 })),
  device_type: Type.Optional(Type.String({ maxLength: 16 })),
  disk_bus: Type.Optional(Type.String({ maxLength: 16 })),
  guest_format: Type.Optional(Type.String({ maxLength: 255 })),
  no_device: Type.Optional(Bool),
  image_id: Type.Optional(Type.String()),
  volume_id: Type.Optional(Type.String()),
  snapshot_id: Type.Optional(Type.String()),
}, strict);
export type BlockDevice = Static<typeof BlockDevice>;

const Hints = Type.Object({
  group: Type.Optional(Type.String()),
  different_host: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  same_host: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  query: Type.Optional(Type.Union([Type.String(), Type.Object({})])),
  target_cell: Type.Optional(Type.String()),
  different_cell: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  build_near_host_ip: Type.Optional(Type.String()),
  cidr: Type.Optional(Type.String()),
});

const properties = {
  name: ServerName,
  imageRef: Type.Optional(Type.String({ format: 'image-id' })),
  flavorRef: Type.Union([Type.String({ minLength: 1 }), Type.Integer({ minimum: 0 })]),
  adminPass: Type.Optional(Type.String({ maxLength: 255 })),
  metadata: Type.Optional(MetadataItems),
  networks: Type.Optional(NetworkList),
  'OS-DCF:diskConfig': Type.Optional(DiskConfig),
  accessIPv4: Type.Optional(AccessIpV4),
  accessIPv6: Type.Optional(AccessIpV6),
  availability_zone: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  block_device_mapping: Type.Optional(Type.Array(Type.Object({}))),
  block_device_mapping_v2: Type.Optional(Type.Array(BlockDevice)),
  config_drive: Type.Optional(Type.Union([Bool, Type.Null()])),
  key_name: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Null()])),
  min_count: Type.Optional(Count),
  max_count: Type.Optional(Count),
  return_reservation_id: Type.Optional(Bool),
  security_groups: Type.Optional(Type.Array(Type.Object({ name: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })) }))),
  user_data: Type.Optional(Type.String({ format: 'base64', maxLength: 65_535 })),
  'os:scheduler_hints': Type.Optional(Hints),
  'OS-SCH-HNT:scheduler_hints': Type.Optional(Hints),
};
const step = (server: TProperties) => Type.Object({
  server: Type.Object(server, strict),
  'os:scheduler_hints': Type.Optional(Hints),
  'OS-SCH-HNT:scheduler_hints': Type.Optional(Hints),
}, strict);

const at19 = { ...properties, description: Type.Optional(Description) };
const at37 = { ...at19, networks: Type.Union([Type.Literal('auto'), Type.Literal('none'), NetworkList]) };
const at52 = { ...at37, tags: Type.Optional(Type.Array(Tag, { maxItems: 50, uniqueItems: true })) };
const at63 = { ...at52, trusted_image_certificates: Type.Optional(Type.Null()) };
const at74 = { ...at63, host: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })), hypervisor_hostname: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })) };
const at90 = { ...at74, hostname: Type.Optional(Hostname) };
const at94 = { ...at74, hostname: Type.Optional(Fqdn) };

/** Files cannot be injected in any version, as in nova from 2.57 on: user data and config drive do that. Older clients say that they have none. */
export const NoFiles = { personality: Type.Optional(Type.Array(Type.Object({}), { maxItems: 0 })) };
export const CreateServer = [
  ['2.1', step({ ...properties, ...NoFiles })],
  ['2.19', step({ ...at19, ...NoFiles })],
  ['2.37', step({ ...at37, ...NoFiles })],
  ['2.52', step({ ...at52, ...NoFiles })],
  ['2.57', step(at52)],
  ['2.63', step(at63)],
  ['2.74', step(at74)],
  ['2.90', step(at90)],
  ['2.94', step(at94)],
] as const satisfies VersionSteps<TSchema>;

type Server = { [K in keyof typeof properties]: Static<(typeof properties)[K]> };
/** The body in all its versions together. */
export interface CreateServerBody {
  server: Omit<Partial<Server>, 'networks'> & {
    name: string;
    flavorRef: string | number;
    networks?: 'auto' | 'none' | Static<typeof Network>[];
    description?: string | null;
    tags?: string[];
    host?: string;
    hypervisor_hostname?: string;
    hostname?: string;
  };
  'os:scheduler_hints'?: Static<typeof Hints>;
  'OS-SCH-HNT:scheduler_hints'?: Static<typeof Hints>;
}
