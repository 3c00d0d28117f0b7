import { statfs } from 'node:fs/promises';
import { loadavg, totalmem, freemem } from 'node:os';
import { errorMessage, systemClock, type Logger } from '@virga/core';
import type { agentGatewayContract } from '@virga/contracts';
import type { Client } from '@virga/rpc';
import type { AgentConfig } from '../config';
import { GIB } from '../disks/instance-disks';
import type { VirtDriver } from '../virt/virt-driver';

type Gateway = Client<typeof agentGatewayContract>;

const FIRST_INTERVAL_MS = 3000;
const RETRY_MS = 1000;

/** Tells the control plane every few seconds that this host lives, what it has, and what really runs on it. */
export class Heartbeat {
  private readonly stopping = new AbortController();
  private pause = new AbortController();
  private running: Promise<void> | undefined;
  private intervalMs = FIRST_INTERVAL_MS;
  /** Milliseconds since the epoch of the last heartbeat that was answered. */
  lastAnswered = 0;

  constructor(private readonly config: AgentConfig, private readonly driver: VirtDriver, private readonly gateway: Gateway, private readonly nextSequence: () => number, private readonly logger: Logger) {}

  start(): void {
    this.running = this.loop();
  }

  /** Sends the next one at once, e.g. after events may have been missed. */
  hurry(): void {
    this.pause.abort(new Error('hurry'));
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    this.hurry();
    await this.running;
  }

  private async loop(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      let wait = this.intervalMs;
      try {
        const { intervalMs } = await this.gateway.heartbeat(await this.report());
        this.intervalMs = wait = intervalMs;
        this.lastAnswered = Date.now();
      } catch (error) {
        this.logger.warn({ reason: errorMessage(error) }, 'heartbeat was not taken');
        wait = RETRY_MS;
      }
      this.pause = new AbortController();
      if (this.stopping.signal.aborted) return;
      await systemClock.sleep(wait, this.pause.signal).catch(() => undefined);
    }
  }

  private async report(): Promise<Parameters<Gateway['heartbeat']>[0]> {
    const { config, driver } = this;
    const [facts, instances, disk] = await Promise.all([driver.facts(), driver.list(), statfs(config.VIRGA_AGENT_STATE_DIR)]);
    const diskTotal = Math.floor((disk.blocks * disk.bsize) / GIB);
    const diskFree = Math.floor((disk.bavail * disk.bsize) / GIB);
    const memoryMb = config.VIRGA_AGENT_MEMORY_MB || facts.memoryMb;
    const diskGb = config.VIRGA_AGENT_DISK_GB || diskTotal;
    return {
      facts: {
        hostId: config.VIRGA_AGENT_HOST_ID, hostname: config.VIRGA_AGENT_HOSTNAME, hostIp: config.VIRGA_AGENT_HOST_IP,
        hypervisorType: facts.hypervisorType, hypervisorVersion: facts.hypervisorVersion, cpuInfo: facts.cpuInfo,
        totals: { vcpus: config.VIRGA_AGENT_VCPUS || facts.vcpus, memoryMb, diskGb },
        traits: [], simulated: false,
      },
      usage: {
        memoryMbUsed: Math.min(memoryMb, Math.round((totalmem() - freemem()) / 1024 ** 2)),
        diskGbUsed: Math.max(0, Math.min(diskGb, diskTotal - diskFree)),
        runningInstances: instances.filter(({ powerState }) => powerState === 1).length,
        load: loadavg().map((load) => load.toFixed(2)).join(', '),
      },
      instances,
      sequence: this.nextSequence(),
    };
  }
}
