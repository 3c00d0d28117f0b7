/** What holds between the members of a server group; the soft ones are wishes. */
export const GROUP_POLICIES = ['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity'] as const;
export type GroupPolicy = (typeof GROUP_POLICIES)[number];

export interface GroupRule {
  policy: GroupPolicy;
  /** For anti-affinity. */
  maxPerHost: number;
}

/** Whether one more member may be on the host, when its others are on `members` (a host for each). */
export function groupAllows({ policy, maxPerHost }: GroupRule, members: readonly string[], hostId: string): boolean {
  if (policy === 'affinity') return members.length === 0 || members.includes(hostId);
  if (policy === 'anti-affinity') return members.filter((member) => member === hostId).length < maxPerHost;
  return true;
}

/** How much a soft policy likes the host; more is better, 0 where no policy says anything. */
export function groupLikes({ policy }: GroupRule, members: readonly string[], hostId: string): number {
  const here = members.filter((member) => member === hostId).length;
  return policy === 'soft-affinity' ? here : policy === 'soft-anti-affinity' ? -here : 0;
}
