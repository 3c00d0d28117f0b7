import { Authority } from '@virga/mutual-tls';
import { fingerprintOf, writeToken } from '../../enrolment/join-token';
import { TokenStore } from '../../enrolment/token-store';
import { loadSite, type Launch } from '../../load-site';
import { UsageError, type Options } from '../../options';
import { authorityDirectory, tokenDirectory } from '../../pki/identities';

const DEFAULT_MINUTES = 30;

/** Prints a token by which one machine may join, and what to type there. Nobody can have it printed again. */
export async function makeToken(launch: Launch, options: Options): Promise<number> {
  const site = loadSite(launch);
  if (site.settings.membership) throw new UsageError(`this machine is the host ${site.settings.membership.host} of another machine's cloud; tokens are made there.`);
  const minutes = options.minutes ?? DEFAULT_MINUTES;
  const { certificate } = await Authority.open(authorityDirectory(site));
  const token = writeToken(new TokenStore(tokenDirectory(site)).issue(fingerprintOf(certificate), minutes * 60_000));
  const controller = `https://${site.management.address}:${site.ports.enrolment}`;
  if (options.json) process.stdout.write(`${JSON.stringify({ token, controller, expiresAt: new Date(Date.now() + minutes * 60_000).toISOString() }, null, 2)}\n`);
  else process.stdout.write(`${token}\n\nGood for one machine and ${minutes} minutes. On that machine, with an address of ${site.management.cidr}:\n  ./virga host join --controller ${controller} --tunnel-interface IF --token -\nand give it the token on its standard input.\n`);
  return 0;
}
