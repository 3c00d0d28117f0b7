import { toNumber, type LibvirtHost } from '@virga/libvirt';
import type { HostDriver } from '../virt-driver';
import { all, one, readXml, textOf } from './read-xml';

/** What the host's processor is, as the JSON text that nova's hypervisors API has. */
function cpuInfo(capabilities: string): string {
  const cpu = one(readXml(capabilities), 'host', 'cpu');
  const topology = cpu && one(cpu, 'topology')?.attributes;
  return JSON.stringify({
    arch: textOf(cpu && one(cpu, 'arch')),
    model: textOf(cpu && one(cpu, 'model')),
    vendor: textOf(cpu && one(cpu, 'vendor')),
    topology: Object.fromEntries(Object.entries(topology ?? {}).map(([name, count]) => [name, Number(count)])),
    features: cpu ? all(cpu, 'feature').map(({ attributes }) => attributes['name'] ?? '') : [],
  });
}

/** Facts of the machine as libvirt sees it; `hypervisorVersion` counts QEMU's as major * 1,000,000 + minor * 1,000 + release. */
export async function hostFacts(host: LibvirtHost): ReturnType<HostDriver['facts']> {
  const [{ type }, { version }, node, { capabilities }] = await Promise.all([
    host.call('connectGetType', {}), host.call('connectGetVersion', {}), host.call('nodeGetInfo', {}), host.call('connectGetCapabilities', {}),
  ]);
  return {
    hypervisorType: type,
    hypervisorVersion: toNumber(version),
    vcpus: node.cpus,
    memoryMb: Math.floor(toNumber(node.memory) / 1024),
    cpuInfo: cpuInfo(capabilities),
  };
}
