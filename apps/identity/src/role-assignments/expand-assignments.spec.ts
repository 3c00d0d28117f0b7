import { expandAssignments, type Surroundings } from './expand-assignments';
import type { RoleAssignmentRow } from '../db/tables';

const nothing: Surroundings = { members: [], implied: [], projects: [], domainRoles: new Set() };
const row = (over: Partial<RoleAssignmentRow> = {}): RoleAssignmentRow => ({
  target_type: 'project', target_id: 'p', actor_type: 'user', actor_id: 'u', role_id: 'r', inherited: 0, ...over,
});
const brief = (rows: ReturnType<typeof expandAssignments>) => rows.map(({ actor_id, target_id, role_id }) => `${actor_id} ${role_id} ${target_id}`);

describe('expandAssignments', () => {
  test('a group becomes its users; an empty one nobody', () => {
    const members = [{ group_id: 'g', user_id: 'a' }, { group_id: 'g', user_id: 'b' }];
    const found = expandAssignments([row({ actor_type: 'group', actor_id: 'g' }), row({ actor_type: 'group', actor_id: 'empty' })], { ...nothing, members });
    expect(brief(found)).toEqual(['a r p', 'b r p']);
    expect(found[0]).toMatchObject({ actor_type: 'user', viaGroup: 'g' });
  });

  test('roles bring what they imply, through several steps and round circles', () => {
    const implied = [['r', 's'], ['s', 't'], ['t', 'r']].map(([prior_role_id, implied_role_id]) => ({ prior_role_id: prior_role_id!, implied_role_id: implied_role_id! }));
    const found = expandAssignments([row()], { ...nothing, implied });
    expect(brief(found)).toEqual(['u r p', 'u s p', 'u t p']);
    expect(found[2]).toMatchObject({ priorRole: 's' });
  });

  test('a role of a domain is held for what it implies only', () => {
    const implied = [{ prior_role_id: 'r', implied_role_id: 's' }];
    expect(brief(expandAssignments([row()], { ...nothing, implied, domainRoles: new Set(['r']) }))).toEqual(['u s p']);
  });

  test('inherited ones hold below their target and not on it', () => {
    const projects = [{ id: 'p', parent_id: null, domain_id: 'd' }, { id: 'q', parent_id: 'p', domain_id: 'd' }, { id: 's', parent_id: 'q', domain_id: 'd' }, { id: 'x', parent_id: null, domain_id: 'e' }];
    expect(brief(expandAssignments([row({ inherited: 1 })], { ...nothing, projects }))).toEqual(['u r q', 'u r s']);
    expect(brief(expandAssignments([row({ inherited: 1, target_type: 'domain', target_id: 'd' })], { ...nothing, projects }))).toEqual(['u r p', 'u r q', 'u r s']);
  });

  test('what is held twice is named once', () => {
    expect(expandAssignments([row(), row({ actor_type: 'group', actor_id: 'g' })], { ...nothing, members: [{ group_id: 'g', user_id: 'u' }] })).toHaveLength(1);
  });
});
