import { readBootstrapDocument } from './bootstrap-document';

const good = { admin: { password: 'top secret' }, region: 'R', services: [], serviceUsers: [] };

describe('readBootstrapDocument', () => {
  test('takes what is right', () => {
    expect(readBootstrapDocument(JSON.stringify(good))).toEqual(good);
  });

  test.each([
    ['no JSON', '{"admin"', /not JSON/],
    ['no admin', JSON.stringify({ ...good, admin: undefined }), /wrong at (admin|its root)/],
    ['empty password', JSON.stringify({ ...good, admin: { password: '' } }), /wrong at admin\.password/],
    ['unknown key', JSON.stringify({ ...good, serviceUsers: [{ name: 'n', password: 'top secret', role: 'admin' }] }), /wrong at serviceUsers/],
    ['wrong interface', JSON.stringify({ ...good, services: [{ type: 't', name: 'n', endpoints: { secret: 'http://x' } }] }), /wrong at services/],
  ])('refuses %s with a sentence that holds no secret', (_, json, sentence) => {
    expect(() => readBootstrapDocument(json)).toThrow(sentence);
    try { readBootstrapDocument(json); } catch (error) { expect((error as Error).message).not.toContain('secret"'); }
  });
});
