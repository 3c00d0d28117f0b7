import { Type } from '@sinclair/typebox';
import { SERVER_ACTIONS } from '@virga/domain';
import type { PowerActionName } from '../../workflows/power-action';
import type { ActionContext, ActionHandler } from './action';
import { startAction } from './start-action';

async function startPower(context: ActionContext, name: PowerActionName): Promise<void> {
  await startAction(context, name, () => ({ kind: 'power-action', args: { action: name } }));
}

const Nothing = [['2.1', Type.Union([Type.Null(), Type.Object({}), Type.String()])]] as const;
const simple = (name: PowerActionName): ActionHandler => ({
  rule: SERVER_ACTIONS[name].rule, schema: Nothing, run: (context) => startPower(context, name),
});

const RebootType = Type.Object({ type: Type.Union(['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft'].map((word) => Type.Literal(word))) }, { additionalProperties: false });

export const powerActions: Record<string, ActionHandler> = {
  'os-start': simple('start'),
  'os-stop': simple('stop'),
  pause: simple('pause'),
  unpause: simple('unpause'),
  suspend: simple('suspend'),
  resume: simple('resume'),
  reboot: {
    rule: SERVER_ACTIONS.rebootSoft.rule,
    schema: [['2.1', RebootType]],
    run: (context, { type }: { type: string }) => startPower(context, type.toUpperCase() === 'HARD' ? 'rebootHard' : 'rebootSoft'),
  },
};
