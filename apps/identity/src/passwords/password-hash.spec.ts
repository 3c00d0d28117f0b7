import { MAX_PASSWORD_LENGTH, PasswordHasher } from './password-hash';

describe('PasswordHasher', () => {
  const hasher = new PasswordHasher();

  test('a password fits its own hash only, and two hashes of it differ', async () => {
    const [one, two] = await Promise.all([hasher.hash('geheim'), hasher.hash('geheim')]);
    expect(one).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/);
    expect(one).not.toBe(two);
    expect(await hasher.verify('geheim', one)).toBe(true);
    expect(await hasher.verify('geheim ', one)).toBe(false);
    expect(await hasher.verify('', one)).toBe(false);
  });

  test('the parameters are those of the stored hash', async () => {
    const small = '$scrypt$ln=4,r=1,p=1$c2FsdA$';
    const { scryptSync } = await import('node:crypto');
    const stored = small + scryptSync('old', Buffer.from('salt'), 32, { N: 16, r: 1, p: 1 }).toString('base64url');
    expect(await hasher.verify('old', stored)).toBe(true);
    expect(await hasher.verify('new', stored)).toBe(false);
  });

  test('composed and decomposed letters are one password', async () => {
    expect(await hasher.verify('p\u0061\u0308ss', await hasher.hash('p\u00e4ss'))).toBe(true);
  });

  test('without a hash, or with a broken one, nothing fits', async () => {
    for (const stored of [undefined, null, '', '$scrypt$ln=15,r=8,p=1$$', 'plain']) expect(await hasher.verify('plain', stored)).toBe(false);
  });

  test('a password over the limit is refused before any work', async () => {
    const long = 'x'.repeat(MAX_PASSWORD_LENGTH + 1);
    await expect(hasher.hash(long)).rejects.toMatchObject({ status: 400 });
    await expect(hasher.verify(long, null)).rejects.toMatchObject({ status: 400 });
  });

  test('a flood is turned away with 503, and those who wait are served', async () => {
    const flooded = new PasswordHasher();
    const stored = '$scrypt$ln=4,r=1,p=1$c2FsdA$AAAA';
    const results = await Promise.allSettled(Array.from({ length: 210 }, () => flooded.verify('x', stored)));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(8);
    expect(refused[0]).toMatchObject({ reason: { status: 503, headers: { 'Retry-After': '2' } } });
    expect(await flooded.verify('x', stored)).toBe(false);
  });
});
