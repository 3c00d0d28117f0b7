import { forbidden, type RequestContext } from '@virga/core';
import type { FaultStyle } from './faults';

/** What an action is aimed at. */
export interface PolicyTarget {
  projectId?: string | null | undefined;
  userId?: string | null | undefined;
  domainId?: string | null | undefined;
  /** Owner of what the target belongs to, e.g. of a port's network. */
  parentProjectId?: string | null | undefined;
  /** True when what the target belongs to is open to all projects. */
  parentShared?: boolean;
}

export type PolicyCheck = (context: RequestContext, target: PolicyTarget) => boolean;

export interface PolicyRule { check: PolicyCheck; description: string }
/** OpenStack's rule names to who may do it. */
export type Policies = Record<string, PolicyRule>;

const hasRole = (context: RequestContext, role: string) => context.roleNames.has(role);
const inProject = (context: RequestContext, target: PolicyTarget) =>
  context.project !== undefined && target.projectId !== undefined && context.project.id === target.projectId;
const projectRole = (role: string): PolicyCheck => (context, target) => inProject(context, target) && hasRole(context, role);

/** The personas of OpenStack's secure defaults; admin implies manager implies member implies reader. */
export const anyone: PolicyCheck = () => true;
export const admin: PolicyCheck = (context) => hasRole(context, 'admin');
export const service: PolicyCheck = (context) => hasRole(context, 'service') || hasRole(context, 'admin');
export const projectReader = projectRole('reader');
export const projectMember = projectRole('member');
export const owner: PolicyCheck = (context, target) => target.userId !== undefined && context.user.id === target.userId;
/** A member of the project that owns what the target belongs to. */
export const parentMember: PolicyCheck = (context, target) =>
  context.project !== undefined && context.project.id === target.parentProjectId && hasRole(context, 'member');
export const either = (...checks: PolicyCheck[]): PolicyCheck => (context, target) => checks.some((check) => check(context, target));
export const adminOrReader = either(admin, projectReader);
export const adminOrMember = either(admin, projectMember);

/** The rules of one service, with its way of saying no. */
export class PolicyEnforcer {
  constructor(private readonly policies: Policies, private readonly style: FaultStyle) {}

  has(rule: string): boolean {
    return Object.hasOwn(this.policies, rule);
  }

  /** True when the rule lets the caller do it; an unknown rule is a programming error and lets nobody. */
  allows(context: RequestContext, rule: string, target?: PolicyTarget): boolean {
    const policy = this.policies[rule];
    if (!policy) throw new Error(`No policy rule named ${rule}.`);
    return policy.check(context, target ?? { projectId: context.project?.id, userId: context.user.id });
  }

  /** Throws 403 in the service's words. Without a target the caller's own project and user are meant. */
  enforce(context: RequestContext, rule: string, target?: PolicyTarget): void {
    if (!this.allows(context, rule, target)) throw forbidden(this.style.forbidden(rule));
  }
}
