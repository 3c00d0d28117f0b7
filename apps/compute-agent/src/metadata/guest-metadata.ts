import { errorMessage, unavailable, type Logger } from '@virga/core';
import type { InstanceStore } from '../instances/instance-store';
import { decode } from '../instances/guest-parts';
import type { MetadataSource } from './metadata-server';

const FRESH_MS = 10_000;

/**
 * Metadata of this host's guests: asked of the control plane, so that changes show, kept for a few seconds, and when
 * the control plane is away, as it was when it was last fetched.
 */
export class GuestMetadata implements MetadataSource {
  private readonly cache = new Map<string, { at: number; documents: Record<string, Buffer> }>();

  constructor(private readonly store: InstanceStore, private readonly fetchDocuments: (instanceId: string) => Promise<Record<string, string>>, private readonly logger: Logger) {}

  async instanceAt(networkId: string, address: string): Promise<string | undefined> {
    for (const instanceId of await this.store.list()) {
      const spec = await this.store.spec(instanceId).catch(() => undefined);
      const here = spec?.ports.some((port) => port.networkId === networkId && port.fixedIps.some(({ ipAddress }) => ipAddress === address));
      if (here) return instanceId;
    }
    return undefined;
  }

  async documents(instanceId: string): Promise<Record<string, Buffer>> {
    const cached = this.cache.get(instanceId);
    if (cached && Date.now() - cached.at < FRESH_MS) return cached.documents;
    const documents = decode(await this.current(instanceId));
    this.cache.set(instanceId, { at: Date.now(), documents });
    if (this.cache.size > 500) this.cache.delete(this.cache.keys().next().value!);
    return documents;
  }

  private async current(instanceId: string): Promise<Record<string, string>> {
    try {
      const documents = await this.fetchDocuments(instanceId);
      await this.store.saveDocuments(instanceId, documents);
      return documents;
    } catch (error) {
      const kept = await this.store.documents(instanceId);
      this.logger.warn({ instanceId, reason: errorMessage(error), kept: kept !== undefined }, 'metadata not fetched');
      if (!kept) throw unavailable('The metadata is not at hand.');
      return kept;
    }
  }
}
