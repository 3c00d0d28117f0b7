import { listing } from './document-tree';

const paths = ['openstack/latest/meta_data.json', 'openstack/latest/user_data', 'latest/meta-data/local-ipv4', 'latest/meta-data/public-keys/0/openssh-key', 'latest/user-data', '2009-04-04/meta-data/hostname'];

it.each([
  ['', ['2009-04-04', 'latest']],
  ['openstack', ['latest']],
  ['openstack/latest', ['meta_data.json', 'user_data']],
  ['latest', ['meta-data/', 'user-data']],
  ['latest/meta-data', ['local-ipv4', 'public-keys/']],
  ['nosuch', []],
  ['openstack/late', []],
])('lists %j', (directory, names) => {
  expect(listing(paths, directory)).toEqual(names);
});
