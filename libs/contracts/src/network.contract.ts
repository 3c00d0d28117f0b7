import { Type, type Static } from '@sinclair/typebox';
import { call, defineContract } from '@virga/rpc';
import { Actor } from './actor';

export const FixedIp = Type.Object({
  ipAddress: Type.String(),
  subnetId: Type.String(),
  cidr: Type.String(),
  version: Type.Union([Type.Literal(4), Type.Literal(6)]),
  gatewayIp: Type.Union([Type.String(), Type.Null()]),
  dnsNameservers: Type.Array(Type.String()),
  hostRoutes: Type.Array(Type.Object({ destination: Type.String(), nexthop: Type.String() })),
  dhcp: Type.Boolean(),
});

/** A port as an instance sees it. */
export const InstancePort = Type.Object({
  portId: Type.String(),
  networkId: Type.String(),
  networkName: Type.String(),
  macAddress: Type.String(),
  mtu: Type.Integer(),
  fixedIps: Type.Array(FixedIp),
  /** True when compute made it and deletes it with the instance; false when the user brought it. */
  ownedByInstance: Type.Boolean(),
  status: Type.String(),
  /**
   * The network's metadata port (a localport in OVN), which every host with a guest on the network realises: name of
   * the logical switch port, MAC, and its own addresses as `ip/prefix`. Absent where the network has no DHCP subnet.
   */
  metadataPort: Type.Optional(Type.Object({ portId: Type.String(), macAddress: Type.String(), addresses: Type.Array(Type.String()) })),
});
export type InstancePort = Static<typeof InstancePort>;

/** One entry of `networks` in POST /servers, already checked for its form. */
export const RequestedNetwork = Type.Object({
  networkId: Type.Optional(Type.String()),
  portId: Type.Optional(Type.String()),
  fixedIp: Type.Optional(Type.String()),
});
export type RequestedNetwork = Static<typeof RequestedNetwork>;

const Nullable = <T extends ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>>(type: T) => Type.Union([type, Type.Null()]);
/** A security group with its rules. */
export const SecurityGroupFacts = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  projectId: Type.String(),
  rules: Type.Array(Type.Object({
    id: Type.String(),
    /** ingress or egress. */
    direction: Type.String(),
    /** IPv4 or IPv6. */
    ethertype: Type.String(),
    protocol: Nullable(Type.String()),
    portMin: Nullable(Type.Integer()),
    portMax: Nullable(Type.Integer()),
    remoteIpPrefix: Nullable(Type.String()),
    remoteGroup: Type.Union([Type.Object({ name: Type.String(), projectId: Type.String() }), Type.Null()]),
  })),
});
export type SecurityGroupFacts = Static<typeof SecurityGroupFacts>;

const Ports = Type.Object({ ports: Type.Array(InstancePort) });
const Instance = Type.Object({ instanceId: Type.String() });

/**
 * Served by network. Errors carry neutron's type names: `NetworkNotFound`, `PortNotFound`, `PortInUse`,
 * `IpAddressInUse`, `InvalidIpForNetwork`, `IpAddressGenerationFailure`, `OverQuota`, `NetworkAmbiguous`,
 * `SecurityGroupNotFound`, `NetworkRequiresSubnet`, `ExternalNetworkAttachForbidden`.
 */
export const networkContract = defineContract('network', {
  /**
   * Checks what POST /servers asks for, as the actor sees it, and changes nothing. `auto` picks the project's only
   * network (409 NetworkAmbiguous when there are several; none gives an empty list).
   */
  resolveRequested: call(
    Type.Object({
      actor: Actor,
      requested: Type.Union([Type.Literal('auto'), Type.Array(RequestedNetwork)]),
      securityGroups: Type.Array(Type.String()),
      /** How many instances will be made; fixed IPs and ports forbid more than one. */
      count: Type.Integer({ minimum: 1 }),
    }),
    Type.Object({
      networks: Type.Array(RequestedNetwork),
      securityGroupIds: Type.Array(Type.String()),
      /** New ports that the request would make, for compute's own port-quota check. */
      newPorts: Type.Integer(),
    }),
  ),
  /** Makes or takes the instance's ports in the given order. A repeat with the same instance finds them made. */
  allocatePorts: call(
    Type.Object({
      actor: Actor,
      instanceId: Type.String(),
      hostname: Type.String(),
      availabilityZone: Type.String(),
      networks: Type.Array(RequestedNetwork),
      securityGroupIds: Type.Array(Type.String()),
    }),
    Type.Object({}),
    20_000,
  ),
  /**
   * Sets binding:host_id (requested-chassis) of all the instance's ports. With `next` the ports are realised there, too, for an
   * instance that is moving there; a binding without `next` ends that, whichever of the two hosts it names.
   */
  bindPorts: call(
    Type.Object({ instanceId: Type.String(), hostId: Type.String(), hostname: Type.String(), next: Type.Optional(Type.Object({ hostId: Type.String(), hostname: Type.String() })) }),
    Ports,
    20_000,
  ),
  /** Deletes the ports that compute made, unbinds and gives back those that the user brought. A repeat is harmless. */
  releasePorts: call(Instance, Type.Object({}), 20_000),
  instancePorts: call(Instance, Ports),
  /**
   * One more port for an instance that has booted: the given one taken, or a new one made with the id `newPortId`. It comes
   * last among the instance's cards and is bound to no host yet. A repeat returns the same port.
   */
  attachPort: call(
    Type.Object({ actor: Actor, instanceId: Type.String(), availabilityZone: Type.String(), network: RequestedNetwork, newPortId: Type.String() }),
    Type.Object({ port: InstancePort }),
    20_000,
  ),
  /** Adds a security group (name or id, as the actor sees it) to all of the instance's ports, or takes it from them. */
  changeSecurityGroup: call(
    Type.Object({ actor: Actor, instanceId: Type.String(), group: Type.String(), present: Type.Boolean() }),
    Type.Object({ name: Type.String() }),
    20_000,
  ),
  /** Takes a single port from the instance, as `releasePorts` does with all. */
  releasePort: call(Type.Object({ instanceId: Type.String(), portId: Type.String() }), Type.Object({})),
  /** The groups on one instance's ports, with their rules. */
  describeSecurityGroups: call(Instance, Type.Object({ groups: Type.Array(SecurityGroupFacts) })),
});
