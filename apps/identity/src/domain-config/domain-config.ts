import { Type, type Static } from '@sinclair/typebox';
import { forbidden, notFound } from '@virga/core';
import { admin, type Policies } from '@virga/rest';
import { adminOrSystemReader } from '../collection/personas';

export const domainConfigPolicies: Policies = {
  'identity:get_domain_config': { check: adminOrSystemReader, description: 'Show the configuration of a domain.' },
  'identity:get_domain_config_default': { check: adminOrSystemReader, description: 'Show the default configuration of domains.' },
  'identity:create_domain_config': { check: admin, description: 'Set the configuration of a domain.' },
  'identity:update_domain_config': { check: admin, description: 'Change the configuration of a domain.' },
  'identity:delete_domain_config': { check: admin, description: 'Remove the configuration of a domain.' },
};

type Value = string | number | boolean | null;
/** What a domain may configure, with keystone's defaults; the options of the group ldap describe a directory. */
export const DEFAULTS: Record<string, Record<string, Value>> = {
  identity: { driver: 'sql', list_limit: null },
  ldap: {
    url: 'ldap://localhost', user: null, suffix: 'cn=example,cn=com', query_scope: 'one', page_size: 0, alias_dereferencing: 'default', debug_level: null, chase_referrals: null,
    user_tree_dn: null, user_filter: null, user_objectclass: 'inetOrgPerson', user_id_attribute: 'cn', user_name_attribute: 'sn', user_description_attribute: 'description',
    user_mail_attribute: 'mail', user_pass_attribute: 'userPassword', user_enabled_attribute: 'enabled', user_enabled_invert: false, user_enabled_mask: 0, user_enabled_default: 'True',
    user_attribute_ignore: 'default_project_id', user_default_project_id_attribute: null, user_enabled_emulation: false, user_enabled_emulation_dn: null,
    user_enabled_emulation_use_group_config: false, user_additional_attribute_mapping: '',
    group_tree_dn: null, group_filter: null, group_objectclass: 'groupOfNames', group_id_attribute: 'cn', group_name_attribute: 'ou', group_member_attribute: 'member',
    group_members_are_ids: false, group_desc_attribute: 'description', group_attribute_ignore: '', group_additional_attribute_mapping: '', group_ad_nesting: false,
    tls_cacertfile: null, tls_cacertdir: null, use_tls: false, tls_req_cert: 'demand', connection_timeout: -1, use_pool: true, pool_size: 10, pool_retry_max: 3, pool_retry_delay: 0.1,
    pool_connection_timeout: -1, pool_connection_lifetime: 600, use_auth_pool: true, auth_pool_size: 100, auth_pool_connection_lifetime: 60,
  },
};
/** Kept, used by nobody here, and never shown. */
const SENSITIVE: Record<string, ReadonlySet<string>> = { ldap: new Set(['password']) };

const AnyValue = Type.Union([Type.String({ maxLength: 4096, format: 'text' }), Type.Number(), Type.Boolean(), Type.Null()]);
export const ConfigBody = Type.Object({ config: Type.Record(Type.String({ maxLength: 64 }), Type.Union([AnyValue, Type.Record(Type.String({ maxLength: 64 }), AnyValue)])) });
export type ConfigBody = Static<typeof ConfigBody>;

export interface ConfigOption { group: string; option: string; value: Value }

const isOption = (group: string, option: string): boolean =>
  Object.hasOwn(DEFAULTS, group) && (Object.hasOwn(DEFAULTS[group]!, option) || Boolean(SENSITIVE[group]?.has(option)));
export const isSensitive = ({ group, option }: Pick<ConfigOption, 'group' | 'option'>): boolean => Boolean(SENSITIVE[group]?.has(option));

/** 403 for a group or option that domains may not configure. */
export function checkName(group: string, option?: string): void {
  if (!Object.hasOwn(DEFAULTS, group)) throw forbidden(`Invalid domain specific configuration: Group ${group.slice(0, 64)} is not supported for domain specific configurations.`);
  if (option !== undefined && !isOption(group, option)) {
    throw forbidden(`Invalid domain specific configuration: Option ${option.slice(0, 64)} in group ${group} is not supported for domain specific configurations.`);
  }
}

/** The options of a body for the whole configuration, one group (`only.group`) or one option. */
export function readOptions({ config }: ConfigBody, only: { group?: string; option?: string } = {}): ConfigOption[] {
  const { group: onlyGroup, option: onlyOption } = only;
  // A single option stands without its group.
  const groups = onlyGroup !== undefined && onlyOption !== undefined ? { [onlyGroup]: config } : config;
  const found = Object.entries(groups).flatMap(([group, options]) => {
    checkName(group);
    if (onlyGroup !== undefined && group !== onlyGroup) throw forbidden(`Invalid domain specific configuration: The group specified in the configuration was ${group.slice(0, 64)} and not ${onlyGroup}.`);
    if (options === null || typeof options !== 'object') throw forbidden(`Invalid domain specific configuration: Group ${group} has no options.`);
    return Object.entries(options).map(([option, value]) => {
      checkName(group, option);
      if (onlyOption !== undefined && option !== onlyOption) throw forbidden(`Invalid domain specific configuration: The option specified in the configuration was ${option} and not ${onlyOption}.`);
      return { group, option, value: value as Value };
    });
  });
  if (found.length === 0) throw forbidden('Invalid domain specific configuration: No options specified.');
  return found;
}

/** `{config: ...}` of visible options, of all, one group, or one option; 404 when there is none. */
export function configView(options: ConfigOption[], domainId: string, only: { group?: string; option?: string } = {}): { config: Record<string, unknown> } {
  const { group, option } = only;
  const visible = options.filter((entry) => !isSensitive(entry) && (group === undefined || entry.group === group) && (option === undefined || entry.option === option));
  if (visible.length === 0) {
    const what = option !== undefined ? `option ${option} in group ${group} configuration` : group !== undefined ? `group ${group} configuration` : 'any configuration';
    throw notFound(`Could not find ${what} for domain ${domainId}.`);
  }
  if (option !== undefined) return { config: { [option]: visible[0]!.value } };
  const config: Record<string, Record<string, Value>> = {};
  for (const entry of visible) (config[entry.group] ??= {})[entry.option] = entry.value;
  return { config };
}
