import { POWER_STATE } from '@virga/contracts';
import { DomainState, ErrorCode, isLibvirtError, ShutoffReason, type LibvirtHost } from '@virga/libvirt';
import type { PowerState } from '../virt-driver';

/** State of a domain as libvirt tells it, and whether its memory lies on disk. */
export interface Observed {
  state: number;
  reason: number;
  saved: boolean;
}

const POWER: Record<number, PowerState> = {
  [DomainState.NOSTATE]: POWER_STATE.noState,
  [DomainState.RUNNING]: POWER_STATE.running,
  [DomainState.BLOCKED]: POWER_STATE.running,
  [DomainState.PAUSED]: POWER_STATE.paused,
  [DomainState.SHUTDOWN]: POWER_STATE.shutdown,
  [DomainState.SHUTOFF]: POWER_STATE.shutdown,
  [DomainState.CRASHED]: POWER_STATE.crashed,
  [DomainState.PMSUSPENDED]: POWER_STATE.suspended,
};

export function toPowerState({ state, reason, saved }: Observed): PowerState {
  if (state === DomainState.SHUTOFF && saved) return POWER_STATE.suspended;
  if (state === DomainState.SHUTOFF && reason === ShutoffReason.CRASHED) return POWER_STATE.crashed;
  return POWER[state] ?? POWER_STATE.noState;
}

/** True while a QEMU process belongs to the domain, even one that is just ending. */
export const isActive = ({ state }: Observed): boolean => state !== DomainState.SHUTOFF && state !== DomainState.CRASHED;

/** The domain's state, or undefined when there is no such domain. */
export async function observe(host: LibvirtHost, uuid: string): Promise<Observed | undefined> {
  const dom = { uuid };
  try {
    const { state, reason } = await host.call('domainGetState', { dom });
    const saved = state === DomainState.SHUTOFF && (await host.call('domainHasManagedSaveImage', { dom })).result;
    return { state, reason, saved };
  } catch (error) {
    if (isLibvirtError(error, ErrorCode.NO_DOMAIN)) return undefined;
    throw error;
  }
}
