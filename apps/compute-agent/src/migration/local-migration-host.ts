import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BuildSpec, GuestPlaces } from '@virga/contracts';
import { errorMessage } from '@virga/core';
import { cachedName, type ImageCache } from '../disks/image-cache';
import { diskBytes, emptyDisks, GIB, makeRootDisk } from '../disks/instance-disks';
import type { SharedStorage } from '../disks/shared-storage';
import { makeConfigDrive } from '../disks/config-drive';
import { decode, directBoot } from '../instances/guest-parts';
import type { InstanceHost } from '../instances/instance-host';
import type { InstanceStore } from '../instances/instance-store';
import type { HostAddress } from '@virga/mutual-tls';
import { instanceTaps, tapName } from '../nics/taps';
import type { OpenVSwitchClient } from '@virga/ovsdb';
import type { MigrationDriver } from '../virt/virt-driver';
import { dropIncomingStream } from './drop-stream';
import { shieldStreams } from './shield-stream';
import { streamsOf } from './streams';
import type { MigrationHost } from './migration-host';

export interface LocalMigrationOptions {
  host: InstanceHost;
  store: InstanceStore;
  images: ImageCache;
  /** Of the instances' disks, if other hosts may have it, too. */
  storage?: SharedStorage | undefined;
  imagesDir: string;
  ovs: OpenVSwitchClient;
  migrations: MigrationDriver;
  /** How other hosts reach this one. */
  server(): HostAddress;
  carryLog: NonNullable<MigrationHost['carryLog']>;
  carryConfigDrive: NonNullable<MigrationHost['carryConfigDrive']>;
  fetchDocuments(instanceId: string): Promise<Record<string, string>>;
  tell: MigrationHost['tell'];
  logger: MigrationHost['logger'];
}

const imagesOf = ({ image, kernelImage, ramdiskImage }: BuildSpec) => [image, kernelImage, ramdiskImage].flatMap((one) => one ?? []);

/** This machine as an end of migrations. */
export function localMigrationHost({ host, store, images, storage, imagesDir, ovs, migrations, server, carryLog, carryConfigDrive, fetchDocuments, tell, logger }: LocalMigrationOptions): MigrationHost {
  const places = (instanceId: string): GuestPlaces => ({ instance: store.dir(instanceId), images: imagesDir, server: server() });
  return {
    ...host, migrations, carryLog, carryConfigDrive, tell, logger, places, 
    storageMark: async (instanceId) => (storage && (await storage.holds(store.dir(instanceId))) ? storage.mark : undefined),
    async placesFor(instanceId, comesFrom) {
      const storageSeen = comesFrom === undefined ? undefined : await storage?.markOf(comesFrom);
      return { ...places(instanceId), ...(storageSeen !== undefined && { storageSeen }) };
    },
    notes: { begun: (id) => store.migrationBegun(id), note: (id, migrationId) => store.noteMigration(id, migrationId) },

    async receive(spec, signal) {
      const dir = await store.create(spec);
      await store.expectLog(spec.instanceId);
      const documents = await fetchDocuments(spec.instanceId);
      await store.saveDocuments(spec.instanceId, documents);
      const base = await images.ensure(spec.image);
      await directBoot(images, spec);
      signal.throwIfAborted();
      await makeRootDisk(dir, base, spec, signal);
      await emptyDisks(dir, spec);
      if (spec.configDrive) await makeConfigDrive(dir, decode(documents), signal);
      await host.workshop.connect(spec);
    },

    async dropStream(instanceId) {
      // Only what has been switched: before that, an interruption undoes the migration by itself.
      if ((await migrations.standing(instanceId)) !== 'moving' || (await host.driver.powerState(instanceId)) !== 1) return 0;
      const dropped = await dropIncomingStream(instanceId);
      logger.warn({ instanceId, dropped }, 'connection of an interrupted post-copy closed, so that it can be taken up again');
      return dropped;
    },

    streaming: async (instanceId) => (await streamsOf(instanceId)).length > 0,

    async shield(instanceId) {
      try {
        const shielded = await shieldStreams(instanceId);
        logger.info({ instanceId, shielded }, 'connections of a guest in post-copy let no reset end them');
      } catch (error) {
        logger.warn({ instanceId, reason: errorMessage(error) }, 'connections of a guest in post-copy are not shielded');
      }
    },

    async check(spec, comesFrom) {
      const reasons: string[] = [];
      const sharesDisks = comesFrom?.storageMark !== undefined && (await storage?.markOf(comesFrom.hostId)) === comesFrom.storageMark;
      const cpu = await migrations.refuseCpu();
      if (cpu !== undefined) reasons.push(cpu);
      const { bavail, bsize } = await statfs(dirname(store.dir(spec.instanceId)));
      const free = bavail * bsize;
      if (!sharesDisks && diskBytes(spec) > free) reasons.push(`the guest's disks may need ${Math.ceil(diskBytes(spec) / GIB)} GB, and ${Math.floor(free / GIB)} GB are free`);
      if ((await host.driver.powerState(spec.instanceId)) !== 0) reasons.push('it has a machine of the instance already');
      const taken = new Map((await instanceTaps(ovs)).map((tap) => [tap.name, tap.instanceId]));
      for (const { portId } of spec.ports) {
        const owner = taken.get(tapName(portId));
        if (owner !== undefined && owner !== spec.instanceId) reasons.push(`the card of port ${portId} would have the name of another guest's`);
      }
      const present = new Set(await images.list());
      const absentImages = imagesOf(spec).filter((image) => !present.has(cachedName(image) ?? '')).map(({ id }) => id);
      return { reasons, absentImages, sharesDisks };
    },
  };
}

/** Where the cache of base images lies below an agent's state. */
export const imagesDirectory = (stateDir: string): string => join(stateDir, 'base');
