import { either, type Policies, type PolicyCheck } from '@virga/rest';
import { adminOrDomainManager, adminOrDomainReader, adminOrDomainReaderOrOwner } from '../collection/personas';

const insideProject: PolicyCheck = (caller, { projectId }) => caller.project !== undefined && caller.project.id === projectId;
const reads = either(adminOrDomainReader, insideProject);

export const projectPolicies: Policies = {
  'identity:list_projects': { check: adminOrDomainReader, description: 'List projects, of the own domain for its readers.' },
  'identity:list_user_projects': { check: adminOrDomainReaderOrOwner, description: 'List the projects of a user; everyone their own.' },
  'identity:get_project': { check: reads, description: 'Show a project; everyone the one of their token.' },
  'identity:create_project': { check: adminOrDomainManager, description: 'Create a project.' },
  'identity:update_project': { check: adminOrDomainManager, description: 'Change a project.' },
  'identity:delete_project': { check: adminOrDomainManager, description: 'Delete a project.' },
  'identity:list_project_tags': { check: reads, description: 'List the tags of a project.' },
  'identity:get_project_tag': { check: reads, description: 'Ask whether a project has a tag.' },
  'identity:create_project_tag': { check: adminOrDomainManager, description: 'Add a tag to a project.' },
  'identity:update_project_tags': { check: adminOrDomainManager, description: 'Replace the tags of a project.' },
  'identity:delete_project_tag': { check: adminOrDomainManager, description: 'Remove a tag from a project.' },
  'identity:delete_project_tags': { check: adminOrDomainManager, description: 'Remove all tags from a project.' },
};
