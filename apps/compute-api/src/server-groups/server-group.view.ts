import type { ServerGroup } from './server-group.repository';

/** From 2.64 on a group has one policy with rules; before that a list, and metadata that were always empty. */
export function serverGroupView({ id, name, policy, max_per_host: most, members, project_id: projectId, user_id: userId }: ServerGroup, at: number): Record<string, unknown> {
  return {
    id, name,
    ...(at >= 64 ? { policy, rules: most === null ? {} : { max_server_per_host: most } } : { policies: [policy], metadata: {} }),
    members,
    ...(at >= 13 && { project_id: projectId, user_id: userId }),
  };
}
