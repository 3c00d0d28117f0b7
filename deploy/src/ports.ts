const NAMES = ['identity', 'compute', 'network', 'image', 'image-data', 'console', 'amqp', 'amqp-tls', 'epmd', 'amqp-dist', 'ovn-sb', 'enrolment', 'agent-tls', 'libvirt-tls'] as const;
export type PortName = (typeof NAMES)[number];
export type PortPlan = Record<PortName, number>;

/** First of the ports that the kernel hands to clients; a listener above may find its port taken. */
export const EPHEMERAL_START = 32_768;

/** Ports that browsers and `fetch` refuse to speak HTTP to. */
const REFUSED_BY_CLIENTS = new Set([4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10_080]);

/** The ports of a cloud from the text of deploy/ports.txt. Throws when one is missing, doubled or too high. */
export function planPorts(table: string, offset: number): PortPlan {
  const rows = table.split('\n').map((line) => line.replace(/#.*/, '').trim()).filter(Boolean).map((line) => line.split(/\s+/));
  const plan = Object.fromEntries(rows.map(([name, port]) => [name, Number(port) + offset])) as PortPlan;
  const numbers = NAMES.map((name) => plan[name]);
  for (const [index, name] of NAMES.entries()) {
    const port = numbers[index]!;
    if (!Number.isInteger(port)) throw new Error(`deploy/ports.txt has no port for ${name}`);
    if (REFUSED_BY_CLIENTS.has(port)) throw new Error(`port ${port} (${name}) is one that browsers and other HTTP clients refuse; choose another --port-offset`);
    if (port >= EPHEMERAL_START) throw new Error(`port ${port} (${name}) would be above ${EPHEMERAL_START - 1}; choose a smaller --port-offset`);
  }
  if (new Set(numbers).size !== numbers.length) throw new Error('two entries of deploy/ports.txt have the same port');
  return plan;
}
