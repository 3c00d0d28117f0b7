import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the agent shows on /metrics. */
export class AgentMetrics {
  private readonly commands: Counter<'verb' | 'result'>;
  private readonly seconds: Histogram<'verb'>;

  constructor(registry: Registry, read: { heartbeatAt(): number; unfinished(): number; undelivered(): number }) {
    const registers = [registry];
    this.commands = new Counter({ name: 'virga_agent_commands_total', help: 'Commands that were carried out, by how they ended.', labelNames: ['verb', 'result'], registers });
    this.seconds = new Histogram({
      name: 'virga_agent_command_seconds', help: 'Time that a command took on the host.', labelNames: ['verb'], buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300], registers,
    });
    const gauge = (name: string, help: string, value: () => number) => new Gauge({ name, help, registers, collect() { this.set(value()); } });
    const startedAt = Date.now();
    gauge('virga_agent_heartbeat_age_seconds', 'Since the control plane last answered a heartbeat, or since the start.', () => (Date.now() - Math.max(startedAt, read.heartbeatAt())) / 1000);
    gauge('virga_agent_commands_in_flight', 'Commands in the journal that have not ended.', read.unfinished);
    gauge('virga_agent_reports_undelivered', 'Reports that the control plane has not taken yet.', read.undelivered);
  }

  commandEnded(verb: string, ok: boolean, seconds: number): void {
    this.commands.inc({ verb, result: ok ? 'done' : 'failed' });
    this.seconds.observe({ verb }, seconds);
  }
}
