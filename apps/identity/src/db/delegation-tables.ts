import type { Flag } from './tables';

export interface TrustRow {
  id: string; trustor_user_id: string; trustee_user_id: string; project_id: string | null; impersonation: Flag;
  /** Microseconds since the epoch. */
  expires_at: number | null;
  remaining_uses: number | null;
  extra: string;
}
export interface AccessRuleRow { id: string; user_id: string; service: string; method: string; path: string }
export interface CredentialRow {
  id: string; user_id: string; project_id: string | null; type: string;
  /** AES-256-GCM under the key of VIRGA_IDENTITY_KEY_FILE, bound to the id. */
  blob_sealed: string;
  extra: string;
}
export interface PolicyDocumentRow { id: string; type: string; document: string; extra: string }
export interface EndpointGroupRow { id: string; name: string; description: string | null; filters: string }
export interface DomainConfigRow { domain_id: string; option_group: string; option_name: string; value_sealed: string }
export interface OauthConsumerRow { id: string; description: string | null; secret_sealed: string; extra: string }

export interface DelegationSchema {
  trusts: TrustRow;
  trust_roles: { trust_id: string; role_id: string };
  access_rules: AccessRuleRow;
  application_credential_access_rules: { application_credential_id: string; access_rule_id: string };
  credentials: CredentialRow;
  policy_documents: PolicyDocumentRow;
  endpoint_groups: EndpointGroupRow;
  project_endpoint_groups: { endpoint_group_id: string; project_id: string };
  project_endpoints: { endpoint_id: string; project_id: string };
  domain_config: DomainConfigRow;
  oauth_consumers: OauthConsumerRow;
}
