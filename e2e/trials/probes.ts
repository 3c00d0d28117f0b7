import { spawn, type ChildProcess } from 'node:child_process';
import { createConnection, type Socket } from 'node:net';

/** Pings ten times a second; knows the longest time without an answer. */
export class Ping {
  replies = 0;
  /** Longest time between two answers since it was last asked for, s. */
  private longest = 0;
  private lastAt: number | undefined;
  private readonly child: ChildProcess;

  constructor(host: string, everyS = 0.1) {
    this.child = spawn('ping', ['-n', '-i', String(everyS), host], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.child.stdout!.on('data', (data: Buffer) => {
      const answers = data.toString().split('bytes from').length - 1;
      if (answers === 0) return;
      const now = performance.now();
      if (this.lastAt !== undefined) this.longest = Math.max(this.longest, (now - this.lastAt) / 1000);
      this.lastAt = now;
      this.replies += answers;
    });
  }

  takeLongest(): number {
    const gap = this.longest;
    this.longest = 0;
    return gap;
  }

  stop(): void { this.child.kill('SIGINT'); }
}

/** One TCP connection to the guest's echo server on which numbers go to and fro, in order, for as long as it lives. */
export class Echo {
  echoed = 0;
  broken: string | undefined;
  private waiting = '';
  private readonly socket: Socket;

  constructor(host: string) {
    this.socket = createConnection({ host, port: 7 });
    this.socket.setEncoding('latin1');
    this.socket.on('error', (error) => { this.broken ??= error.message; });
    this.socket.on('close', () => { this.broken ??= 'closed'; });
    this.socket.on('connect', () => this.say());
    this.socket.on('data', (text: string) => {
      this.waiting += text;
      if (!this.waiting.endsWith('\n')) return;
      if (this.waiting !== `${this.echoed}\n`) this.broken ??= `got ${JSON.stringify(this.waiting)} for ${this.echoed}`;
      this.waiting = '';
      this.echoed++;
      setTimeout(() => this.say(), 20);
    });
  }

  private say(): void { if (this.broken === undefined) this.socket.write(`${this.echoed}\n`); }
  stop(): void { this.broken ??= 'ended'; this.socket.destroy(); }
}

const BOOT_ID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/;

/** The guest's boot id as its own web server tells it; another one means that it was booted again. */
export async function bootIdOf(host: string): Promise<string | undefined> {
  return BOOT_ID.exec(await (await fetch(`http://${host}/`, { signal: AbortSignal.timeout(5000) })).text())?.[0];
}
