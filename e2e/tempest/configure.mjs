/**
 * Writes a Tempest workspace for a running cloud: node e2e/tempest/configure.mjs DIR. Reads the OS_* variables of an
 * administrator (`./virga openrc`), makes two small images and flavors if they are missing, and says in tempest.conf
 * what the cloud itself tells of its versions, extensions and hosts. Guests are not contacted. TEMPEST_IMAGE and TEMPEST_FLAVOR
 * name an image and a flavor of the cloud, for tests of servers that print something.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const { OS_AUTH_URL: authUrl, OS_USERNAME: user, OS_PASSWORD: password, OS_PROJECT_NAME: project, OS_REGION_NAME: region = 'RegionOne' } = process.env;
const dir = resolve(process.argv[2] ?? 'tmp/tempest');
let token;

async function ask(method, url, body, headers = {}) {
  const raw = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch(url, { method, headers: { ...(token && { 'x-auth-token': token }), ...(raw !== undefined && { 'content-type': 'application/json' }), ...headers }, ...(raw !== undefined && { body: raw }) });
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
  return { headers: answer.headers, body: answer.status === 204 ? undefined : await answer.json() };
}

const domain = { name: 'Default' };
const login = await ask('POST', `${authUrl}/auth/tokens`, {
  auth: { identity: { methods: ['password'], password: { user: { name: user, password, domain } } }, scope: { project: { name: project, domain } } },
});
token = login.headers.get('x-subject-token');
const urlOf = (type) => login.body.token.catalog.find((service) => service.type === type).endpoints.find((endpoint) => endpoint.interface === 'public').url.replace(/\/$/, '');
const [compute, image, network] = [urlOf('compute'), `${urlOf('image').replace(/\/v2$/, '')}/v2`, `${urlOf('network').replace(/\/v2\.0$/, '')}/v2.0`];

const { TEMPEST_IMAGE: imageName = 'tempest-1', TEMPEST_FLAVOR: flavorName = 'tempest.small' } = process.env;

async function imageId(name) {
  const [found] = (await ask('GET', `${image}/images?name=${name}&status=active`)).body.images;
  if (found) return found.id;
  const { body: made } = await ask('POST', `${image}/images`, { name, disk_format: 'raw', container_format: 'bare', visibility: 'public' });
  await ask('PUT', `${image}/images/${made.id}/file`, 'no system, only bytes\n'.repeat(3000), { 'content-type': 'application/octet-stream' });
  return made.id;
}
async function flavorId(name, ram) {
  const found = (await ask('GET', `${compute}/flavors/detail?is_public=None`)).body.flavors.find((flavor) => flavor.name === name);
  return found ? found.id : (await ask('POST', `${compute}/flavors`, { flavor: { name, ram, vcpus: 1, disk: 1 } })).body.flavor.id;
}

const [external] = (await ask('GET', `${network}/networks?router:external=true`)).body.networks;
const extensions = (await ask('GET', `${network}/extensions`)).body.extensions.map(({ alias }) => alias).sort();
const hosts = (await ask('GET', `${compute}/os-services?binary=nova-compute`)).body.services.filter(({ status, state }) => status === 'enabled' && state === 'up');
const { version } = (await ask('GET', compute)).body;

const settings = {
  DEFAULT: { log_dir: join(dir, 'logs'), log_file: 'tempest.log' },
  oslo_concurrency: { lock_path: join(dir, 'locks') },
  auth: { use_dynamic_credentials: true, create_isolated_networks: true, admin_username: user, admin_password: password, admin_project_name: project, admin_domain_name: 'Default', tempest_roles: 'member' },
  identity: { uri_v3: authUrl, auth_version: 'v3', region, v3_endpoint_type: 'public' },
  'identity-feature-enabled': { api_v2: false, api_v2_admin: false },
  service_available: { nova: true, neutron: true, glance: true, cinder: false, swift: false, horizon: false },
  compute: {
    region, image_ref: await imageId(imageName), image_ref_alt: await imageId('tempest-2'), flavor_ref: await flavorId(flavorName, 64), flavor_ref_alt: await flavorId('tempest.medium', 128),
    min_microversion: version.min_version, max_microversion: version.version, min_compute_nodes: hosts.length, build_timeout: 180, build_interval: 1,
  },
  'compute-feature-enabled': {
    resize: true, cold_migration: true, live_migration: true, block_migration_for_live_migration: true, suspend: true, shelve: true, rescue: true, snapshot: true,
    personality: false, change_password: false, vnc_console: true, spice_console: false,
    scheduler_enabled_filters: 'AvailabilityZoneFilter,ComputeFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,SameHostFilter,DifferentHostFilter',
  },
  network: { region, public_network_id: external.id, floating_network_name: external.name, project_network_cidr: '10.100.0.0/16', project_network_mask_bits: 28 },
  'network-feature-enabled': { ipv6: true, api_extensions: extensions.join(','), port_security: extensions.includes('port-security'), floating_ips: true },
  image: { region, container_formats: 'bare', disk_formats: 'raw,qcow2' },
  'image-feature-enabled': { api_v2: true, api_v1: false, import_image: false },
  validation: { run_validation: false, allowed_network_downtime: 6 },
};
const text = Object.entries(settings).map(([section, values]) => `[${section}]\n${Object.entries(values).map(([key, value]) => `${key} = ${value}\n`).join('')}`).join('\n');

for (const sub of ['etc', 'logs', 'locks']) await mkdir(join(dir, sub), { recursive: true });
await writeFile(join(dir, 'etc', 'tempest.conf'), text, { mode: 0o600 });
const tests = '/usr/lib/python3/dist-packages/tempest';
await writeFile(join(dir, '.stestr.conf'), `[DEFAULT]\ntest_path=${tests}/test_discover\ntop_dir=${tests}\ngroup_regex=([^\\.]*\\.)*\n`);
console.log(`tempest: compute ${version.min_version} to ${version.version}, ${hosts.length} hosts, ${extensions.length} network extensions`);
