import type { SecretStore } from '../secrets';
import type { Site } from '../site';
import { amongThemselves, checkOrder } from '../task-graph';
import { agentPart, appParts, fleetParts } from './apps';
import { enrolmentPart } from './enrolment';
import { hostParts } from './host';
import { mariadbPart } from './mariadb';
import { ovnCentralParts } from './ovn-central';
import type { Part } from './part';
import { epmdPart, rabbitmqPart } from './rabbitmq';
import { logKeeperPart } from './upkeep';

/** Every process of a cloud on this machine, each behind those that it needs. */
export function partsOf(site: Site, secrets: SecretStore): Part[] {
  const ofHosts = site.hosts.flatMap((host) => [...hostParts(host), agentPart(site, secrets, host)]);
  // What a machine's parts wait for at the controller is there, or they try again.
  const parts = site.settings.membership ? amongThemselves([logKeeperPart(site), ...ofHosts]) : [
    logKeeperPart(site), mariadbPart(site), epmdPart(site), rabbitmqPart(site), ...ovnCentralParts(site),
    ...appParts(site, secrets),
    enrolmentPart(site),
    ...ofHosts,
    ...fleetParts(site, secrets),
  ];
  const order = checkOrder(parts);
  return parts.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}
