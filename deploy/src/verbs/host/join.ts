import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { keepIdentity, makeKey, requestCertificate } from '@virga/mutual-tls';
import { agentUser } from '@virga/rpc';
import { enrol } from '../../enrolment/enrol';
import { readToken, type JoinToken } from '../../enrolment/join-token';
import { HOST_NAME, type EnrolmentAnswer } from '../../enrolment/messages';
import { keepSettings, knownSettings, type Launch } from '../../load-site';
import { UsageError, type Options } from '../../options';
import { chassisIdentity, hostIdentity } from '../../pki/identities';
import { run } from '../../run-command';
import { SecretStore } from '../../secrets';
import { DEFAULT_SETTINGS } from '../../site';
import { startMember } from '../start-member';

/** Makes this machine a host of the controller's cloud, and starts it. */
export async function joinCloud(launch: Launch, options: Options): Promise<number> {
  const known = knownSettings(launch.state);
  if (known?.membership) throw new UsageError(`this machine is the host ${known.membership.host} of a cloud already; ./virga up starts it, ./virga destroy makes an end of it.`);
  if (known) throw new UsageError(`there is a cloud in ${launch.state}; its machine cannot join another one.`);
  const { controller, tunnelInterface, externalInterface } = options;
  if (!controller) throw new UsageError('say --controller https://ADDRESS:PORT, as ./virga host token shows it.');
  if (!tunnelInterface) throw new UsageError("say --tunnel-interface: the network interface on the hosts' tunnel network.");
  const name = options.hostName ?? hostname().split('.')[0]!.toLowerCase();
  if (!HOST_NAME.test(name)) throw new UsageError(`this machine is called ${name}, which no host can be; say --host-name.`);
  const token = await tokenOf(options.token);
  const address = options.address ?? await addressTowards(new URL(controller).hostname);
  const carrier = /^\d+: (\S+?)(@\S+)? /m.exec((await run('ip', ['-o', '-4', 'addr', 'show', 'to', `${address}/32`])).stdout)?.[1];
  if (!carrier) throw new UsageError(`this machine has no address ${address}.`);
  for (const device of [tunnelInterface, ...(externalInterface ? [externalInterface] : [])]) {
    if (!existsSync(`/sys/class/net/${device}`)) throw new UsageError(`this machine has no network interface ${device}.`);
    if (device === carrier) throw new UsageError(`${device} carries the management address ${address}; the switch needs interfaces of its own.`);
  }
  if (tunnelInterface === externalInterface) throw new UsageError('tunnels and the external network need an interface each.');
  // Kept until it has got in: a machine that is refused tries again with the same key.
  const keyFile = makeKey(join(launch.state, 'joining'));
  const answer = await enrol({ controller: controller.replace(/\/$/, ''), token, name, address, request: await requestCertificate(keyFile) });
  process.stdout.write(`the controller has let this machine in as ${answer.name} (${answer.hostId})\n`);
  keepMembership(launch, options, answer, { tunnelInterface, ...(externalInterface && { externalInterface }) }, readFileSync(keyFile, 'utf8'));
  return startMember(launch, options);
}

async function tokenOf(said: string | undefined): Promise<JoinToken> {
  if (said === undefined) throw new UsageError('say --token T, or --token - to give it on the standard input.');
  const token = readToken(said === '-' ? await text(process.stdin) : said);
  if (!token) throw new UsageError('that is no token; ./virga host token at the controller prints one.');
  return token;
}

/** The address that packets to the controller bear. */
async function addressTowards(controller: string): Promise<string> {
  const { stdout } = await run('ip', ['-4', 'route', 'get', controller], { accept: [0, 2] });
  const address = /\bsrc (\S+)/.exec(stdout)?.[1];
  if (!address) throw new UsageError(`this machine has no way to ${controller}; give it an address on the management network first.`);
  return address;
}

/** All that the machine was given, to where parts look for it. The settings come last: they make it a host. */
function keepMembership(launch: Launch, options: Options, answer: EnrolmentAnswer, interfaces: { tunnelInterface: string; externalInterface?: string }, key: string): void {
  const { name, hostId, address, tunnelAddress, cloud } = answer;
  const etc = join(launch.state, 'etc');
  mkdirSync(etc, { recursive: true, mode: 0o711 });
  const host = { name, directory: join(launch.state, 'hosts', name) };
  mkdirSync(host.directory, { recursive: true, mode: 0o711 });
  writeFileSync(join(host.directory, 'id'), `${hostId}\n`);
  keepIdentity(hostIdentity(host), { ca: answer.ca, cert: answer.certificate, key });
  keepIdentity(chassisIdentity(host), { ca: answer.southboundCa, cert: answer.chassisCertificate, key });
  new SecretStore(join(etc, 'secrets.json')).keep(`amqp.${agentUser(hostId)}`, answer.brokerPassword);
  keepSettings(launch, {
    name: cloud.name, portOffset: cloud.portOffset, hosts: 1, managementCidr: cloud.managementCidr, externalCidr: cloud.externalCidr, spice: cloud.spice,
    virtType: options.virtType ?? DEFAULT_SETTINGS.virtType, membership: { host: name, hostId, address, tunnelAddress, controller: cloud.controller, ...interfaces },
  });
  rmSync(join(launch.state, 'joining'), { recursive: true });
}
