import { readCms, readCmsToken } from './cms-token';

it('refuses what is no message', () => {
  for (const token of ['', 'MII', 'MIIB', 'MIIBAAAAAAAAAAAAAAAA', `MII${'A'.repeat(7000)}`, 'MIIŽŽŽŽ']) expect(readCmsToken(token)).toBeUndefined();
});

it('refuses lengths that lead out of the message or are told in more bytes than any token has', () => {
  for (const hex of ['30', '3005', '30820100', '3080', '3084ffffffff', '308400000001', '30020500', '300b06092a864886f70d010702']) expect(readCms(Buffer.from(hex, 'hex'))).toBeUndefined();
});
