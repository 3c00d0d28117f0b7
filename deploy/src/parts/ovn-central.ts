import { chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { IDENTITY_FILES } from '@virga/mutual-tls';
import { quote } from '../env-file';
import { ovsdbHealth, unixctlHealth } from '../health/socket-health';
import { ovnTlsOptions, southboundIdentity } from '../pki/identities';
import { run } from '../run-command';
import type { Site } from '../site';
import { asUser, SERVICE_USER, userIds } from '../system-users';
import type { Part } from './part';

const runDirectory = (site: Site): string => join(site.run, 'ovn');
const databaseFile = (site: Site, which: 'nb' | 'sb'): string => join(site.state, 'ovn', `${which}.db`);
export const northboundSocket = (site: Site): string => join(runDirectory(site), 'nb.sock');
export const southboundSocket = (site: Site): string => join(runDirectory(site), 'sb.sock');
const NAMES = { nb: 'OVN_Northbound', sb: 'OVN_Southbound' } as const;

/** Log lines go to standard error, and so into the part's log. */
const LOGGING = '-vconsole:info -vsyslog:off -vfile:off';

function ovsdbPart(site: Site, which: 'nb' | 'sb', remotes: string[], more: { options: string; files: string[] } = { options: '', files: [] }): Part {
  const socket = join(runDirectory(site), `${which}.sock`);
  return {
    name: `ovn-${which}`,
    group: 'network',
    after: [],
    script: `exec ${asUser(SERVICE_USER)} ovsdb-server ${quote(databaseFile(site, which))} ${remotes.map((remote) => `--remote=${quote(remote)}`).join(' ')} `
      + `--unixctl=${quote(join(runDirectory(site), `${which}.ctl`))} ${LOGGING} ${more.options}`,
    files: more.files,
    health: () => ovsdbHealth({ path: socket }, NAMES[which]),
    startTimeoutMs: 15_000,
    stopTimeoutMs: 5_000,
  };
}

export function ovnCentralParts(site: Site): Part[] {
  const control = join(runDirectory(site), 'northd.ctl');
  return [
    ovsdbPart(site, 'nb', [`punix:${northboundSocket(site)}`]),
    // Whom hosts reach, and as what, stands in the database itself: only there a role can be said (see initializeOvn).
    ovsdbPart(site, 'sb', [`punix:${southboundSocket(site)}`, 'db:OVN_Southbound,SB_Global,connections'], {
      options: `${ovnTlsOptions(southboundIdentity(site))} --ssl-protocols=TLSv1.2`, files: [join(southboundIdentity(site), IDENTITY_FILES.cert)],
    }),
    {
      name: 'ovn-northd',
      group: 'network',
      after: ['ovn-nb', 'ovn-sb'],
      script: `export OVN_RUNDIR=${quote(runDirectory(site))}\nexec ${asUser(SERVICE_USER)} ovn-northd --ovnnb-db=unix:${quote(northboundSocket(site))} `
        + `--ovnsb-db=unix:${quote(southboundSocket(site))} --unixctl=${quote(control)} --n-threads=1 ${LOGGING}`,
      health: () => unixctlHealth(control, 'status', [], /active/),
      startTimeoutMs: 15_000,
      stopTimeoutMs: 5_000,
    },
  ];
}

/** Database files, made or brought to the schema of the installed version. */
export async function prepareOvnCentral(site: Site): Promise<void> {
  const { uid, gid } = userIds(SERVICE_USER);
  for (const directory of [join(site.state, 'ovn'), runDirectory(site)]) {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    chownSync(directory, uid, gid);
  }
  for (const which of ['nb', 'sb'] as const) {
    const file = databaseFile(site, which);
    const schema = `/usr/share/ovn/ovn-${which}.ovsschema`;
    if (!existsSync(file)) await run('ovsdb-tool', ['create', file, schema]);
    else if ((await run('ovsdb-tool', ['needs-conversion', file, schema])).stdout.trim() === 'yes') await run('ovsdb-tool', ['convert', file, schema]);
    chownSync(file, uid, gid);
    for (const lock of [`${file}.~lock~`, join(site.state, 'ovn', `.${which}.db.~lock~`)]) if (existsSync(lock)) chownSync(lock, uid, gid);
  }
}

/** A host that says nothing for so long is asked whether it lives, ms. */
const PROBE_MS = 30_000;

/**
 * The single rows that both databases must have, and the southbound database's listener: by TLS, and with the rights of the role that
 * northd describes in it, by which a chassis changes no other chassis. A repeat changes nothing.
 */
export async function initializeOvn(site: Site): Promise<void> {
  await run('ovn-nbctl', [`--db=unix:${northboundSocket(site)}`, '--timeout=15', 'init']);
  const southbound = (...words: string[]): ReturnType<typeof run> => run('ovn-sbctl', [`--db=unix:${southboundSocket(site)}`, '--timeout=15', ...words]);
  await southbound('init');
  const listener = `pssl:${site.ports['ovn-sb']}:${site.management.address}`;
  if ((await southbound('get-connection')).stdout.trim() !== `read-write role="ovn-controller" ${listener}`) await southbound(`--inactivity-probe=${PROBE_MS}`, 'set-connection', 'role=ovn-controller', listener);
}
