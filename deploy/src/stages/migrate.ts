import { appEnv, entryFile } from '../parts/apps';
import { run } from '../run-command';
import type { SecretStore } from '../secrets';
import type { Site } from '../site';
import { SERVICE_USER } from '../system-users';

/** `setpriv` arguments for running one of the apps' verbs as the services' user. */
const asServiceUser = [`--reuid=${SERVICE_USER}`, `--regid=${SERVICE_USER}`, '--init-groups', '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all'];

/** Runs a verb of an app (`migrate`, `bootstrap`) with the app's own environment; `input` goes to standard input. */
export async function runAppVerb(site: Site, secrets: SecretStore, part: string, app: string, verb: string, input = ''): Promise<string> {
  const { stdout } = await run('setpriv', [...asServiceUser, process.execPath, entryFile(site, app, 'main'), verb],
    { env: appEnv(site, secrets, part), input, timeoutMs: 120_000 });
  return stdout;
}

/** Brings an app's schema up to date. */
export async function migrate(site: Site, secrets: SecretStore, part: string, app: string): Promise<void> {
  await runAppVerb(site, secrets, part, app, 'migrate');
}
