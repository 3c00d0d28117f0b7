import { admin, either, owner, service, type Policies, anyone } from '@virga/rest';

export const authPolicies: Policies = {
  'identity:validate_token': { check: either(service, owner), description: 'Show a token: services, admins and its own user.' },
  'identity:check_token': { check: either(service, owner), description: 'Ask whether a token holds.' },
  'identity:revoke_token': { check: either(admin, owner), description: 'Revoke a token.' },
  'identity:revocation_list': { check: service, description: 'List single tokens that were revoked, signed.' },
  'identity:list_revoke_events': { check: service, description: 'List what was revoked.' },
  'identity:get_auth_catalog': { check: anyone, description: 'Show the catalog of the own scope.' },
  'identity:get_auth_projects': { check: anyone, description: 'List projects that the own token can be exchanged for.' },
  'identity:get_auth_domains': { check: anyone, description: 'List domains that the own token can be exchanged for.' },
  'identity:get_auth_system': { check: anyone, description: 'List systems that the own token can be exchanged for.' },
};
