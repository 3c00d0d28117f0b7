import type { DynamicModule, Provider } from '@nestjs/common';
import type { OutboxRelay } from '@virga/db';
import { TokenVerifier } from '@virga/rest';
import { CONFIG, DATABASE, ENFORCER, SEAL_KEY, TOKEN_FORMAT, type Settings } from './injection';
import type { Db, IdentitySchema } from './db/tables';
import { createEnforcer } from './policies';
import { ApplicationCredentialLogin } from './auth/application-credential-login';
import { Authenticator } from './auth/authenticate';
import { TrustLogin } from './auth/trust-scope';
import { TokensController } from './auth/tokens.controller';
import { ApplicationCredentialsController } from './application-credentials/application-credentials.controller';
import { AccessRulesController } from './access-rules/access-rules.controller';
import { CredentialsController } from './credentials/credentials.controller';
import { Ec2CredentialsController } from './credentials/ec2-credentials.controller';
import { DomainConfigController } from './domain-config/domain-config.controller';
import { EndpointGroupsController } from './endpoint-filter/endpoint-groups.controller';
import { ProjectEndpointsController } from './endpoint-filter/project-endpoints.controller';
import { OauthConsumersController } from './oauth-consumers/oauth-consumers.controller';
import { PolicyDocumentsController } from './policy-documents/policy-documents.controller';
import { V2Controller } from './v2/v2.controller';
import { TrustsController } from './trusts/trusts.controller';
import { AuthController } from './auth/auth.controller';
import { DomainsController } from './domains/domains.controller';
import { EndpointsController } from './endpoints/endpoints.controller';
import { GroupsController } from './groups/groups.controller';
import { ProjectsController } from './projects/projects.controller';
import { ProjectTagsController } from './projects/project-tags.controller';
import { RegionsController } from './regions/regions.controller';
import { GrantsController } from './role-assignments/grants.controller';
import { RoleAssignmentsController } from './role-assignments/role-assignments.controller';
import { ImpliedRolesController } from './roles/implied-roles.controller';
import { RolesController } from './roles/roles.controller';
import { ServicesController } from './services/services.controller';
import { UsersController } from './users/users.controller';
import { Catalog } from './catalog/catalog';
import { PasswordHasher } from './passwords/password-hash';
import { Revoker } from './revocations/revoker';
import { CertificatesController } from './pki/certificates.controller';
import { PkiFormat } from './pki/pki-format';
import { PkiKeys } from './pki/pki-keys';
import { RevocationsController } from './revocations/revocations.controller';
import { JwsFormat } from './tokens/jws-format';
import { SigningKeys } from './tokens/signing-keys';
import { VersionsController } from './versions/versions.controller';

/** Parts that exist before the HTTP side does. */
export interface IdentityParts {
  db: Db;
  settings: Settings;
  sealKey: Buffer;
  keys: SigningKeys;
  pkiKeys: PkiKeys;
  verifier: TokenVerifier;
  revoker: Revoker;
  relay: OutboxRelay<IdentitySchema>;
}

class IdentityModule {}

export function identityModule({ db, settings, sealKey, keys, pkiKeys, verifier, revoker }: IdentityParts): DynamicModule {
  const value = (provide: unknown, useValue: unknown): Provider => ({ provide, useValue }) as Provider;
  return {
    module: IdentityModule,
    controllers: [
      VersionsController, V2Controller, TokensController, AuthController, DomainsController, ProjectsController, ProjectTagsController, UsersController, ApplicationCredentialsController,
      GroupsController, RolesController, ImpliedRolesController, GrantsController, RoleAssignmentsController, RegionsController, ServicesController, EndpointsController,
      AccessRulesController, CredentialsController, Ec2CredentialsController, DomainConfigController, EndpointGroupsController, ProjectEndpointsController,
      OauthConsumersController, PolicyDocumentsController, TrustsController, CertificatesController, RevocationsController,
    ],
    providers: [
      value(DATABASE, db), value(CONFIG, settings), value(ENFORCER, createEnforcer()), value(SEAL_KEY, sealKey),
      value(SigningKeys, keys), value(TokenVerifier, verifier), value(Revoker, revoker), value(PasswordHasher, new PasswordHasher()),
      value(PkiKeys, pkiKeys),
      { provide: TOKEN_FORMAT, inject: [Catalog], useFactory: (catalog: Catalog) => (settings.tokenFormat === 'pki' ? new PkiFormat(pkiKeys, catalog) : new JwsFormat(keys)) },
      ApplicationCredentialLogin, Authenticator, TrustLogin, Catalog,
    ],
  };
}
