import type { Workflow } from '../operations/workflow';

/** Takes the remains of a deleted or moved instance off a host that still reports them. Arguments: `{ hostId }`. */
export const reapInstance: Workflow = {
  kind: 'reap-instance',
  steps: [
    {
      name: 'destroy_on_host',
      timeoutMs: 120_000,
      async do(context) {
        await context.command(context.operation.args.hostId as string, 'destroy', {});
      },
    },
  ],
  succeeded: async () => { /* the instance is not on that host in our books already */ },
  failed: async () => { /* the host reports it again, and it is tried again */ },
};
