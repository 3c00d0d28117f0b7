import { Type, type TSchema } from '@sinclair/typebox';
import type { RequestContext } from '@virga/core';
import { canonicalAddress } from '@virga/domain';
import type { VersionSteps } from '@virga/rest';
import { dbNow } from '../db/time';
import type { Db } from '../tokens';
import { AccessIpV4, AccessIpV6, Description, DiskConfig, Fqdn, Hostname, ServerName } from './create-server.schema';
import { getInstance } from './server.repository';

const strict = { additionalProperties: false };
const base = {
  name: Type.Optional(ServerName), 'OS-DCF:diskConfig': Type.Optional(DiskConfig), accessIPv4: Type.Optional(AccessIpV4), accessIPv6: Type.Optional(AccessIpV6),
};
const step = (more: Record<string, TSchema>) => Type.Object({ server: Type.Object({ ...base, ...more }, strict) }, strict);
export const UpdateServer = [
  ['2.1', step({})],
  ['2.19', step({ description: Type.Optional(Description) })],
  ['2.90', step({ description: Type.Optional(Description), hostname: Type.Optional(Hostname) })],
  ['2.94', step({ description: Type.Optional(Description), hostname: Type.Optional(Fqdn) })],
] as const satisfies VersionSteps<TSchema>;

export interface UpdateServerBody {
  server: { name?: string; 'OS-DCF:diskConfig'?: string; accessIPv4?: string; accessIPv6?: string; description?: string | null; hostname?: string };
}

/** PUT /servers/{id}: what users may change without a word to the host. The guest sees a new name in its metadata. */
export async function updateServer(db: Db, caller: RequestContext, id: string, { server }: UpdateServerBody): Promise<void> {
  await getInstance(db, caller, id);
  await db.updateTable('instances').set({
    updated_at: dbNow,
    ...(server.name !== undefined && { display_name: server.name }),
    ...(server.description !== undefined && { description: server.description }),
    ...(server.hostname !== undefined && { hostname: server.hostname }),
    ...(server['OS-DCF:diskConfig'] !== undefined && { disk_config: server['OS-DCF:diskConfig'] }),
    ...(server.accessIPv4 !== undefined && { access_ip_v4: server.accessIPv4 || null }),
    ...(server.accessIPv6 !== undefined && { access_ip_v6: canonicalAddress(server.accessIPv6) ?? null }),
  }).where('id', '=', id).where('deleted_at', 'is', null).execute();
}
