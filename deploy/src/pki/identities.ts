import { join } from 'node:path';
import { Authority, IDENTITY_FILES, type TlsFiles } from '@virga/mutual-tls';
import type { HostPlan, Site } from '../site';
import { hostId } from '../stages/host-namespace';
import { SERVICE_USER, userIds } from '../system-users';

/** Virga's CA; only root reads its key. */
export const authorityDirectory = (site: Site): string => join(site.etc, 'ca');
export const consoleProxyIdentity = (site: Site): string => join(site.etc, 'tls/console-proxy');
export const hostIdentity = (host: HostPlan): string => join(host.directory, 'tls');

/** Environment that tells a process where its identity lies. */
export const tlsEnv = (directory: string): Record<keyof TlsFiles, string> => ({
  VIRGA_TLS_CA_FILE: join(directory, IDENTITY_FILES.ca), VIRGA_TLS_CERT_FILE: join(directory, IDENTITY_FILES.cert), VIRGA_TLS_KEY_FILE: join(directory, IDENTITY_FILES.key),
});

/** Certificates of everything here that proves itself to others; those that last are left. */
export async function issueCertificates(site: Site): Promise<string> {
  const authority = await Authority.open(authorityDirectory(site));
  const written = [await authority.equip(consoleProxyIdentity(site), { peer: { role: 'console-proxy' }, addresses: [], names: [] }, userIds(SERVICE_USER))];
  for (const host of site.hosts) {
    written.push(await authority.equip(hostIdentity(host), { peer: { role: 'host', hostId: hostId(host) }, addresses: [host.managementAddress], names: [host.name] }));
  }
  return `${written.filter(Boolean).length} of ${written.length} made`;
}
