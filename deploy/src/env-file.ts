/**
 * Renders variables as an environment file that both bash (`.`) and systemd (`EnvironmentFile=`) read alike: values in
 * single quotes. Throws on a name or value that one of them could not take.
 */
export function renderEnv(variables: Record<string, string>): string {
  return Object.entries(variables)
    .map(([name, value]) => {
      if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new Error(`not a name for an environment variable: ${name}`);
      if (/['\n\r\0\\]/.test(value)) throw new Error(`the value of ${name} holds a quote, a backslash or a line break`);
      return `${name}='${value}'\n`;
    })
    .join('');
}

/** Quotes a word for a shell. */
export const quote = (word: string): string => (/^[A-Za-z0-9_/.:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
