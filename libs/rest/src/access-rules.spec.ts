import { isAllowed } from './access-rules';

const rule = (path: string, method = 'GET', service = 'compute') => [{ path, method, service }];

describe('access rules', () => {
  it.each([
    ['/v2.1/servers', '/v2.1/servers', true], ['/v2.1/servers', '/v2.1/servers/1', false], ['/v2.1/servers', '/v2x1/servers', false],
    ['/v2.1/servers/*/ips', '/v2.1/servers/1/ips', true], ['/v2.1/servers/*/ips', '/v2.1/servers/1/2/ips', false], ['/v2.1/servers/*/ips', '/v2.1/servers//ips', false],
    ['/v2.1/servers/{server_id}', '/v2.1/servers/1', true], ['/v2.1/servers/{server_id}', '/v2.1/servers/1/action', false],
    ['/v2.1/**', '/v2.1/servers/1/action', true], ['**', '/anything/at/all', true], ['/v2.1/(a+)+', '/v2.1/aaaa', false], ['/a{', '/a{', true],
  ])('%s on %s: %s', (pattern, path, allowed) => {
    expect(isAllowed(rule(pattern), 'compute', 'GET', path)).toBe(allowed);
  });

  it('hold for their method and service only; none allows nothing', () => {
    expect(isAllowed(rule('**'), 'compute', 'DELETE', '/x')).toBe(false);
    expect(isAllowed(rule('**'), 'network', 'GET', '/x')).toBe(false);
    expect(isAllowed([], 'compute', 'GET', '/x')).toBe(false);
  });
});
