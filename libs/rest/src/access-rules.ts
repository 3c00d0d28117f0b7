const ESCAPED = /[.*+?^${}()|[\]\\]/g;
const PARTS = /\{[^}]*\}|\*\*|\*|[^{*]+|\{/g;

/** The pattern of an access rule as keystone reads it: `*` and `{name}` are one segment, `**` is anything. */
function pathPattern(path: string): RegExp {
  const parts = path.match(PARTS) ?? [];
  return new RegExp(`^${parts.map((part) => (part === '**' ? '.*' : part === '*' || /^\{[^}]*\}$/.test(part) ? '[^/]+' : part.replace(ESCAPED, '\\$&'))).join('')}$`);
}

/** Whether one of the rules of a token covers the request; `path` is without its query. */
export function isAllowed(rules: readonly { service: string; method: string; path: string }[], service: string, method: string, path: string): boolean {
  return rules.some((rule) => rule.service === service && rule.method === method && pathPattern(rule.path).test(path));
}
