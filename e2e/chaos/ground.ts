import type { Answer, Api } from './api';
import type { Ground } from './clients';

/** A machine without an operating system: it starts, stops and can be looked at, and takes little of the processor. */
const EMPTY_DISK = new Uint8Array(1 << 20);

function must(answer: Answer, what: string): any {
  if (answer.status >= 300) throw new Error(`${what} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** Network, flavor and images of the run; made once, found by later runs. */
export async function layGround(api: Api): Promise<Ground> {
  const { networks } = must(await api.insist('network', 'GET', '/networks?name=chaos'), 'networks');
  const network = networks[0] ?? must(await api.insist('network', 'POST', '/networks', { network: { name: 'chaos' } }), 'network').network;
  if ((network.subnets as string[]).length === 0) {
    must(await api.insist('network', 'POST', '/subnets', { subnet: { network_id: network.id, name: 'chaos', ip_version: 4, cidr: '10.66.0.0/20' } }), 'subnet');
  }
  const { flavors } = must(await api.insist('compute', 'GET', '/flavors'), 'flavors');
  const flavor = (flavors as { id: string; name: string }[]).find(({ name }) => name === 'chaos')
    ?? must(await api.insist('compute', 'POST', '/flavors', { flavor: { name: 'chaos', vcpus: 1, ram: 64, disk: 1 } }), 'flavor').flavor;
  const { project } = { project: (await api.insist('network', 'GET', `/networks/${network.id}`)).body.network.project_id as string };
  must(await api.insist('compute', 'PUT', `/os-quota-sets/${project}`, { quota_set: { instances: 100, cores: 200, ram: 100_000 } }), 'quota');
  const external = must(await api.insist('network', 'GET', '/networks?router:external=true&name=public'), 'networks').networks[0].id as string;
  await route(api, network.id as string, external);
  return { networkId: network.id, externalNetworkId: external, flavorId: flavor.id, imageIds: [[await emptyImage(api), 1]] };
}

/** A router to the outside, for floating IPs. */
async function route(api: Api, networkId: string, externalNetworkId: string): Promise<void> {
  const { routers } = must(await api.insist('network', 'GET', '/routers?name=chaos'), 'routers');
  if (routers.length > 0) return;
  const { subnets } = must(await api.insist('network', 'GET', `/subnets?network_id=${networkId}`), 'subnets');
  const { router } = must(await api.insist('network', 'POST', '/routers', { router: { name: 'chaos', external_gateway_info: { network_id: externalNetworkId } } }), 'router');
  must(await api.insist('network', 'PUT', `/routers/${router.id}/add_router_interface`, { subnet_id: subnets[0].id }), 'router interface');
}

async function emptyImage(api: Api): Promise<string> {
  const { images } = must(await api.insist('image', 'GET', '/images?name=chaos-empty'), 'images');
  const active = (images as { id: string; status: string }[]).find(({ status }) => status === 'active');
  if (active) return active.id;
  const image = must(await api.insist('image', 'POST', '/images', {
    name: 'chaos-empty', disk_format: 'raw', container_format: 'bare', min_ram: 0, min_disk: 1, os_shutdown_timeout: '1',
  }), 'image');
  must(await api.insist('image', 'PUT', `/images/${image.id}/file`, EMPTY_DISK), 'upload');
  return image.id as string;
}
