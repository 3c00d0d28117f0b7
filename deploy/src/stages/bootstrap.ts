import { ACCOUNTS } from '../credentials';
import { REGION } from '../parts/apps';
import type { SecretStore } from '../secrets';
import type { Site } from '../site';
import { runAppVerb } from './migrate';

/** Accounts of the services, for tools that expect them; the services themselves talk over the bus. */
const SERVICE_USERS = ['nova', 'neutron', 'glance', 'placement'];

/** The document that identity's `bootstrap` reads on its standard input. */
export function bootstrapDocument(site: Site, secrets: SecretStore): object {
  const { identity, compute, network, image } = site.publicUrls;
  const service = (type: string, name: string, url: string): object => ({ type, name, endpoints: { public: url, internal: url, admin: url } });
  return {
    admin: { password: secrets.get(ACCOUNTS.admin.secret) },
    demo: { password: secrets.get(ACCOUNTS.demo.secret) },
    region: REGION,
    services: [
      service('identity', 'keystone', `${identity}/v3`),
      service('compute', 'nova', `${compute}/v2.1`),
      service('network', 'neutron', network),
      service('image', 'glance', image),
    ],
    serviceUsers: SERVICE_USERS.map((name) => ({ name, password: secrets.get(`user.${name}`) })),
  };
}

/** Accounts, roles and catalog; what is there stays. The passwords go over standard input only. */
export async function bootstrapIdentity(site: Site, secrets: SecretStore): Promise<void> {
  await runAppVerb(site, secrets, 'identity', 'identity', 'bootstrap', JSON.stringify(bootstrapDocument(site, secrets)));
}
