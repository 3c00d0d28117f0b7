import { access, lstat, mkdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { conflict, isUuid, notFound, type Logger } from '@virga/core';
import { runTool } from './run-tool';
import { SEATED } from './disk-seat';

const OWNER = 'owner';

/**
 * A directory that several hosts have in common, with `<instance id>/` for the disks of each instance. Everything else of an instance
 * stays in the host's own directory, in which the disks are links. An instance's directory here belongs to one host, which its
 * `owner` file names: only that host takes it away.
 */
export class SharedStorage {
  /** Known to this life of this agent alone. A host that reads it here has the same storage, and not a copy of an older state of it. */
  readonly mark = randomUUID();

  constructor(private readonly root: string, private readonly hostId: string, private readonly logger: Logger) {}

  async prepare(): Promise<void> {
    await mkdir(join(this.root, '.hosts'), { recursive: true, mode: 0o700 });
    await mkdir(join(this.root, '.aside'), { recursive: true, mode: 0o700 });
    await this.write(join(this.root, '.hosts', this.hostId), this.mark);
  }

  /** The mark that the other host has left here; undefined when it has none. */
  async markOf(hostId: string): Promise<string | undefined> {
    return isUuid(hostId) ? this.read(join(this.root, '.hosts', hostId)) : undefined;
  }

  /** Place for the instance's disks, with links to them in `dir`. What is there already stays whose it is; disks that are in `dir` itself stay there. */
  async seat(instanceId: string, dir: string): Promise<void> {
    const place = this.place(instanceId);
    await mkdir(place, { recursive: true, mode: 0o700 });
    await writeFile(join(place, OWNER), this.hostId, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error; });
    for (const name of SEATED) await symlink(join(place, name), join(dir, name)).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error; });
  }

  /** Whether the instance's disks lie here, and not in the host's own directory as they may from before the storage was shared. */
  holds(dir: string): Promise<boolean> {
    return isLink(join(dir, 'disk'));
  }

  private async hasDisks(instanceId: string): Promise<boolean> {
    return access(join(this.place(instanceId), 'disk')).then(() => true, () => false);
  }

  /** The guest runs on this host from now on. */
  async adopt(instanceId: string): Promise<void> {
    const place = this.place(instanceId);
    if (await this.read(join(place, OWNER)) !== undefined) await this.write(join(place, OWNER), this.hostId);
  }

  /** Takes the disks away if they are this host's and no machine anywhere has them open. */
  async release(instanceId: string): Promise<void> {
    const place = this.place(instanceId);
    if (await this.read(join(place, OWNER)) !== this.hostId) return;
    if (await this.inUse(instanceId)) {
      this.logger.error({ instanceId, place }, 'disks of an instance that is taken off this host are in use by a machine; they stay');
      return;
    }
    await rm(place, { recursive: true, force: true });
  }

  /** Moves what is this host's out of the way, and the links in `dir` with it. Can be repeated. */
  async putAside(instanceId: string, dir: string): Promise<void> {
    await this.move(this.place(instanceId), this.asidePlace(instanceId), dir);
  }

  async bringBack(instanceId: string, dir: string): Promise<void> {
    await this.move(this.asidePlace(instanceId), this.place(instanceId), dir);
  }

  async discardAside(instanceId: string): Promise<void> {
    const place = this.asidePlace(instanceId);
    if (await this.read(join(place, OWNER)) === this.hostId) await rm(place, { recursive: true, force: true });
  }

  private async move(from: string, to: string, dir: string): Promise<void> {
    if (await this.read(join(from, OWNER)) === this.hostId) {
      if (await this.read(join(to, OWNER)) !== undefined) throw conflict('Another host has disks of the instance on the shared storage.');
      await rename(from, to);
    }
    for (const name of SEATED) {
      const link = join(dir, name);
      // A file in its place was there before the storage was shared.
      await symlink(join(to, name), `${link}.link`).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error; });
      if (await isLink(link)) await rename(`${link}.link`, link);
      else await unlink(`${link}.link`);
    }
  }

  /** QEMU locks the images that it writes to, on network file systems as well. */
  private async inUse(instanceId: string): Promise<boolean> {
    const disk = join(this.place(instanceId), 'disk');
    if (!(await this.hasDisks(instanceId))) return false;
    return runTool('qemu-img', ['info', '-f', 'qcow2', disk]).then(() => false, (error: Error) => /lock/i.test(error.message));
  }

  private place(instanceId: string): string { return this.below(this.root, instanceId); }
  private asidePlace(instanceId: string): string { return this.below(join(this.root, '.aside'), instanceId); }

  private below(root: string, instanceId: string): string {
    if (!isUuid(instanceId)) throw notFound(`Instance ${String(instanceId).slice(0, 60)} could not be found.`);
    return join(root, instanceId);
  }

  private async read(path: string): Promise<string | undefined> {
    return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT') return undefined; throw error; });
  }

  private async write(path: string, text: string): Promise<void> {
    const part = `${path}.${this.mark}`;
    await writeFile(part, text, { mode: 0o600 });
    await rename(part, path);
  }
}

const isLink = (path: string): Promise<boolean> => lstat(path).then((found) => found.isSymbolicLink(), () => false);
