import { newToken, readToken, writeToken } from './join-token';

const fingerprint = 'f'.repeat(43);

it('is read as it was written, and no two are the same', () => {
  const token = newToken(fingerprint);
  expect(readToken(`${writeToken(token)}\n`)).toEqual(token);
  expect(newToken(fingerprint)).not.toEqual(token);
  expect(Buffer.from(token.secret, 'base64url')).toHaveLength(32);
});

const good = writeToken(newToken(fingerprint));
it.each(['', 'virga1', good.slice(1), `${good}x`, good.replace('virga1', 'virga2'), good.replace('.', '..'), `${good}.x`, good.replace(/\.f+$/, ''), `../${good}`])('takes %j for none', (text) => {
  expect(readToken(text)).toBeUndefined();
});
