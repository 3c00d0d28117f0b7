import { Type, type Static } from '@sinclair/typebox';
import { BusConfig, CommonConfig, loadConfig } from '@virga/service';
import { TlsConfig } from '@virga/mutual-tls';
import { FleetConfig } from './fleet/fleet.config';

export const AgentConfig = Type.Object({
  ...CommonConfig, ...BusConfig, ...TlsConfig,
  VIRGA_AGENT_HOST_ID: Type.String({ minLength: 1, maxLength: 64, description: 'UUID of this host; libvirt has the same.' }),
  VIRGA_AGENT_HOSTNAME: Type.String({ minLength: 1, maxLength: 255, description: 'Name of this host in the API; OVN has the same as chassis name.' }),
  VIRGA_AGENT_HOST_IP: Type.String({ default: '127.0.0.1', description: 'Management address of this host.' }),
  VIRGA_AGENT_PORT: Type.Integer({ default: 9443, minimum: 0, maximum: 65535, description: 'TCP port on the management address where other hosts and the console proxy reach this host by mutual TLS; 0 = any.' }),
  VIRGA_AGENT_MIGRATION_URI: Type.String({ default: '', pattern: '^$|^qemu\\+tls://', description: 'How libvirt of another host reaches libvirt of this one, qemu+tls://...; empty: no guest migrates to this host.' }),
  VIRGA_AGENT_SELF_FENCE_SECONDS: Type.Integer({ default: 0, minimum: 0, maximum: 86_400, description: 'After so long without an answer of the control plane this host switches its guests off, so that they may be started elsewhere; 0 = never.' }),
  VIRGA_AGENT_STATE_DIR: Type.String({ description: 'Instances, image cache and journal.' }),
  VIRGA_AGENT_SHARED_INSTANCES: Type.String({ default: '', pattern: '^(/.*)?$', description: 'Directory that several hosts have in common, an NFS mount for example, for the disks of instances; empty: they lie below the state directory. Which hosts have it in common they find out.' }),
  VIRGA_AGENT_RUN_DIR: Type.String({ default: '/run/virga-agent', description: 'Sockets and the boot mark; must be empty after the host has booted.' }),
  VIRGA_AGENT_LIBVIRT_SOCKET: Type.String({ default: '/run/libvirt/libvirt-sock', description: 'Socket of the local libvirt daemon.' }),
  VIRGA_AGENT_OVSDB: Type.String({ default: 'unix:/run/openvswitch/db.sock', description: 'Database of the local Open vSwitch.' }),
  VIRGA_AGENT_VIRT_TYPE: Type.Union([Type.Literal('kvm'), Type.Literal('qemu')], { default: 'kvm', description: 'kvm, or qemu for CPU emulation.' }),
  VIRGA_AGENT_MACHINE: Type.String({ default: 'pc-q35-7.2', description: 'QEMU machine type; the same on all hosts between which guests migrate.' }),
  VIRGA_AGENT_CPU_MODEL: Type.String({ default: 'qemu64', description: 'CPU model of guests; one baseline for the whole cloud.' }),
  VIRGA_AGENT_CHECKSUM_OFFLOAD: Type.Boolean({ default: true, description: 'Whether guests leave packet checksums to the host; must be false with the userspace datapath.' }),
  VIRGA_AGENT_PORT_TIMEOUT_SECONDS: Type.Integer({ default: 30, minimum: 1, description: 'How long OVN may take to set up a port before a boot fails.' }),
  VIRGA_AGENT_SPICE: Type.Boolean({ default: false, description: 'Whether guests that are defined from now on show their screens by SPICE besides VNC; it costs each a few MB of memory.' }),
  VIRGA_AGENT_CONSOLE_LOG_BYTES: Type.Integer({ default: 1 << 20, minimum: 65536, description: 'Serial output kept of a guest, bytes; twice that lies on disk at most, but for what is written between two checks.' }),
  VIRGA_AGENT_VCPUS: Type.Integer({ default: 0, minimum: 0, description: 'vCPUs that this host offers; 0 = the CPUs it has.' }),
  VIRGA_AGENT_MEMORY_MB: Type.Integer({ default: 0, minimum: 0, description: 'Memory that this host offers, MB; 0 = all it has.' }),
  VIRGA_AGENT_DISK_GB: Type.Integer({ default: 0, minimum: 0, description: 'Disk that this host offers, GB; 0 = the size of the file system.' }),
});
export type AgentConfig = Static<typeof AgentConfig>;

export const readConfig = (): AgentConfig => loadConfig(AgentConfig, process.env);
export const readFleetConfig = (): FleetConfig => loadConfig(FleetConfig, process.env);
