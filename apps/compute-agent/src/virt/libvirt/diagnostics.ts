import { POWER_STATE } from '@virga/contracts';
import { notFound } from '@virga/core';
import { Affect, ErrorCode, isLibvirtError, MetadataType, numberParam, StatsGroup, type LibvirtHost, type TypedParam } from '@virga/libvirt';
import type { PowerState } from '../virt-driver';
import { isActive, observe, toPowerState } from './power-state';
import { all, one, readXml } from './read-xml';
import { element, writeXml } from './xml';

/** nova's words for power states. */
const STATE_NAME: Record<PowerState, string | null> = {
  [POWER_STATE.noState]: null, [POWER_STATE.running]: 'running', [POWER_STATE.paused]: 'paused', [POWER_STATE.shutdown]: 'shutdown',
  [POWER_STATE.crashed]: 'crashed', [POWER_STATE.suspended]: 'suspended',
};

/** An element that only the running domain has: libvirt does not tell since when a domain runs. */
const RUN_NAMESPACE = 'urn:virga:run:1';

export async function markStart(host: LibvirtHost, uuid: string): Promise<void> {
  await host.call('domainSetMetadata', {
    dom: { uuid }, type: MetadataType.ELEMENT, uri: RUN_NAMESPACE, key: 'run', flags: Affect.LIVE,
    metadata: writeXml(element('run', { started: new Date().toISOString() })),
  });
}

/** Seconds since the machine was started; null when that is not known. */
async function uptime(host: LibvirtHost, uuid: string): Promise<number | null> {
  try {
    const { metadata } = await host.call('domainGetMetadata', { dom: { uuid }, type: MetadataType.ELEMENT, uri: RUN_NAMESPACE, flags: Affect.LIVE });
    const started = Date.parse(readXml(metadata).attributes['started'] ?? '');
    return Number.isNaN(started) ? null : Math.max(0, Math.floor((Date.now() - started) / 1000));
  } catch (error) {
    if (isLibvirtError(error, ErrorCode.NO_DOMAIN_METADATA, ErrorCode.OPERATION_INVALID)) return null;
    throw error;
  }
}

/** Numbers of the `index`th thing of a group, null where libvirt has none. */
function reader(params: readonly TypedParam[], group: string, index: number) {
  const has = (name: string) => params.some(({ field }) => field === `${group}.${index}.${name}`);
  return (name: string): number | null => (has(name) ? numberParam(params, `${group}.${index}.${name}`) : null);
}

function each<T>(params: readonly TypedParam[], group: string, view: (read: ReturnType<typeof reader>, index: number) => T): T[] {
  return Array.from({ length: numberParam(params, `${group}.count`) }, (_, index) => view(reader(params, group, index), index));
}

const cpuDetails = (params: readonly TypedParam[]) => Array.from({ length: numberParam(params, 'vcpu.current') }, (_, id) => ({
  id, time: reader(params, 'vcpu', id)('time'), utilisation: null,
}));

const diskDetails = (params: readonly TypedParam[]) => each(params, 'block', (read) => ({
  read_bytes: read('rd.bytes'), read_requests: read('rd.reqs'), write_bytes: read('wr.bytes'), write_requests: read('wr.reqs'),
  errors_count: read('errors'),
}));

/** In the guest's view: what it received is `rx`. */
const nicDetails = (params: readonly TypedParam[], macOf: Map<string, string>) => each(params, 'net', (read, index) => ({
  mac_address: macOf.get(String(params.find(({ field }) => field === `net.${index}.name`)?.value)) ?? null,
  rx_octets: read('rx.bytes'), rx_errors: read('rx.errs'), rx_drop: read('rx.drop'), rx_packets: read('rx.pkts'), rx_rate: null,
  tx_octets: read('tx.bytes'), tx_errors: read('tx.errs'), tx_drop: read('tx.drop'), tx_packets: read('tx.pkts'), tx_rate: null,
}));

const MIB_OF_KIB = 1024;

/** MiB. What the guest uses is known once its balloon driver has told. */
function memoryDetails(params: readonly TypedParam[]) {
  const known = (name: string) => (params.some(({ field }) => field === name) ? numberParam(params, name) : null);
  const [available, unused, current] = ['balloon.available', 'balloon.unused', 'balloon.current'].map(known);
  const used = available != null && unused != null ? available - unused : current;
  return {
    maximum: Math.floor(numberParam(params, 'balloon.maximum') / MIB_OF_KIB),
    used: used == null ? null : Math.floor(used / MIB_OF_KIB),
  };
}

const GROUPS = StatsGroup.CPU_TOTAL | StatsGroup.BALLOON | StatsGroup.VCPU | StatsGroup.INTERFACE | StatsGroup.BLOCK;

/**
 * A server's diagnostics in the form of compute's microversion 2.48. Null is what libvirt does not tell.
 * @throws CloudError notFound
 */
export async function diagnostics(host: LibvirtHost, uuid: string, virtType: string): Promise<Record<string, unknown>> {
  const observed = await observe(host, uuid);
  if (!observed) throw notFound(`Instance ${uuid} has no machine on this host.`);
  const dom = { uuid };
  const [{ records }, { xml }, seconds] = await Promise.all([
    host.call('connectGetAllDomainStats', { doms: [dom], stats: GROUPS }),
    host.call('domainGetXmlDesc', { dom }),
    isActive(observed) ? uptime(host, uuid) : null,
  ]);
  const params = records[0]?.params ?? [];
  const domain = readXml(xml);
  const macOf = new Map(all(domain, 'devices', 'interface').map((nic) => [one(nic, 'target')?.attributes['dev'] ?? '', one(nic, 'mac')?.attributes['address'] ?? '']));
  const disks = diskDetails(params);
  const nics = nicDetails(params, macOf);
  const cpus = cpuDetails(params);
  return {
    state: STATE_NAME[toPowerState(observed)],
    driver: 'libvirt',
    hypervisor: virtType,
    hypervisor_os: 'linux',
    uptime: seconds,
    config_drive: all(domain, 'devices', 'disk').some(({ attributes }) => attributes['device'] === 'cdrom'),
    num_cpus: cpus.length,
    num_nics: nics.length,
    num_disks: disks.length,
    cpu_details: cpus,
    disk_details: disks,
    nic_details: nics,
    memory_details: memoryDetails(params),
  };
}
