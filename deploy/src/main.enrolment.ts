import { join } from 'node:path';
import { createLogger, errorMessage } from '@virga/core';
import { readTlsIdentity } from '@virga/mutual-tls';
import { Admission } from './enrolment/admission';
import { Attempts } from './enrolment/attempts';
import { enrolmentServer } from './enrolment/enrolment-server';
import { TokenStore } from './enrolment/token-store';
import { loadSite, readLaunch } from './load-site';
import { importDefinitions, prepareRabbitmq } from './parts/rabbitmq';
import { enrolmentIdentity, tlsEnv, tokenDirectory } from './pki/identities';
import { SecretStore } from './secrets';
import { adminClient } from './seed/rest-client';
import type { Site } from './site';
import { hostId } from './stages/host-namespace';
import { computeServices } from './verbs/host/list';

/** The process that lets machines in; root's, because it signs with the CA's key. */
const launch = readLaunch(process.env);
const logger = createLogger('enrolment', process.env['VIRGA_LOG_LEVEL'] ?? 'info');
const site = loadSite(launch);
// An `up` may have made secrets since: read anew each time.
const secretsOf = (current: Site): SecretStore => new SecretStore(join(current.etc, 'secrets.json'));

const admission = new Admission({
  site: () => loadSite(launch),
  tokens: new TokenStore(tokenDirectory(site)),
  knownHosts: async () => {
    const current = loadSite(launch);
    return [...current.hosts.map(({ name }) => name), ...(await computeServices(await adminClient(current, secretsOf(current)))).keys()];
  },
  tellBroker: async (current) => {
    prepareRabbitmq(current, current.hosts.map(hostId), secretsOf(current));
    await importDefinitions(current);
  },
  logger,
});
const server = enrolmentServer(readTlsIdentity(tlsEnv(enrolmentIdentity(site))), admission, new Attempts(), logger);
server.on('error', (error) => { logger.fatal({ reason: errorMessage(error) }, 'cannot listen'); process.exit(1); });
server.listen(site.ports.enrolment, site.management.address, () => logger.info({ address: site.management.address, port: site.ports.enrolment }, 'machines with a token may join'));
for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.on(name, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
