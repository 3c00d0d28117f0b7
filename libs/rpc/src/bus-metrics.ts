import { Counter, Gauge, type Registry } from 'prom-client';
import type { RabbitBus } from './rabbit-bus';

/** Shows on /metrics what a process has sent and handled, what it gave up, and whether it reaches the broker. */
export function busMetrics(registry: Registry, bus: Pick<RabbitBus, 'counters' | 'connected'>): void {
  const registers = [registry];
  const events = new Counter({
    name: 'virga_bus_events_total', help: 'Calls and casts sent, messages handled, failed, tried again and given up as dead letters, replies that nobody waited for, reconnections.', labelNames: ['event'], registers,
    collect() {
      events.reset();
      for (const [event, count] of Object.entries(bus.counters)) events.inc({ event }, count);
    },
  });
  const connected = new Gauge({ name: 'virga_bus_connected', help: '1 while the broker is reached.', registers, collect() { connected.set(bus.connected ? 1 : 0); } });
}
