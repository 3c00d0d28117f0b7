import { networkAuditContract, networkContract, type InstancePort, type RequestedNetwork } from '@virga/contracts';
import { CloudError, conflict, newUuid, notFound } from '@virga/core';
import type { Bus } from '@virga/rpc';

export interface FakeNetworkSpec { id: string; name: string; projectId?: string; cidrPrefix: string }

/** Networks with a /24 each, ports in memory, neutron's refusals. */
export class FakeNetwork {
  readonly networks = new Map<string, FakeNetworkSpec>();
  readonly ports = new Map<string, InstancePort & { instanceId: string | null; projectId: string; hostId?: string; hostname?: string; nextHostname?: string }>();
  /** What the service would find when it compares OVN with its tables. */
  readonly audit = { differing: [] as string[], stale: [] as string[], danglingFloatingIps: [] as string[], queued: 0, oldestQueuedSeconds: 0 };
  readonly securityGroups = new Map<string, string>([['default', newUuid()]]);
  /** By instance; the default group where nobody changed it. */
  readonly groupsOf = new Map<string, string[]>();
  /** Told of the groups of an instance whenever they may have changed: the service publishes them in a view. */
  publishGroups: (instanceId: string, names: readonly string[]) => Promise<void> = () => Promise.resolve();
  private next = 10;

  addNetwork(name: string, projectId?: string): string {
    const id = newUuid();
    this.networks.set(id, { id, name, ...(projectId !== undefined && { projectId }), cidrPrefix: `10.${this.networks.size + 10}.0` });
    return id;
  }

  /** Forgets ports and addresses, as if none had ever been made. */
  clear(): void {
    this.ports.clear();
    this.groupsOf.clear();
    this.next = 10;
  }

  /** A port as a user makes it. */
  addPort(networkId: string, projectId: string, ipAddress?: string): string {
    return this.makePort(this.networks.get(networkId)!, projectId, null, ipAddress, false).portId;
  }

  private makePort(network: FakeNetworkSpec, projectId: string, instanceId: string | null, ipAddress: string | undefined, owned: boolean) {
    const address = ipAddress ?? `${network.cidrPrefix}.${this.next++}`;
    const port = {
      portId: newUuid(), networkId: network.id, networkName: network.name, macAddress: `fa:16:3e:00:00:${(this.ports.size + 16).toString(16).slice(-2)}`, mtu: 1442,
      fixedIps: [{
        ipAddress: address, subnetId: newUuid(), cidr: `${network.cidrPrefix}.0/24`, version: 4 as const, gatewayIp: `${network.cidrPrefix}.1`, dnsNameservers: ['9.9.9.9'],
        hostRoutes: [], dhcp: true,
      }],
      ownedByInstance: owned, status: 'DOWN', instanceId, projectId,
    };
    this.ports.set(port.portId, port);
    return port;
  }

  private visible(projectId: string | null): FakeNetworkSpec[] {
    return [...this.networks.values()].filter((network) => network.projectId === undefined || network.projectId === projectId);
  }

  portsOf(instanceId: string): InstancePort[] {
    return [...this.ports.values()].filter((port) => port.instanceId === instanceId);
  }

  private publish(instanceId: string): Promise<void> {
    return this.publishGroups(instanceId, this.portsOf(instanceId).length === 0 ? [] : this.groupsOf.get(instanceId) ?? ['default']);
  }

  private resolve(projectId: string | null, requested: 'auto' | RequestedNetwork[], count: number): RequestedNetwork[] {
    if (requested === 'auto') {
      const visible = this.visible(projectId);
      if (visible.length > 1) throw conflict('Multiple possible networks found, use a Network ID to be more specific.', { type: 'NetworkAmbiguous' });
      return visible.map(({ id }) => ({ networkId: id }));
    }
    for (const { networkId, portId, fixedIp } of requested) {
      if (networkId !== undefined && !this.visible(projectId).some(({ id }) => id === networkId)) throw notFound(`Network ${networkId} could not be found.`, { type: 'NetworkNotFound' });
      if (fixedIp !== undefined && [...this.ports.values()].some((port) => port.fixedIps.some(({ ipAddress }) => ipAddress === fixedIp))) {
        throw conflict(`IP address ${fixedIp} already allocated in subnet`, { type: 'IpAddressInUse' });
      }
      if (portId !== undefined) {
        const port = this.ports.get(portId);
        if (!port || port.projectId !== projectId) throw notFound(`Port ${portId} could not be found.`, { type: 'PortNotFound' });
        if (port.instanceId !== null) throw conflict(`Port ${portId} is still in use.`, { type: 'PortInUse' });
      }
      if (count > 1 && (portId !== undefined || fixedIp !== undefined)) throw new CloudError('badRequest', 'A port or a fixed IP forbids more than one instance.', { type: 'InvalidFixedIpAndMaxCountRequest' });
    }
    return requested;
  }

  async serve(bus: Bus): Promise<void> {
    await bus.serve(networkAuditContract, {
      computePorts: async () => ({
        ports: [...this.ports.values()].flatMap(({ portId, instanceId, hostname = '', nextHostname = '', status, ownedByInstance }) => (instanceId === null ? [] : [{ portId, instanceId, hostname, nextHostname, status, ownedByInstance }])),
      }),
      audit: async () => this.audit,
      reconcile: async () => { this.audit.differing.length = 0; this.audit.stale.length = 0; return {}; },
    });
    const bound = (instanceId: string) => ({ ports: this.portsOf(instanceId).map((port) => strip(port)) });
    await bus.serve(networkContract, {
      resolveRequested: async ({ actor, requested, securityGroups, count }) => ({
        networks: this.resolve(actor.projectId, requested, count),
        securityGroupIds: securityGroups.map((name) => {
          const id = this.securityGroups.get(name);
          if (id === undefined) throw notFound(`Security group ${name} not found for project ${actor.projectId}.`, { type: 'SecurityGroupNotFound' });
          return id;
        }),
        newPorts: 0,
      }),
      allocatePorts: async ({ actor, instanceId, networks }) => {
        if (this.portsOf(instanceId).length === 0) {
          for (const { networkId, portId, fixedIp } of networks) {
            if (portId !== undefined) this.ports.get(portId)!.instanceId = instanceId;
            else this.makePort(this.networks.get(networkId!)!, actor.projectId!, instanceId, fixedIp, true);
          }
        }
        await this.publish(instanceId);
        return {};
      },
      bindPorts: async ({ instanceId, hostId, hostname, next }) => {
        for (const port of this.ports.values()) if (port.instanceId === instanceId) Object.assign(port, { hostId, hostname, nextHostname: next?.hostname ?? '' });
        return bound(instanceId);
      },
      releasePorts: async ({ instanceId }) => {
        for (const [id, port] of this.ports) {
          if (port.instanceId !== instanceId) continue;
          if (port.ownedByInstance) this.ports.delete(id);
          else { port.instanceId = null; delete port.hostId; }
        }
        await this.publish(instanceId);
        return {};
      },
      attachPort: async ({ actor, instanceId, network: { networkId, portId, fixedIp }, newPortId }) => {
        if (portId !== undefined) this.ports.get(portId)!.instanceId = instanceId;
        else if (!this.ports.has(newPortId)) {
          const made = this.makePort(this.networks.get(networkId!)!, actor.projectId!, instanceId, fixedIp, true);
          this.ports.delete(made.portId);
          this.ports.set(newPortId, { ...made, portId: newPortId });
        }
        return { port: strip(this.ports.get(portId ?? newPortId)!) };
      },
      changeSecurityGroup: async ({ actor, instanceId, group, present }) => {
        if (!this.securityGroups.has(group)) throw notFound(`Security group ${group} not found for project ${actor.projectId}.`, { type: 'SecurityGroupNotFound' });
        if (this.portsOf(instanceId).length === 0) throw new CloudError('badRequest', 'No port.', { type: 'SecurityGroupCannotBeApplied' });
        const groups = this.groupsOf.get(instanceId) ?? ['default'];
        this.groupsOf.set(instanceId, present ? [...new Set([...groups, group])] : groups.filter((name) => name !== group));
        await this.publish(instanceId);
        return { name: group };
      },
      releasePort: async ({ instanceId, portId }) => {
        const port = this.ports.get(portId);
        if (port?.instanceId !== instanceId) return {};
        if (port.ownedByInstance) this.ports.delete(portId);
        else { port.instanceId = null; delete port.hostId; }
        return {};
      },
      instancePorts: async ({ instanceId }) => bound(instanceId),
      describeSecurityGroups: async ({ instanceId }) => ({
        groups: this.portsOf(instanceId).length === 0 ? [] : [{
          id: this.securityGroups.get('default')!, name: 'default', description: 'd', projectId: 'p',
          rules: [
            { id: 'r1', direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', portMin: 80, portMax: 80, remoteIpPrefix: '0.0.0.0/0', remoteGroup: null },
            { id: 'r2', direction: 'ingress', ethertype: 'IPv6', protocol: null, portMin: null, portMax: null, remoteIpPrefix: null, remoteGroup: { name: 'default', projectId: 'p' } },
            { id: 'r3', direction: 'egress', ethertype: 'IPv4', protocol: null, portMin: null, portMax: null, remoteIpPrefix: null, remoteGroup: null },
          ],
        }],
      }),
    });
  }
}

function strip(port: InstancePort): InstancePort {
  const { portId, networkId, networkName, macAddress, mtu, fixedIps, ownedByInstance, status } = port;
  return { portId, networkId, networkName, macAddress, mtu, fixedIps, ownedByInstance, status };
}
