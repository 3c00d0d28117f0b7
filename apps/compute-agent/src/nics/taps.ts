import { errorMessage, internalError, unavailable } from '@virga/core';
import type { InstancePort } from '@virga/contracts';
import { listPorts, plugPort, unplugPort, type OpenVSwitchClient } from '@virga/ovsdb';
import { runTool } from '../disks/run-tool';

export const INTEGRATION_BRIDGE = 'br-int';
/** As nova names it: Linux allows 15 characters. */
export const tapName = (portId: string): string => `tap${portId.slice(0, 11)}`;

const linkExists = (name: string) => runTool('ip', ['-o', 'link', 'show', 'dev', name]).then(() => true, () => false);

/** Makes the tap of a port and plugs it, so that OVN binds the port to this host. A repeat changes nothing. */
export async function plugTap(ovs: OpenVSwitchClient, instanceId: string, port: InstancePort): Promise<void> {
  const name = tapName(port.portId);
  if (!(await linkExists(name))) await runTool('ip', ['tuntap', 'add', 'dev', name, 'mode', 'tap']);
  await runTool('ip', ['link', 'set', 'dev', name, 'mtu', String(port.mtu), 'up']);
  try {
    await plugPort(ovs, {
      bridge: INTEGRATION_BRIDGE, name,
      externalIds: { 'iface-id': port.portId, 'attached-mac': port.macAddress, 'iface-status': 'active', 'vm-uuid': instanceId },
      appliedWithinMs: 10_000,
    });
  } catch (error) {
    throw unavailable(`Port ${port.portId} could not be plugged: ${errorMessage(error)}`, { cause: error });
  }
}

/** Resolves when ovn-controller has set up the flows of every port; throws after `timeoutSeconds`. */
export async function waitUntilWired(ovs: OpenVSwitchClient, ports: InstancePort[], timeoutSeconds: number, signal: AbortSignal): Promise<void> {
  const end = Date.now() + timeoutSeconds * 1000;
  for (const { portId } of ports) {
    for (;;) {
      const [plugged] = await listPorts(ovs, { name: tapName(portId) });
      if (plugged?.externalIds['ovn-installed'] === 'true') break;
      signal.throwIfAborted();
      if (Date.now() > end) throw internalError(`OVN did not set up port ${portId} within ${timeoutSeconds} s.`, { retryable: true });
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
}

/** Unplugs and deletes the tap; a missing one is success. */
export async function removeTap(ovs: OpenVSwitchClient, name: string): Promise<void> {
  await unplugPort(ovs, { name });
  if (!(await linkExists(name))) return;
  // Somebody else may be tidying up, too.
  await runTool('ip', ['link', 'delete', 'dev', name]).catch(async (error: unknown) => { if (await linkExists(name)) throw error; });
}

/** All taps of this host that bear a name as `tapName` makes it, plugged or not. */
export async function tapLinks(): Promise<string[]> {
  const links = JSON.parse(await runTool('ip', ['-json', 'link', 'show']) || '[]') as { ifname: string }[];
  return links.map(({ ifname }) => ifname).filter((name) => /^tap[0-9a-f]{8}-[0-9a-f]{2}$/.test(name));
}

/** Taps on this host's bridge by the instance that they serve. */
export async function instanceTaps(ovs: OpenVSwitchClient): Promise<{ name: string; instanceId: string; portId: string }[]> {
  const ports = await listPorts(ovs, { bridge: INTEGRATION_BRIDGE });
  return ports.flatMap(({ name, externalIds }) => {
    const instanceId = externalIds['vm-uuid'];
    return instanceId && externalIds['iface-id'] ? [{ name, instanceId, portId: externalIds['iface-id'] }] : [];
  });
}
