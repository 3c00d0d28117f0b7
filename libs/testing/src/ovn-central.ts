import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { accepts, startPrivateServer, temporaryDirectory, type PrivateServer } from './private-server';

const run = promisify(execFile);

export interface TestOvnCentral {
  /** `unix:/path` of the northbound database. */
  northbound: string;
  /** `unix:/path` of the southbound database. */
  southbound: string;
  /** `ovn-nbctl` on the northbound database; its output. */
  nbctl(...args: string[]): Promise<string>;
  /** `ovn-sbctl` on the southbound database; its output. */
  sbctl(...args: string[]): Promise<string>;
  /** The northbound database's server, to kill it and to start it again on the same file. */
  northboundServer: Pick<PrivateServer, 'kill' | 'start'>;
  stop(): Promise<void>;
}

const SCHEMAS = { nb: '/usr/share/ovn/ovn-nb.ovsschema', sb: '/usr/share/ovn/ovn-sb.ovsschema' };

async function startDatabase(name: 'nb' | 'sb'): Promise<{ server: PrivateServer; remote: string }> {
  const dir = temporaryDirectory(`ovn-${name}`);
  const [file, socket] = [join(dir, `${name}.db`), join(dir, `${name}.sock`)];
  await run('ovsdb-tool', ['create', file, SCHEMAS[name]]);
  const server = await startPrivateServer({
    dir,
    // A killed server leaves its sockets behind.
    command: ['/bin/sh', '-c', 'rm -f "$0" && exec ovsdb-server "$@"', socket, file, `--remote=punix:${socket}`, `--unixctl=${dir}/ctl`, '-vconsole:warn'],
    env: { OVS_RUNDIR: dir, OVN_RUNDIR: dir },
    ready: () => accepts({ path: socket }),
    readyTimeoutMs: 20_000,
  });
  return { server, remote: `unix:${socket}` };
}

/** OVN's two databases and, unless told otherwise, northd between them; no host. The caller must `stop` it. */
export async function startOvnCentral({ northd = true } = {}): Promise<TestOvnCentral> {
  const [nb, sb] = await Promise.all([startDatabase('nb'), startDatabase('sb')]);
  const tool = (command: string, remote: string) => async (...args: string[]): Promise<string> =>
    (await run(command, [`--db=${remote}`, '--no-leader-only', '--timeout=20', ...args])).stdout;
  const [nbctl, sbctl] = [tool('ovn-nbctl', nb.remote), tool('ovn-sbctl', sb.remote)];
  await Promise.all([nbctl('init'), sbctl('init')]);
  const daemons = [nb.server, sb.server];
  if (northd) {
    const dir = temporaryDirectory('ovn-northd');
    daemons.push(await startPrivateServer({
      dir,
      command: ['ovn-northd', `--ovnnb-db=${nb.remote}`, `--ovnsb-db=${sb.remote}`, `--unixctl=${dir}/ctl`, '-vconsole:warn'],
      env: { OVS_RUNDIR: dir, OVN_RUNDIR: dir },
      ready: () => accepts({ path: join(dir, 'ctl') }),
      readyTimeoutMs: 20_000,
    }));
  }
  return {
    northbound: nb.remote, southbound: sb.remote, northboundServer: nb.server, nbctl, sbctl,
    stop: async () => { for (const daemon of daemons.reverse()) await daemon.stop(); },
  };
}
