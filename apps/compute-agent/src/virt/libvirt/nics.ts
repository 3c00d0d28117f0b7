import { setTimeout as sleep } from 'node:timers/promises';
import { internalError, notFound } from '@virga/core';
import { DeviceModifyFlag, ErrorCode, isLibvirtError, XmlFlag, type LibvirtHost } from '@virga/libvirt';
import type { GuestNic } from '../virt-driver';
import { nicElement, type DomainSettings } from './domain-xml';
import { isActive, observe } from './power-state';
import { all, one, readXml } from './read-xml';
import { writeXml, type XmlElement } from './xml';

/** A guest that boots, or is busy, misses the request to let go of a card; it is made again this often. */
const ASK_AGAIN_MS = 6_000;
const LOOK_AGAIN_MS = 250;
const PATIENCE_MS = 60_000;

const macOf = (card: XmlElement): string => one(card, 'mac')?.attributes.address?.toLowerCase() ?? '';

/** The card in the running machine, or in its definition; undefined when it is not there. */
async function find(host: LibvirtHost, uuid: string, macAddress: string, flags: number): Promise<XmlElement | undefined> {
  const { xml } = await host.call('domainGetXmlDesc', { dom: { uuid }, flags });
  return all(readXml(xml), 'devices', 'interface').find((card) => macOf(card) === macAddress.toLowerCase());
}

async function isOn(host: LibvirtHost, uuid: string): Promise<boolean> {
  const observed = await observe(host, uuid);
  if (!observed) throw notFound(`Instance ${uuid} has no machine on this host.`);
  return isActive(observed);
}

export async function attachNic(host: LibvirtHost, uuid: string, nic: GuestNic, settings: DomainSettings): Promise<void> {
  const on = await isOn(host, uuid);
  const xml = writeXml(nicElement(nic, settings));
  if (!(await find(host, uuid, nic.macAddress, XmlFlag.INACTIVE))) await host.call('domainAttachDeviceFlags', { dom: { uuid }, xml, flags: DeviceModifyFlag.CONFIG });
  if (on && !(await find(host, uuid, nic.macAddress, 0))) await host.call('domainAttachDeviceFlags', { dom: { uuid }, xml, flags: DeviceModifyFlag.LIVE });
}

/** @throws CloudError internal when a running guest keeps the card */
export async function detachNic(host: LibvirtHost, uuid: string, macAddress: string): Promise<void> {
  const on = await isOn(host, uuid);
  if (on) await letGo(host, uuid, macAddress);
  const defined = await find(host, uuid, macAddress, XmlFlag.INACTIVE);
  if (defined) await host.call('domainDetachDeviceFlags', { dom: { uuid }, xml: writeXml(defined), flags: DeviceModifyFlag.CONFIG });
}

async function letGo(host: LibvirtHost, uuid: string, macAddress: string): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  let asked = -Infinity;
  while (await isOn(host, uuid)) {
    const card = await find(host, uuid, macAddress, 0);
    if (!card) return;
    if (Date.now() >= end) throw internalError('The guest did not let go of its network card.');
    if (Date.now() - asked >= ASK_AGAIN_MS) {
      asked = Date.now();
      await host.call('domainDetachDeviceFlags', { dom: { uuid }, xml: writeXml(card), flags: DeviceModifyFlag.LIVE }).catch((error: unknown) => {
        // The guest is at it still, or is done just now; the next look tells.
        if (!isLibvirtError(error, ErrorCode.OPERATION_FAILED, ErrorCode.OPERATION_INVALID, ErrorCode.DEVICE_MISSING, ErrorCode.INTERNAL_ERROR)) throw error;
      });
    }
    await sleep(LOOK_AGAIN_MS);
  }
}
