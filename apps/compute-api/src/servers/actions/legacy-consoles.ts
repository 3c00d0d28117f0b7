import { Type } from '@sinclair/typebox';
import { issueConsoleToken } from '../../consoles/issue-console-token';
import type { ActionHandler } from './action';

const consoleAction = (protocol: string, ...types: string[]): ActionHandler => ({
  rule: 'os_compute_api:os-remote-consoles',
  schema: [['2.1', Type.Object({ type: Type.Union(types.map((type) => Type.Literal(type))) }, { additionalProperties: false })]],
  until: 5,
  status: 200,
  async run({ caller, serverId, ...deps }, { type }: { type: string }) {
    return { console: { type, url: await issueConsoleToken(deps, caller, serverId, { protocol, type }) } };
  },
});

/** How consoles were asked for before 2.6 made them a resource. */
export const legacyConsoleActions: Record<string, ActionHandler> = {
  'os-getVNCConsole': consoleAction('vnc', 'novnc', 'xvpvnc'),
  'os-getSPICEConsole': consoleAction('spice', 'spice-html5'),
  'os-getSerialConsole': consoleAction('serial', 'serial'),
  'os-getRDPConsole': consoleAction('rdp', 'rdp-html5'),
};
