import { parseOptions, UsageError } from './options';

describe('parseOptions', () => {
  it('reads options with their values, in both spellings, and words', () => {
    expect(parseOptions(['logs', '-f', 'identity', '--state=/x'])).toMatchObject({ verb: 'logs', follow: true, words: ['identity'] });
    expect(parseOptions(['up', '--hosts', '3', '--name=vgx', '--port-offset', '200', '--external-cidr', '10.1.2.0/24']))
      .toMatchObject({ hosts: 3, name: 'vgx', portOffset: 200, externalCidr: '10.1.2.0/24' });
  });

  it('leaves out what was not said, so that an earlier choice holds', () => {
    const options = parseOptions(['up']);
    for (const key of ['hosts', 'name', 'portOffset', 'managementCidr', 'virtType']) expect(options).not.toHaveProperty(key);
  });

  it.each([
    [['up', '--hosts', '0'], '--hosts must be a whole number'],
    [['up', '--hosts', '1.5'], '--hosts must be a whole number'],
    [['up', '--hosts'], '--hosts needs a value'],
    [['up', '--name', 'much-too-long'], '--name must be 1 to 6'],
    [['up', '--name', '../x'], '--name must be 1 to 6'],
    [['up', '--port-offset', '150'], 'multiple of 100'],
    [['up', '--management-cidr', '10.0.0.0/8'], 'must be written like'],
    [['up', '--management-cidr', '10.300.0.0/24'], 'must be written like'],
    [['up', '--virt-type', 'xen'], 'kvm or qemu'],
    [['up', '--nonsense'], 'unknown option'],
    [['up', '--constructor'], 'unknown option'],
  ])('refuses %j', (argv, sentence) => {
    expect(() => parseOptions(argv)).toThrow(UsageError);
    expect(() => parseOptions(argv)).toThrow(sentence);
  });
});
