import { Registry } from 'prom-client';
import { busMetrics } from './bus-metrics';

it('shows the counters as they are at each look', async () => {
  const registry = new Registry();
  const bus = { counters: { calls: 3, casts: 0, handled: 0, failed: 0, retried: 0, dead: 1, strayReplies: 0, reconnects: 0 }, connected: true };
  busMetrics(registry, bus);
  expect(await registry.metrics()).toMatch(/virga_bus_events_total\{event="calls"\} 3\n[^]*virga_bus_events_total\{event="dead"\} 1\n[^]*virga_bus_connected 1\n/);
  bus.counters.calls = 4;
  bus.connected = false;
  expect(await registry.metrics()).toMatch(/virga_bus_events_total\{event="calls"\} 4\n[^]*virga_bus_connected 0\n/);
});
