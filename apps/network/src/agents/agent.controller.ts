import { createHash } from 'node:crypto';
import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { badRequest, isUuid, notFound, type RequestContext } from '@virga/core';
import { Authenticated, Caller, PolicyEnforcer } from '@virga/rest';
import { readChassis } from '../ovn/gateway-hosts';
import type { SbClient } from '../ovn/northbound';

export const AGENT_SOURCE = Symbol('virga.network.agent-source');

/** A host that has not answered the writer's question for this long is taken for dead, ms. Asked every 20 s. */
export const AGENT_DOWN_MS = 75_000;

/** The agent's id: the host's own when it is a UUID, else one that stays the same for the host's name. */
function agentId(chassisName: string): string {
  if (isUuid(chassisName)) return chassisName;
  const hex = createHash('sha256').update(`virga ${chassisName}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const timestamp = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace(/\.\d+Z$/, '');

/**
 * The hosts of the network as the southbound database knows them. Who may not see them sees an empty list, as in
 * neutron, so the rule is asked here and not on the route.
 */
@Controller('v2.0/agents')
@Authenticated()
export class AgentController {
  constructor(@Inject(AGENT_SOURCE) private readonly southbound: SbClient, @Inject(PolicyEnforcer) private readonly policy: PolicyEnforcer) {}

  @Get()
  list(@Caller() caller: RequestContext, @Query() query: Record<string, string | string[] | undefined>) {
    const { fields, ...filters } = query;
    const agents = this.agents(caller);
    for (const name of Object.keys(filters)) {
      if (!(name in AGENT_FIELDS)) throw badRequest(`['${name.slice(0, 100)}'] is invalid attribute for filtering`, { type: 'HTTPBadRequest' });
    }
    const wanted = agents.filter((agent) => Object.entries(filters).every(([name, value]) =>
      [value].flat().some((one) => String(agent[name as keyof typeof agent]).toLowerCase() === one?.toLowerCase())));
    const shown = [fields ?? []].flat();
    return { agents: shown.length === 0 ? wanted : wanted.map((agent) => Object.fromEntries(Object.entries(agent).filter(([name]) => shown.includes(name)))) };
  }

  @Get(':id')
  show(@Caller() caller: RequestContext, @Param('id') id: string) {
    const agent = this.agents(caller).find((candidate) => candidate.id === id);
    if (!agent) throw notFound(`Agent ${id.slice(0, 100)} could not be found.`, { type: 'AgentNotFound' });
    return { agent };
  }

  private agents(caller: RequestContext) {
    if (!this.policy.allows(caller, 'get_agent')) return [];
    const answers = new Map([...this.southbound.table('Chassis_Private').all()].map((row) => [row.name, row.nb_cfg_timestamp]));
    return readChassis(this.southbound).map((chassis) => {
      const answered = answers.get(chassis.name) ?? 0;
      return {
        id: agentId(chassis.name),
        agent_type: chassis.gateway ? 'OVN Controller Gateway agent' : 'OVN Controller agent',
        binary: 'ovn-controller',
        host: chassis.hostname,
        topic: 'n/a',
        alive: Date.now() - answered < AGENT_DOWN_MS,
        admin_state_up: true,
        availability_zone: '',
        description: '',
        resources_synced: null,
        configurations: { chassis_name: chassis.name, 'bridge-mappings': chassis.bridgeMappings },
        heartbeat_timestamp: timestamp(answered),
      };
    }).sort((a, b) => (a.host < b.host ? -1 : 1));
  }
}

const AGENT_FIELDS = { id: 1, agent_type: 1, binary: 1, host: 1, alive: 1, admin_state_up: 1, topic: 1, availability_zone: 1, description: 1 };
