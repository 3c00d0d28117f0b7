import { DETECTION_BYTES, detectFormat } from './detect-format';
import { ImageRefused, inspectQcow2, type ByteSource } from './qcow2';

export interface ImageInspection { virtualSizeBytes: number | null }

/** Formats whose content is taken as a plain run of bytes: nothing in it is interpreted by us or by QEMU. */
const PLAIN = new Set(['raw', 'ami', 'aki', 'ari']);

/**
 * Holds the content against the declared format. Throws ImageRefused when it is another one, cut short, or reaches
 * outside itself. Formats that QEMU would have to convert by trusting their tables (vmdk, vdi, vhd...) pass only the
 * signature test here; hosts refuse to boot them. `admitPlain`: bytes without any signature may be called anything, as in
 * glance; whoever opens them as what they are called finds that they are not, and hosts do not ask for it.
 */
export async function inspectImage(source: ByteSource, declared: string, limits: { maxVirtualBytes: number; admitPlain?: boolean }): Promise<ImageInspection> {
  const head = await source.read(0, DETECTION_BYTES);
  const tail = await source.read(Math.max(0, source.size - 512), 512);
  const found = detectFormat(head, tail);
  if (PLAIN.has(declared)) {
    if (found !== 'raw') throw new ImageRefused(`The content is ${found}, and not ${declared} as declared.`);
    return { virtualSizeBytes: source.size };
  }
  if (found === 'raw' && limits.admitPlain) return { virtualSizeBytes: null };
  if (found !== declared) throw new ImageRefused(`The content is ${found}, and not ${declared} as declared.`);
  if (declared === 'qcow2') return inspectQcow2(source, limits);
  return { virtualSizeBytes: declared === 'iso' ? source.size : null };
}
