import { DomainState, ErrorCode, isLibvirtError, ListDomainsFlag, MetadataType, numberParam, StatsFlag, StatsGroup, type LibvirtHost } from '@virga/libvirt';
import type { PowerState } from '../virt-driver';
import { METADATA_NAMESPACE } from './domain-xml';
import { toPowerState } from './power-state';

/** Knows which of a daemon's domains are ours: those with our element in their metadata. */
export class OwnDomains {
  private readonly known = new Map<string, boolean>();

  constructor(private readonly host: LibvirtHost) {}

  note(uuid: string): void {
    this.known.set(uuid, true);
  }

  forget(uuid: string): void {
    this.known.delete(uuid);
  }

  /** Without asking the daemon, for a domain that it has no more. */
  wasOurs(uuid: string): boolean {
    return this.known.get(uuid) ?? false;
  }

  async isOurs(uuid: string): Promise<boolean> {
    const known = this.known.get(uuid);
    if (known !== undefined) return known;
    try {
      await this.host.call('domainGetMetadata', { dom: { uuid }, type: MetadataType.ELEMENT, uri: METADATA_NAMESPACE });
      this.known.set(uuid, true);
      return true;
    } catch (error) {
      if (isLibvirtError(error, ErrorCode.NO_DOMAIN)) return false;
      if (!isLibvirtError(error, ErrorCode.NO_DOMAIN_METADATA)) throw error;
      this.known.set(uuid, false);
      return false;
    }
  }

  /** All of ours with their states, by three calls however many there are. */
  async list(): Promise<{ instanceId: string; powerState: PowerState }[]> {
    const { host } = this;
    const [domains, saved, { records }] = await Promise.all([
      host.listDomains(),
      host.listDomains(ListDomainsFlag.MANAGED_SAVE),
      host.call('connectGetAllDomainStats', { doms: [], stats: StatsGroup.STATE, flags: StatsFlag.NOWAIT }),
    ]);
    this.keepOnly(domains.map(({ uuid }) => uuid));
    const withMemory = new Set(saved.map(({ uuid }) => uuid));
    const states = new Map(records.map(({ dom, params }) => [dom.uuid, {
      state: numberParam(params, 'state.state', DomainState.NOSTATE), reason: numberParam(params, 'state.reason'),
    }]));
    const ours = await Promise.all(domains.map(async ({ uuid }) => {
      const state = states.get(uuid);
      // One that came or went between the calls belongs into the next list.
      if (!state || !(await this.isOurs(uuid))) return [];
      return [{ instanceId: uuid, powerState: toPowerState({ ...state, saved: withMemory.has(uuid) }) }];
    }));
    return ours.flat();
  }

  private keepOnly(uuids: string[]): void {
    const present = new Set(uuids);
    for (const uuid of this.known.keys()) if (!present.has(uuid)) this.known.delete(uuid);
  }
}
