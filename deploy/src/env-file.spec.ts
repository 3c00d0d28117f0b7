import { execFileSync } from 'node:child_process';
import { quote, renderEnv } from './env-file';

const viaBash = (script: string): string => execFileSync('/bin/bash', ['-seu'], { input: script, encoding: 'utf8' });

describe('renderEnv', () => {
  it('comes back through a shell as it went in', () => {
    const value = 'mysql://u:p@localhost/db?socketPath=/a b/$HOME/`x`"#;&';
    expect(viaBash(`set -a\n${renderEnv({ VIRGA_DB_URL: value })}\nprintf %s "$VIRGA_DB_URL"`)).toBe(value);
  });

  it('refuses what one of its readers could not take, without repeating the value', () => {
    for (const value of ["it's", 'two\nlines', 'back\\slash']) {
      expect(() => renderEnv({ VIRGA_X: value })).toThrow('the value of VIRGA_X');
      expect(() => renderEnv({ VIRGA_X: value })).not.toThrow(value);
    }
    expect(() => renderEnv({ 'BAD NAME': 'x' })).toThrow('not a name');
  });
});

describe('quote', () => {
  it.each(['plain', '/a/b.c', 'two words', "it's", '$(touch /x)', '"', ''])('makes one word of %j', (word) => {
    expect(viaBash(`printf %s ${quote(word)}`)).toBe(word);
  });
});
