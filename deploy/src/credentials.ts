import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { REGION } from './parts/apps';
import type { SecretStore } from './secrets';
import type { Site } from './site';

export interface Account {
  cloud: string;
  username: string;
  project: string;
  secret: string;
}

/** The two accounts that bootstrap makes. */
export const ACCOUNTS: Record<'admin' | 'demo', Account> = {
  admin: { cloud: 'virga', username: 'admin', project: 'admin', secret: 'user.admin' },
  demo: { cloud: 'virga-demo', username: 'demo', project: 'demo', secret: 'user.demo' },
};

const MARK = '# Written by virga up; it is written anew each time.';

/** clouds.yaml as the stock clients read it. */
export function cloudsYaml(site: Site, secrets: SecretStore): string {
  return [MARK, 'clouds:', ...Object.values(ACCOUNTS).flatMap(({ cloud, username, project, secret }) => [
    `  ${cloud}:`,
    `    region_name: ${REGION}`,
    '    identity_api_version: 3',
    '    auth:',
    `      auth_url: ${site.publicUrls.identity}/v3`,
    `      username: ${username}`,
    `      password: '${secrets.get(secret)}'`,
    `      project_name: ${project}`,
    '      user_domain_name: Default',
    '      project_domain_name: Default',
  ]), ''].join('\n');
}

/** Export lines for a shell. */
export function openrcText(site: Site, secrets: SecretStore, { username, project, secret }: Account): string {
  const variables = {
    OS_AUTH_URL: `${site.publicUrls.identity}/v3`, OS_USERNAME: username, OS_PASSWORD: secrets.get(secret), OS_PROJECT_NAME: project,
    OS_USER_DOMAIN_NAME: 'Default', OS_PROJECT_DOMAIN_NAME: 'Default', OS_REGION_NAME: REGION, OS_IDENTITY_API_VERSION: '3', OS_INTERFACE: 'public',
  };
  return `${Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`).join('\n')}\n`;
}

/**
 * Writes clouds.yaml and openrc into the state directory, and clouds.yaml to where clients of this user look, unless
 * somebody else's file is there. Returns the variable that is needed to reach the cloud by name.
 */
export function writeCredentials(site: Site, secrets: SecretStore, home: string): string {
  const own = join(site.state, 'clouds.yaml');
  writePrivate(own, cloudsYaml(site, secrets));
  writePrivate(join(site.state, 'openrc'), openrcText(site, secrets, ACCOUNTS.admin));
  const usual = join(home, '.config/openstack/clouds.yaml');
  if (existsSync(usual) && !isOurs(usual, site)) return `export OS_CLIENT_CONFIG_FILE=${own} OS_CLOUD=${ACCOUNTS.admin.cloud}`;
  mkdirSync(dirname(usual), { recursive: true, mode: 0o700 });
  writePrivate(usual, cloudsYaml(site, secrets));
  return `export OS_CLOUD=${ACCOUNTS.admin.cloud}`;
}

/** True for a file that this cloud wrote: ours by its mark, and with this cloud's own address. */
export function isOurs(file: string, site: Site): boolean {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return text.startsWith(MARK) && text.includes(`auth_url: ${site.publicUrls.identity}/v3\n`);
}

function writePrivate(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 });
  chmodSync(file, 0o600);
}
