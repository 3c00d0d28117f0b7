import { admin, either, owner, type Policies } from '@virga/rest';
import { systemReader } from '../collection/personas';

export const applicationCredentialPolicies: Policies = {
  'identity:list_application_credentials': { check: either(admin, systemReader, owner), description: 'List the application credentials of a user; everyone their own.' },
  'identity:get_application_credential': { check: either(admin, systemReader, owner), description: 'Show an application credential; everyone their own.' },
  'identity:create_application_credential': { check: owner, description: 'Create an application credential for oneself.' },
  'identity:delete_application_credential': { check: either(admin, owner), description: 'Delete an application credential; everyone their own.' },
};
