/**
 * A bounded reader of qcow2's tables (QEMU's docs/interop/qcow2). It decides whether an uploaded qcow2 may be opened
 * at all: nothing outside the file may be named, and everything that the tables name must be in the file.
 */
export interface ByteSource {
  size: number;
  /** Up to `length` bytes at `offset`; fewer at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>;
}

export interface Qcow2Facts { virtualSizeBytes: number }
export interface Qcow2Limits {
  maxVirtualBytes: number;
  /** A backing file may be named; for whoever puts another in its place before anybody opens the image. */
  admitBacking?: boolean;
}

export class ImageRefused extends Error {}

const HEADER_V2 = 72;
const HEADER_V3 = 104;
const FEATURE_DIRTY = 1n << 0n;
const FEATURE_CORRUPT = 1n << 1n;
const FEATURE_EXTERNAL_DATA = 1n << 2n;
const FEATURE_COMPRESSION = 1n << 3n;
const FEATURE_EXTENDED_L2 = 1n << 4n;
const KNOWN_FEATURES = FEATURE_DIRTY | FEATURE_COMPRESSION | FEATURE_EXTENDED_L2;
const EXTENSION_END = 0;
const EXTENSION_DATA_FILE_NAME = 0x44415441;
const EXTENSION_BACKING_FORMAT = 0xe2792aca;
const OFFSET_MASK = 0x00fffffffffffe00n;
const COMPRESSED = 1n << 62n;
/** QEMU's own bound for the L1 table. */
const MAX_L1_BYTES = 32 * 1024 * 1024;

/** Throws ImageRefused with a sentence; returns what is worth knowing of an image that may be used. */
export async function inspectQcow2(source: ByteSource, limits: Qcow2Limits): Promise<Qcow2Facts> {
  const header = await source.read(0, HEADER_V3);
  if (header.length < HEADER_V2) throw new ImageRefused('The qcow2 header is cut short.');
  const version = header.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw new ImageRefused(`qcow2 version ${version} is not known.`);
  if (version === 3 && header.length < HEADER_V3) throw new ImageRefused('The qcow2 header is cut short.');
  if (!limits.admitBacking && (header.readBigUInt64BE(8) !== 0n || header.readUInt32BE(16) !== 0)) throw new ImageRefused('The qcow2 image names a backing file.');
  const features = version === 3 ? header.readBigUInt64BE(72) : 0n;
  if (features & FEATURE_EXTERNAL_DATA) throw new ImageRefused('The qcow2 image keeps its data in another file.');
  if (features & FEATURE_CORRUPT) throw new ImageRefused('The qcow2 image is marked corrupt.');
  if (features & ~(KNOWN_FEATURES)) throw new ImageRefused('The qcow2 image needs features that are not known.');
  if (header.readUInt32BE(32) !== 0) throw new ImageRefused('The qcow2 image is encrypted in a way that is not supported.');
  const clusterBits = header.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) throw new ImageRefused('The qcow2 cluster size is out of range.');
  const virtualSize = header.readBigUInt64BE(24);
  if (virtualSize > BigInt(limits.maxVirtualBytes)) throw new ImageRefused(`The virtual size of the image (${virtualSize} bytes) is over the limit (${limits.maxVirtualBytes} bytes).`);
  await refuseExtensions(source, version === 3 ? header.readUInt32BE(100) : HEADER_V2, 1 << clusterBits, limits.admitBacking ?? false);
  await checkClusters(source, header, clusterBits, (features & FEATURE_EXTENDED_L2) !== 0n);
  return { virtualSizeBytes: Number(virtualSize) };
}

async function refuseExtensions(source: ByteSource, start: number, clusterSize: number, admitBacking: boolean): Promise<void> {
  if (start < HEADER_V2 || start > clusterSize) throw new ImageRefused('The qcow2 header length is out of range.');
  const area = await source.read(start, clusterSize - start);
  for (let at = 0; at + 8 <= area.length;) {
    const type = area.readUInt32BE(at);
    if (type === EXTENSION_END) return;
    if (type === EXTENSION_DATA_FILE_NAME) throw new ImageRefused('The qcow2 image keeps its data in another file.');
    if (type === EXTENSION_BACKING_FORMAT && !admitBacking) throw new ImageRefused('The qcow2 image names a backing file.');
    at += 8 + Math.ceil(area.readUInt32BE(at + 4) / 8) * 8;
  }
}

/** Every table and every cluster must lie inside the file: a cut-off upload or a forged table does not. */
async function checkClusters(source: ByteSource, header: Buffer, clusterBits: number, extendedL2: boolean): Promise<void> {
  const l1Entries = header.readUInt32BE(36);
  const l1Offset = header.readBigUInt64BE(40);
  if (l1Entries * 8 > MAX_L1_BYTES) throw new ImageRefused('The qcow2 tables are larger than allowed.');
  const clusterSize = 1 << clusterBits;
  const bytesPerL2Entry = extendedL2 ? 16 : 8;
  const guestBytesPerL1 = BigInt(clusterSize) * BigInt(clusterSize / bytesPerL2Entry);
  if (BigInt(l1Entries) * guestBytesPerL1 < header.readBigUInt64BE(24)) throw new ImageRefused('The qcow2 tables do not cover the disk.');
  requireInside(source, l1Offset, l1Entries * 8);
  const l1 = await source.read(Number(l1Offset), l1Entries * 8);
  for (let entry = 0; entry < l1Entries; entry++) {
    const l2Offset = l1.readBigUInt64BE(entry * 8) & OFFSET_MASK;
    if (l2Offset === 0n) continue;
    requireInside(source, l2Offset, clusterSize);
    const l2 = await source.read(Number(l2Offset), clusterSize);
    for (let at = 0; at + 8 <= l2.length; at += bytesPerL2Entry) requireClusterInside(source, l2.readBigUInt64BE(at), clusterBits);
  }
}

function requireClusterInside(source: ByteSource, descriptor: bigint, clusterBits: number): void {
  if (descriptor & COMPRESSED) {
    const offsetBits = BigInt(62 - (clusterBits - 8));
    requireInside(source, descriptor & ((1n << offsetBits) - 1n), 1);
    return;
  }
  const offset = descriptor & OFFSET_MASK;
  // The last cluster of a file may be shorter than a cluster on disk; its first byte must be there.
  if (offset !== 0n) requireInside(source, offset, 1);
}

function requireInside(source: ByteSource, offset: bigint, length: number): void {
  if (offset + BigInt(length) > BigInt(source.size)) throw new ImageRefused('The qcow2 image is cut short: its tables name data beyond its end.');
}
