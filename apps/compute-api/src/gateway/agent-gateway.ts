import { agentGatewayContract, hostAgentContract, imageContract, networkContract, placementContract, type HostVerb, type ImageFacts } from '@virga/contracts';
import { errorMessage, forbidden, notFound, withLogFields, type Logger } from '@virga/core';
import { inTransaction, type Kysely } from '@virga/db';
import { COLD_MIGRATION_IN_PROGRESS, LIVE_MIGRATION_IN_PROGRESS } from '@virga/domain';
import { agentUser, fleetOf, type Bus, type Handlers, type MessageMeta, type Served } from '@virga/rpc';
import type { ComputeDb } from '../db/schema';
import { encodeDocuments, metadataTree } from '../metadata/metadata-documents';
import { takeProgress } from '../live-migration/take-progress';
import { takeReport } from '../operations/take-report';
import type { ServerFlavor } from '../servers/server-row';
import { resourcesOf } from '../workflows/resources';
import { observe } from './heartbeat';
import { HeartbeatIntake } from './heartbeat-intake';
import { tellPassingErrors } from './passing-errors';

export interface GatewayOptions {
  db: Kysely<ComputeDb>;
  bus: Bus;
  logger: Logger;
  wake(operationId: string): void;
  wakeRelay(): void;
  defaultZone: string;
  /** Fleets of simulated hosts that may report; all others are refused. */
  simulatedFleets?: ReadonlySet<string>;
  /** How often hosts report, and how long they are alive after a report, ms. */
  intervalMs?: number;
  leaseMs?: number;
}

/** The conductor's side towards the agents. Each speaks for its own host and for no other; an admitted fleet for those that it simulates. */
export function serveAgentGateway(options: GatewayOptions): Promise<Served> {
  return options.bus.serve(agentGatewayContract, tellPassingErrors(gatewayHandlers(options)), { concurrency: 32 });
}

export function gatewayHandlers({ db, bus, logger, wake, wakeRelay, defaultZone, simulatedFleets = new Set(), intervalMs = 3000, leaseMs = 10_000 }: GatewayOptions): Handlers<typeof agentGatewayContract> {
  const intake = new HeartbeatIntake({ db, logger, bus, placement: bus.client(placementContract), leaseMs, defaultZone, wakeRelay });
  const image = bus.client(imageContract);
  const network = bus.client(networkContract);

  const checkSender = (hostId: string, meta: MessageMeta): void => {
    if (meta.sender === agentUser(hostId)) return;
    const fleet = fleetOf(meta.sender, hostId);
    if (fleet !== undefined && simulatedFleets.has(fleet)) return;
    logger.warn({ sender: meta.sender, hostId }, fleet === undefined ? 'an agent spoke for another host; refused' : 'a fleet that is not admitted spoke; refused');
    throw forbidden('An agent may only speak for its own host.');
  };

  return {
    async heartbeat(heartbeat, meta) {
      const { facts } = heartbeat;
      checkSender(facts.hostId, meta);
      if (meta.sender !== agentUser(facts.hostId) && !(facts.simulated && facts.hypervisorType === 'fake')) throw forbidden('A fleet has simulated hosts only.');
      await intake.take(heartbeat);
      return { intervalMs, leaseMs };
    },

    async report(report, meta) {
      checkSender(report.hostId, meta);
      await withLogFields({ operationId: report.operationId, instanceId: report.instanceId }, async () => {
        const operationId = await takeReport(db, logger, report);
        if (operationId !== undefined) wake(operationId);
      });
      return {};
    },

    async instanceEvent({ hostId, instanceId, powerState, reason, sequence }, meta) {
      checkSender(hostId, meta);
      await inTransaction(db, async (trx) => {
        const host = await trx.selectFrom('hosts').select(['sequence', 'previous_seen_at']).where('id', '=', hostId).executeTakeFirst();
        const row = await trx.selectFrom('instances').select(['id', 'vm_state', 'power_state', 'task_state', 'state_changed_at'])
          .where('id', '=', instanceId).where('host_id', '=', hostId).where('deleted_at', 'is', null).forUpdate().executeTakeFirst();
        if (!host || !row || row.task_state !== null) return;
        // Only what is surely newer than the instance's state is taken at once; the next heartbeat tells the rest.
        if (sequence < host.sequence || row.state_changed_at >= host.previous_seen_at) return;
        logger.info({ hostId, instanceId, powerState, reason }, 'guest changed its power state by itself');
        await observe(trx, logger, row, powerState);
      });
      return {};
    },

    async migrationProgress(progress, meta) {
      checkSender(progress.hostId, meta);
      const { forced, destinationHostId } = await takeProgress(db, logger, progress);
      if (progress.stuck && destinationHostId !== undefined) {
        await bus.client(hostAgentContract, { hostId: destinationHostId }).dropMigrationStream({ instanceId: progress.instanceId })
          .catch((error: unknown) => logger.info({ hostId: destinationHostId, instanceId: progress.instanceId, reason: errorMessage(error) }, 'destination of an interrupted post-copy did not let go'));
      }
      return { forced };
    },

    async imageTicket({ hostId, imageId }, meta) {
      checkSender(hostId, meta);
      if (!(await mayReadImage(db, hostId, imageId))) {
        logger.warn({ hostId, imageId }, 'host asked for an image that none of its instances needs; refused');
        throw forbidden('No instance that is built on this host needs the image.');
      }
      return image.issueDownloadTicket({ imageId, hostId });
    },

    async uploadTicket({ hostId, imageId, sizeBytes }, meta) {
      checkSender(hostId, meta);
      const most = await snapshotBytes(db, hostId, imageId);
      if (most === undefined) {
        logger.warn({ hostId, imageId }, 'host wants to bring an image that no snapshot there is for; refused');
        throw forbidden('No snapshot on this host is for the image.');
      }
      if (sizeBytes > most) throw forbidden('The snapshot is larger than its disk can be.');
      const { url, ticket, stored } = await image.issueUploadTicket({ imageId, hostId, maxBytes: sizeBytes });
      return { url, ticket, stored };
    },

    async instanceMetadata({ hostId, instanceId }, meta) {
      checkSender(hostId, meta);
      const row = await db.selectFrom('instances').selectAll().where('id', '=', instanceId).where('deleted_at', 'is', null).executeTakeFirst();
      if (!row || (row.host_id !== hostId && !(await isOnItsWay(db, instanceId, hostId)))) throw notFound('The instance is not on this host.');
      const metadata = await db.selectFrom('instance_metadata').selectAll().where('instance_id', '=', instanceId).execute();
      const wantsPorts = (JSON.parse(row.requested_networks_json) as unknown[]).length > 0;
      const { ports } = wantsPorts ? await network.instancePorts({ instanceId }) : { ports: [] };
      return {
        documents: encodeDocuments(metadataTree({
          instance: row, ports, metadata: Object.fromEntries(metadata.map(({ name, value }) => [name, value])),
          securityGroups: JSON.parse(row.security_groups_json) as string[],
        })),
      };
    },
  };
}

/** True while the instance moves to the host, or back. */
async function isOnItsWay(db: Kysely<ComputeDb>, instanceId: string, hostId: string): Promise<boolean> {
  const row = await db.selectFrom('migrations').select('id').where('instance_id', '=', instanceId)
    .where((eb) => eb.or([
      eb.and([eb('dest_host_id', '=', hostId), eb('status', 'in', [...LIVE_MIGRATION_IN_PROGRESS, ...COLD_MIGRATION_IN_PROGRESS])]),
      eb.and([eb('source_host_id', '=', hostId), eb('status', '=', 'reverting')]),
    ])).executeTakeFirst();
  return row !== undefined;
}

/** Each has a spec, or is one. */
const VERBS_WITH_IMAGE: string[] = ['build', 'rebuild', 'prepareMigration', 'prepareMove', 'receiveDisks', 'startMoved', 'bringBack'] satisfies HostVerb[];

/** True for images (kernel and ramdisk included) of builds and rebuilds that have a command out to the host. */
async function mayReadImage(db: Kysely<ComputeDb>, hostId: string, imageId: string): Promise<boolean> {
  const commands = await db.selectFrom('commands').select('args_json').where('state', '=', 'sent').where('host_id', '=', hostId).where('verb', 'in', VERBS_WITH_IMAGE).execute();
  type Images = { image: { id: string }; kernelImage?: { id: string }; ramdiskImage?: { id: string } };
  return commands.some(({ args_json: text }) => {
    const args = JSON.parse(text) as Images | { spec: Images };
    const { image, kernelImage, ramdiskImage } = 'spec' in args ? args.spec : args;
    return [image, kernelImage, ramdiskImage].some((one) => one?.id === imageId);
  });
}

const GIB = 1024 ** 3;

/** How large the data of an image may be that a snapshot on the host is for; undefined when none is. */
async function snapshotBytes(db: Kysely<ComputeDb>, hostId: string, imageId: string): Promise<number | undefined> {
  const commands = await db.selectFrom('commands as c').innerJoin('instances as i', 'i.id', 'c.instance_id').select(['c.args_json', 'i.flavor_json', 'i.image_json'])
    .where('c.state', '=', 'sent').where('c.host_id', '=', hostId).where('c.verb', '=', 'snapshot').execute();
  const command = commands.find(({ args_json: text }) => (JSON.parse(text) as { imageId: string }).imageId === imageId);
  // A disk image has tables beside its data: an eighth more is plenty.
  return command && Math.ceil((resourcesOf(JSON.parse(command.flavor_json) as ServerFlavor, JSON.parse(command.image_json) as ImageFacts).diskGb + 1) * GIB * 9 / 8);
}
