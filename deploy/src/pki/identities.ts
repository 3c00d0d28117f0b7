import { join } from 'node:path';
import { Authority, IDENTITY_FILES, type CertificateWish, type TlsFiles } from '@virga/mutual-tls';
import { quote } from '../env-file';
import type { HostPlan, Site } from '../site';
import { hostId } from '../stages/host-namespace';
import { SERVICE_USER, userIds } from '../system-users';

/** Virga's CA; only root reads its key. */
export const authorityDirectory = (site: Site): string => join(site.etc, 'ca');
/** OVN's tools check who has signed a certificate, not whom it names: for them the southbound database has a CA of its own. */
export const southboundAuthorityDirectory = (site: Site): string => join(site.etc, 'ca/southbound');
/** Join tokens that were given out. */
export const tokenDirectory = (site: Site): string => join(site.etc, 'join-tokens');
export const brokerIdentity = (site: Site): string => join(site.etc, 'tls/broker');
export const enrolmentIdentity = (site: Site): string => join(site.etc, 'tls/enrolment');
export const southboundIdentity = (site: Site): string => join(site.etc, 'tls/southbound');
export const consoleProxyIdentity = (site: Site): string => join(site.etc, 'tls/console-proxy');
export const hostIdentity = (host: Pick<HostPlan, 'directory'>): string => join(host.directory, 'tls');
export const chassisIdentity = (host: Pick<HostPlan, 'directory'>): string => join(host.directory, 'tls-chassis');

/** Environment that tells a process where its identity lies. */
export const tlsEnv = (directory: string): Record<keyof TlsFiles, string> => ({
  VIRGA_TLS_CA_FILE: join(directory, IDENTITY_FILES.ca), VIRGA_TLS_CERT_FILE: join(directory, IDENTITY_FILES.cert), VIRGA_TLS_KEY_FILE: join(directory, IDENTITY_FILES.key),
});

/** A chassis only calls the database: it must not be able to pose as it. */
export const chassisWish = (name: string): CertificateWish => ({ peer: { role: 'chassis', name }, addresses: [], names: [], ends: ['client'] });

/** Options by which OVN's programs prove themselves and check others. */
export const ovnTlsOptions = (directory: string): string =>
  `--private-key=${quote(join(directory, IDENTITY_FILES.key))} --certificate=${quote(join(directory, IDENTITY_FILES.cert))} --ca-cert=${quote(join(directory, IDENTITY_FILES.ca))}`;

/** Certificates of everything here that proves itself to others; those that last are left. */
export async function issueCertificates(site: Site): Promise<string> {
  const authority = await Authority.open(authorityDirectory(site));
  const southbound = await Authority.open(southboundAuthorityDirectory(site));
  const service = userIds(SERVICE_USER);
  const here = { addresses: [site.management.address], names: [] };
  const written = [
    await authority.equip(consoleProxyIdentity(site), { peer: { role: 'console-proxy' }, addresses: [], names: [] }, service),
    await authority.equip(brokerIdentity(site), { peer: { role: 'broker' }, ...here }, userIds('rabbitmq')),
    await authority.equip(enrolmentIdentity(site), { peer: { role: 'enrolment' }, ...here, ends: ['server'] }),
    await southbound.equip(southboundIdentity(site), { peer: { role: 'southbound' }, ...here, ends: ['server'] }, service),
  ];
  for (const host of site.hosts) {
    written.push(await authority.equip(hostIdentity(host), { peer: { role: 'host', hostId: hostId(host) }, addresses: [host.managementAddress], names: [host.name] }));
    written.push(await southbound.equip(chassisIdentity(host), chassisWish(host.name)));
  }
  return `${written.filter(Boolean).length} of ${written.length} made`;
}
