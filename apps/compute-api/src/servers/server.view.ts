import { baseUrl, type FastifyRequest } from '@virga/rest';
import { serverStatus, STATUSES_WITH_FAULT, STATUSES_WITH_PROGRESS } from '@virga/domain';
import type { ImageFacts } from '@virga/contracts';
import { fromJson, sharedJson } from '../db/json';
import { microTimeOrNull, secondTime } from '../times';
import type { ServerAddress, ServerRow } from './server.repository';
import { instanceName, obfuscatedHostId, type ServerFlavor } from './server-row';

/** What a view of servers depends on beside the server. */
export interface ViewContext {
  request: FastifyRequest;
  /** Minor number of the version. */
  at: number;
  /** Sees the extended attributes. */
  admin: boolean;
  /** list: in GET /servers/detail; show: on its own; update: as the answer to a PUT, which was shorter before 2.75. */
  form: 'show' | 'list' | 'update';
}

export const serverLinks = (request: FastifyRequest, id: string) => {
  const base = baseUrl(request);
  return [{ rel: 'self', href: `${base}/v2.1/servers/${id}` }, { rel: 'bookmark', href: `${base}/servers/${id}` }];
};

/** Addresses by network name, in the order of ports. */
export function addressesOf(addresses: ServerAddress[], extended: boolean): Record<string, unknown[]> {
  const byNetwork: Record<string, unknown[]> = Object.create(null) as Record<string, unknown[]>;
  for (const { network, address, version, mac, type } of addresses) {
    (byNetwork[network] ??= []).push({ version, addr: address, ...(extended && { 'OS-EXT-IPS:type': type, 'OS-EXT-IPS-MAC:mac_addr': mac }) });
  }
  return { ...byNetwork };
}

interface Field {
  key: string;
  /** First and last version (2.n). */
  from?: number;
  to?: number;
  when?(server: ServerRow, context: ViewContext): boolean;
  value(server: ServerRow, context: ViewContext): unknown;
}

const status = (server: ServerRow): string => serverStatus(server.vm_state, server.task_state);
const isAdmin = (_server: ServerRow, { admin }: ViewContext): boolean => admin;

function flavorOf({ flavor_json: text }: ServerRow, { at, request }: ViewContext): unknown {
  const flavor = sharedJson<ServerFlavor>(text);
  if (at < 47) return { id: flavor.flavorid, links: [{ rel: 'bookmark', href: `${baseUrl(request)}/flavors/${encodeURIComponent(flavor.flavorid)}` }] };
  const { vcpus, ram, disk, ephemeral, swap, original_name, extra_specs } = flavor;
  return { vcpus, ram, disk, ephemeral, swap, original_name, extra_specs };
}

interface Fault { code: number; created: string; message: string; details: string | null }
function faultOf({ fault_json: fault }: ServerRow, { admin }: ViewContext): unknown {
  const { code, created, message, details } = fromJson<Fault | null>(fault, null)!;
  return { code, created, message, ...(admin && details !== null && { details }) };
}

/** As nova's host_status: what is known of the server's host, for those who may ask. */
function hostStatus({ host_id: hostId, host_alive: alive, host_disabled: disabled, host_forced_down: down }: ServerRow): string {
  if (hostId === null) return '';
  if (down) return 'DOWN';
  if (!alive) return 'UNKNOWN';
  return disabled ? 'MAINTENANCE' : 'UP';
}

const imageProperty = (server: ServerRow, key: string): string => sharedJson<ImageFacts>(server.image_json).properties[key] ?? '';
const groupsOf = ({ security_groups_beside: names }: ServerRow): string[] => fromJson<string[]>(names, []);

/** Keys of a server in the order of the answer, with the version from which each is there. */
const FIELDS: readonly Field[] = [
  { key: 'id', value: (server) => server.id },
  { key: 'name', value: (server) => server.display_name },
  { key: 'status', value: status },
  { key: 'tenant_id', value: (server) => server.project_id },
  { key: 'user_id', value: (server) => server.user_id },
  { key: 'metadata', value: (server) => fromJson(server.metadata_json, {}) },
  { key: 'hostId', value: (server) => obfuscatedHostId(server.host_id === null ? null : server.host, server.project_id) },
  { key: 'image', value: (server, { request }) => ({ id: server.image_id, links: [{ rel: 'bookmark', href: `${baseUrl(request)}/images/${server.image_id}` }] }) },
  { key: 'flavor', value: flavorOf },
  { key: 'created', value: (server) => secondTime(server.created_at) },
  { key: 'updated', value: (server) => secondTime(server.updated_at) },
  { key: 'addresses', value: (server, { form, at }) => addressesOf(server.addresses, form !== 'update' || at >= 75) },
  { key: 'accessIPv4', value: (server) => server.access_ip_v4 ?? '' },
  { key: 'accessIPv6', value: (server) => server.access_ip_v6 ?? '' },
  { key: 'links', value: (server, { request }) => serverLinks(request, server.id) },
  { key: 'OS-DCF:diskConfig', value: (server) => server.disk_config },
  { key: 'fault', when: (server) => server.fault_json !== null && STATUSES_WITH_FAULT.has(status(server)), value: faultOf },
  { key: 'progress', when: (server) => STATUSES_WITH_PROGRESS.has(status(server)), value: () => 0 },
  { key: 'OS-EXT-AZ:availability_zone', value: (server) => server.availability_zone ?? '' },
  { key: 'config_drive', value: (server) => (server.config_drive ? 'True' : '') },
  { key: 'key_name', value: (server) => server.key_name },
  { key: 'OS-SRV-USG:launched_at', value: (server) => microTimeOrNull(server.launched_at) },
  { key: 'OS-SRV-USG:terminated_at', value: (server) => microTimeOrNull(server.terminated_at) },
  {
    key: 'security_groups', when: (server, context) => context.form !== 'list' && groupsOf(server).length > 0,
    value: (server) => groupsOf(server).map((name) => ({ name })),
  },
  { key: 'OS-EXT-SRV-ATTR:host', when: isAdmin, value: (server) => (server.host_id === null ? null : server.host) },
  { key: 'OS-EXT-SRV-ATTR:instance_name', when: isAdmin, value: (server) => instanceName(server.num) },
  { key: 'OS-EXT-SRV-ATTR:hypervisor_hostname', when: isAdmin, value: (server) => (server.host_id === null ? null : server.host) },
  { key: 'OS-EXT-SRV-ATTR:reservation_id', from: 3, when: isAdmin, value: (server) => server.reservation_id },
  { key: 'OS-EXT-SRV-ATTR:launch_index', from: 3, when: isAdmin, value: (server) => server.launch_index },
  { key: 'OS-EXT-SRV-ATTR:hostname', from: 3, when: isAdmin, value: (server) => server.hostname },
  { key: 'OS-EXT-SRV-ATTR:kernel_id', from: 3, when: isAdmin, value: (server) => imageProperty(server, 'kernel_id') },
  { key: 'OS-EXT-SRV-ATTR:ramdisk_id', from: 3, when: isAdmin, value: (server) => imageProperty(server, 'ramdisk_id') },
  { key: 'OS-EXT-SRV-ATTR:root_device_name', from: 3, when: isAdmin, value: (server) => server.root_device_name },
  { key: 'OS-EXT-SRV-ATTR:user_data', from: 3, when: isAdmin, value: (server) => server.user_data },
  { key: 'OS-EXT-STS:task_state', value: (server) => server.task_state },
  { key: 'OS-EXT-STS:vm_state', value: (server) => server.vm_state },
  { key: 'OS-EXT-STS:power_state', value: (server) => server.power_state },
  { key: 'os-extended-volumes:volumes_attached', value: () => [] },
  { key: 'host_status', from: 16, when: isAdmin, value: hostStatus },
  { key: 'locked', from: 9, value: (server) => server.locked !== 0 },
  { key: 'locked_reason', from: 73, value: (server) => server.locked_reason },
  { key: 'description', from: 19, value: (server) => server.description },
  { key: 'tags', from: 26, value: (server) => fromJson(server.tags_json, []) },
  { key: 'trusted_image_certificates', from: 63, value: () => null },
  { key: 'OS-EXT-SRV-ATTR:hostname', from: 90, when: (_server, { admin }) => !admin, value: (server) => server.hostname },
  { key: 'pinned_availability_zone', from: 96, value: (server) => server.requested_az },
  { key: 'server_groups', from: 71, when: (_server, { form }) => form !== 'list', value: (server) => (server.group_id === null ? [] : [server.group_id]) },
  {
    key: 'security_groups', when: (server, context) => context.form === 'list' && groupsOf(server).length > 0,
    value: (server) => groupsOf(server).map((name) => ({ name })),
  },
];

const steps = new Map<number, readonly Field[]>();
/** The fields of one version, found once. */
function fieldsAt(at: number): readonly Field[] {
  let fields = steps.get(at);
  if (!fields) steps.set(at, (fields = FIELDS.filter(({ from = 1, to = Infinity }) => from <= at && at <= to)));
  return fields;
}

/** Left out of the answer to a PUT before 2.75. */
const NOT_IN_OLD_UPDATE = /^(OS-EXT-|OS-SRV-USG:|os-extended-volumes:|host_status$|config_drive$|key_name$|security_groups$)/;

export function serverDetail(server: ServerRow, context: ViewContext): Record<string, unknown> {
  const view: Record<string, unknown> = {};
  const short = context.form === 'update' && context.at < 75;
  for (const { key, when, value } of fieldsAt(context.at)) {
    if (short && NOT_IN_OLD_UPDATE.test(key)) continue;
    if (!when || when(server, context)) view[key] = value(server, context);
  }
  return view;
}

export const serverBrief = (server: { id: string; display_name: string }, request: FastifyRequest) =>
  ({ id: server.id, name: server.display_name, links: serverLinks(request, server.id) });
