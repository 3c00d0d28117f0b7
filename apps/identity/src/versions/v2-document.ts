/** Keystone's v2.0, of which older tools read the token and tenant calls. */
export const v2Document = (base: string) => ({
  id: 'v2.0',
  status: 'deprecated',
  updated: '2016-08-04T00:00:00Z',
  links: [{ rel: 'self', href: `${base}/v2.0/` }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v2.0+json' }],
});
