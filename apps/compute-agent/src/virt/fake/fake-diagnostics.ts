import { POWER_STATE } from '@virga/contracts';
import type { PowerState } from '../virt-driver';
import type { FakeMachine } from './fake-driver';

const STATE_NAME: Record<PowerState, string | null> = {
  [POWER_STATE.noState]: null, [POWER_STATE.running]: 'running', [POWER_STATE.paused]: 'paused', [POWER_STATE.shutdown]: 'shutdown',
  [POWER_STATE.crashed]: 'crashed', [POWER_STATE.suspended]: 'suspended',
};
const NO_TRAFFIC = { octets: 0, errors: 0, drop: 0, packets: 0 };
const traffic = (direction: 'rx' | 'tx') => Object.fromEntries(Object.entries(NO_TRAFFIC).map(([name, count]) => [`${direction}_${name}`, count]));

/** A machine's diagnostics in the form of compute's microversion 2.48: true of a machine that does nothing. */
export function fakeDiagnostics({ spec, parts, powerState, startedAt }: FakeMachine, now: number): Record<string, unknown> {
  const on = powerState === POWER_STATE.running || powerState === POWER_STATE.paused;
  const disks = [parts.rootDisk, ...parts.ephemeralDisks, parts.swapDisk, parts.configDrive].filter((disk) => disk !== undefined);
  return {
    state: STATE_NAME[powerState],
    // The API's enumeration of drivers has no word for a simulated one; the two names below it have.
    driver: 'libvirt',
    hypervisor: 'fake',
    hypervisor_os: 'simulated',
    uptime: on ? Math.max(0, Math.floor((now - startedAt) / 1000)) : null,
    config_drive: parts.configDrive !== undefined,
    num_cpus: spec.flavor.vcpus,
    num_nics: parts.nics.length,
    num_disks: disks.length,
    cpu_details: Array.from({ length: spec.flavor.vcpus }, (_, id) => ({ id, time: 0, utilisation: null })),
    disk_details: disks.map(() => ({ read_bytes: 0, read_requests: 0, write_bytes: 0, write_requests: 0, errors_count: 0 })),
    nic_details: parts.nics.map(({ macAddress }) => ({ mac_address: macAddress, ...traffic('rx'), rx_rate: null, ...traffic('tx'), tx_rate: null })),
    memory_details: { maximum: spec.flavor.memoryMb, used: 0 },
  };
}
