import { statfs } from 'node:fs/promises';
import { freemem, loadavg, totalmem } from 'node:os';
import type { agentGatewayContract } from '@virga/contracts';
import type { Client } from '@virga/rpc';
import type { AgentConfig } from '../config';
import { GIB } from '../disks/instance-disks';
import type { VirtDriver } from '../virt/virt-driver';

type Report = Parameters<Client<typeof agentGatewayContract>['heartbeat']>[0];

/** What a heartbeat tells of its host, its sequence number excepted. */
export type HostDescription = Omit<Report, 'sequence'>;

/** This machine: what the configuration says, what it has, and what really runs on it. */
export async function describeHost(config: AgentConfig, driver: VirtDriver, agentUrl: string, storageMark?: string): Promise<HostDescription> {
  const [facts, instances, disk] = await Promise.all([driver.facts(), driver.list(), statfs(config.VIRGA_AGENT_SHARED_INSTANCES || config.VIRGA_AGENT_STATE_DIR)]);
  const diskTotal = Math.floor((disk.blocks * disk.bsize) / GIB);
  const diskFree = Math.floor((disk.bavail * disk.bsize) / GIB);
  const memoryMb = config.VIRGA_AGENT_MEMORY_MB || facts.memoryMb;
  const diskGb = config.VIRGA_AGENT_DISK_GB || diskTotal;
  return {
    facts: {
      hostId: config.VIRGA_AGENT_HOST_ID, hostname: config.VIRGA_AGENT_HOSTNAME, hostIp: config.VIRGA_AGENT_HOST_IP, agentUrl, ...(storageMark !== undefined && { storageMark }),
      ...(config.VIRGA_AGENT_SELF_FENCE_SECONDS > 0 && { selfFenceSeconds: config.VIRGA_AGENT_SELF_FENCE_SECONDS }),
      ...(config.VIRGA_AGENT_MIGRATION_URI && { migrationUri: config.VIRGA_AGENT_MIGRATION_URI }),
      hypervisorType: facts.hypervisorType, hypervisorVersion: facts.hypervisorVersion, cpuInfo: facts.cpuInfo,
      totals: { vcpus: config.VIRGA_AGENT_VCPUS || facts.vcpus, memoryMb, diskGb },
      traits: [], simulated: false,
    },
    usage: {
      memoryMbUsed: Math.min(memoryMb, Math.round((totalmem() - freemem()) / 1024 ** 2)),
      diskGbUsed: Math.max(0, Math.min(diskGb, diskTotal - diskFree)),
      runningInstances: instances.filter(({ powerState }) => powerState === 1).length,
      load: loadavg().map((load) => load.toFixed(2)).join(', '),
    },
    instances,
  };
}
