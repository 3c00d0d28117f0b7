import { admin, either, type Policies, type PolicyCheck } from '@virga/rest';
import { adminOrSystemReader, domainReader } from '../collection/personas';

const ofOwnProject: PolicyCheck = (caller, { domainId }) => caller.project !== undefined && caller.project.domain.id === domainId;

export const domainPolicies: Policies = {
  'identity:list_domains': { check: adminOrSystemReader, description: 'List domains.' },
  'identity:get_domain': { check: either(adminOrSystemReader, domainReader, ofOwnProject), description: 'Show a domain; also the one of the own project.' },
  'identity:create_domain': { check: admin, description: 'Create a domain.' },
  'identity:update_domain': { check: admin, description: 'Change a domain.' },
  'identity:delete_domain': { check: admin, description: 'Delete a disabled domain with all that is in it.' },
};
