import { mergeDhcpOptions, ovnDhcpOptions } from './dhcp-options';

describe('extra DHCP options', () => {
  const boot = { opt_name: 'bootfile-name', opt_value: 'pxelinux.0', ip_version: 4 as const };

  it('are added, replaced and taken away one by one', () => {
    const first = mergeDhcpOptions([], [{ opt_name: 'bootfile-name', opt_value: 'pxelinux.0' }, { opt_name: 'tftp-server', opt_value: '192.0.2.1' }]);
    expect(first).toEqual([boot, { opt_name: 'tftp-server', opt_value: '192.0.2.1', ip_version: 4 }]);
    expect(mergeDhcpOptions(first, [{ opt_name: 'tftp-server', opt_value: null }, { opt_name: 'bootfile-name', opt_value: 'x' }])).toEqual([{ ...boot, opt_value: 'x' }]);
    expect(mergeDhcpOptions(first, [])).toEqual(first);
  });

  it('are written as OVN reads them', () => {
    expect(ovnDhcpOptions(mergeDhcpOptions([], [
      { opt_name: '67', opt_value: 'pxelinux.0' }, { opt_name: 'tftp-server', opt_value: 'boot.example' }, { opt_name: 'server-ip-address', opt_value: '192.0.2.9' },
      { opt_name: 'ntp-server', opt_value: '192.0.2.1,192.0.2.2' }, { opt_name: 'mtu', opt_value: '1400' }, { opt_name: 'dns-server', opt_value: 'fd00::1', ip_version: 6 },
    ]), 4)).toEqual({ bootfile_name: '"pxelinux.0"', tftp_server: '"boot.example"', tftp_server_address: '192.0.2.9', ntp_server: '{192.0.2.1, 192.0.2.2}', mtu: '1400' });
  });

  it('keep an address of the other IP version without sending it', () => {
    const options = mergeDhcpOptions([], [{ opt_name: 'server-ip-address', opt_value: '2015::badd' }]);
    expect(options).toEqual([{ opt_name: 'server-ip-address', opt_value: '2015::badd', ip_version: 4 }]);
    expect(ovnDhcpOptions(options, 4)).toEqual({});
    expect(ovnDhcpOptions(options, 6)).toEqual({});
  });

  it.each([
    ['bootfile-name', 'x"); drop; ("'], ['bootfile-name', 'a\nrouter=1.1.1.1'], ['bootfile-name', 'a\\'], ['bootfile-name', ''], ['router', '1.1.1.1}, x = {1'], ['mtu', '1e9'],
['nosuch', '1'], ['__proto__', '1'], ['server-ip-address', 'host'],
  ])('refuse %s = %p', (opt_name, opt_value) => expect(() => mergeDhcpOptions([], [{ opt_name, opt_value }])).toThrow('Invalid input for extra_dhcp_opts'));
});
