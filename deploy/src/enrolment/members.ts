import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../replace-file';
import type { Site } from '../site';

/** A machine that has joined, as the controller remembers it. */
export interface Member {
  name: string;
  hostId: string;
  address: string;
  tunnelAddress: string;
  /** Of its password at the broker, in the broker's form; the password itself only the machine has. */
  brokerPasswordHash: string;
  joinedAt: string;
}

const directoryOf = (site: Site): string => join(site.state, 'members');
const fileOf = (site: Site, name: string): string => join(directoryOf(site), `${name}.json`);

export const membersOf = (site: Site): Member[] => (existsSync(directoryOf(site)) ? readdirSync(directoryOf(site)) : [])
  .filter((file) => file.endsWith('.json')).sort().map((file) => JSON.parse(readFileSync(join(directoryOf(site), file), 'utf8')) as Member);

export function keepMember(site: Site, member: Member): void {
  mkdirSync(directoryOf(site), { recursive: true, mode: 0o700 });
  replaceFile(fileOf(site, member.name), `${JSON.stringify(member, null, 2)}\n`, 0o600);
}

export const forgetMember = (site: Site, name: string): void => rmSync(fileOf(site, name), { force: true });
