/**
 * What a disk image really is, from its bytes alone. Whoever uploaded it is not believed: a `raw` disk whose first
 * bytes are a qcow2 header would be opened as qcow2 by a tool that guesses, and its backing file read from the host.
 */
export type DetectedFormat = 'qcow2' | 'qed' | 'vmdk' | 'vdi' | 'vhd' | 'vhdx' | 'iso' | 'luks' | 'ploop' | 'raw';

/** Bytes from the start that `detectFormat` wants to see; a shorter image is given whole. */
export const DETECTION_BYTES = 0x9000;

const ascii = (text: string) => Buffer.from(text, 'latin1');
const SIGNATURES: readonly { format: DetectedFormat; offset: number; bytes: Buffer }[] = [
  { format: 'qcow2', offset: 0, bytes: ascii('QFI\xfb') },
  { format: 'qed', offset: 0, bytes: ascii('QED\0') },
  { format: 'vmdk', offset: 0, bytes: ascii('KDMV') },
  { format: 'vmdk', offset: 0, bytes: ascii('COWD') },
  { format: 'vmdk', offset: 0, bytes: ascii('# Disk DescriptorFile') },
  { format: 'vhd', offset: 0, bytes: ascii('conectix') },
  { format: 'vhdx', offset: 0, bytes: ascii('vhdxfile') },
  { format: 'vdi', offset: 0x40, bytes: Buffer.from([0x7f, 0x10, 0xda, 0xbe]) },
  { format: 'luks', offset: 0, bytes: ascii('LUKS\xba\xbe') },
  { format: 'ploop', offset: 0, bytes: ascii('WithoutFreeSpace') },
  { format: 'ploop', offset: 0, bytes: ascii('WithouFreSpacExt') },
  { format: 'iso', offset: 0x8001, bytes: ascii('CD001') },
];

/** `tail`: the last 512 bytes, where a fixed VHD has its only mark. */
export function detectFormat(head: Buffer, tail: Buffer): DetectedFormat {
  for (const { format, offset, bytes } of SIGNATURES) {
    if (head.length >= offset + bytes.length && head.subarray(offset, offset + bytes.length).equals(bytes)) return format;
  }
  return tail.subarray(0, 8).equals(ascii('conectix')) ? 'vhd' : 'raw';
}
