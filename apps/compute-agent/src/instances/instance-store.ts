import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isUuid, notFound } from '@virga/core';
import type { BuildSpec } from '@virga/contracts';
import type { SharedStorage } from '../disks/shared-storage';
import type { AsideNote, DesiredPower, InstanceRecords } from './instance-host';

const NOTE = 'aside.json';

/** Directories `<instance id>/` with all that belongs to an instance; removing one removes the instance's disks. */
export class InstanceStore implements InstanceRecords {
  private readonly asideRoot: string;

  /** What is put aside lies beside `root`, in the same file system. */
  constructor(private readonly root: string, private readonly shared?: SharedStorage) {
    this.asideRoot = `${root}.aside`;
  }

  async prepare(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    await mkdir(this.asideRoot, { recursive: true, mode: 0o700 });
  }

  dir(instanceId: string): string {
    return this.place(this.root, instanceId);
  }

  asideDir(instanceId: string): string {
    return this.place(this.asideRoot, instanceId);
  }

  private place(root: string, instanceId: string): string {
    // Ids come over the bus: one that is no UUID must not become a path.
    if (!isUuid(instanceId)) throw notFound(`Instance ${String(instanceId).slice(0, 60)} could not be found.`);
    return join(root, instanceId);
  }

  async create(spec: BuildSpec): Promise<string> {
    const dir = this.dir(spec.instanceId);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await this.shared?.seat(spec.instanceId, dir);
    await this.write(dir, 'spec.json', spec);
    return dir;
  }

  async spec(instanceId: string): Promise<BuildSpec> {
    const found = await this.read<BuildSpec>(instanceId, 'spec.json');
    if (!found) throw notFound(`Instance ${instanceId} could not be found.`);
    return found;
  }

  /** Id of the host from which the guest comes; only of one that came by a migration. */
  async origin(instanceId: string): Promise<string | undefined> {
    return (await this.read<{ comesFrom?: string }>(instanceId, 'spec.json'))?.comesFrom;
  }

  async desired(instanceId: string): Promise<DesiredPower | undefined> {
    return (await this.read<{ power: DesiredPower }>(instanceId, 'desired.json'))?.power;
  }

  async setDesired(instanceId: string, power: DesiredPower): Promise<void> {
    await this.write(this.dir(instanceId), 'desired.json', { power });
  }

  async saveDocuments(instanceId: string, documents: Record<string, string>): Promise<void> {
    await this.write(this.dir(instanceId), 'metadata.json', documents);
  }

  /** Metadata documents as last fetched: path to base64. */
  async documents(instanceId: string): Promise<Record<string, string> | undefined> {
    return this.read(instanceId, 'metadata.json');
  }

  /** Which migration of the instance was begun here last. */
  async migrationBegun(instanceId: string): Promise<string | undefined> {
    return (await this.read<{ id: string }>(instanceId, 'migration.json'))?.id;
  }

  async noteMigration(instanceId: string, id: string): Promise<void> {
    await this.write(this.dir(instanceId), 'migration.json', { id });
  }

  /** The guest comes from another host, which may bring what it has printed there. */
  async expectLog(instanceId: string): Promise<void> {
    await this.write(this.dir(instanceId), 'log-expected.json', {});
  }

  async isLogExpected(instanceId: string): Promise<boolean> {
    return (await this.read(instanceId, 'log-expected.json')) !== undefined;
  }

  async takeLogExpectation(instanceId: string): Promise<void> {
    await rm(join(this.dir(instanceId), 'log-expected.json'), { force: true });
  }

  async list(): Promise<string[]> {
    return (await readdir(this.root)).filter(isUuid);
  }

  async remove(instanceId: string, { keepDisks = false } = {}): Promise<void> {
    await rm(this.dir(instanceId), { recursive: true, force: true });
    if (!keepDisks) await this.shared?.release(instanceId);
  }

  async adopt(instanceId: string): Promise<void> {
    await this.shared?.adopt(instanceId);
  }

  async listAside(): Promise<string[]> {
    return (await readdir(this.asideRoot)).filter(isUuid);
  }

  aside(instanceId: string): Promise<AsideNote | undefined> {
    return this.read<AsideNote>(instanceId, NOTE, this.asideDir(instanceId));
  }

  async putAside(instanceId: string, note: AsideNote): Promise<void> {
    await this.shared?.putAside(instanceId, this.dir(instanceId));
    // The note goes along: both are there, or neither.
    await this.write(this.dir(instanceId), NOTE, note);
    await rename(this.dir(instanceId), this.asideDir(instanceId));
  }

  async bringBack(instanceId: string): Promise<void> {
    await this.shared?.bringBack(instanceId, this.asideDir(instanceId));
    await rename(this.asideDir(instanceId), this.dir(instanceId));
    await rm(join(this.dir(instanceId), NOTE), { force: true });
  }

  async discardAside(instanceId: string): Promise<void> {
    await rm(this.asideDir(instanceId), { recursive: true, force: true });
    await this.shared?.discardAside(instanceId);
  }

  /** Of all that is kept aside. */
  async asideSpecs(): Promise<BuildSpec[]> {
    const specs = await Promise.all((await this.listAside()).map((id) => this.read<BuildSpec>(id, 'spec.json', this.asideDir(id))));
    return specs.flatMap((spec) => spec ?? []);
  }

  private async read<T>(instanceId: string, file: string, dir = this.dir(instanceId)): Promise<T | undefined> {
    try {
      return JSON.parse(await readFile(join(dir, file), 'utf8')) as T;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** User data may be secret: 0600, and whole or not at all. */
  private async write(dir: string, file: string, content: unknown): Promise<void> {
    const path = join(dir, file);
    await writeFile(`${path}.part`, JSON.stringify(content), { mode: 0o600 });
    await rename(`${path}.part`, path);
  }
}
