/** The QEMU driver's own program, 0x20008087 version 1. */
import { call } from './codec';
import { domain, flags, int, nullable, string } from './structs';

const dom = domain;

export const qemuCalls = {
  /** `command` is QMP JSON (or HMP text with flag 1). Marks the domain as tainted: for diagnosis, not for routine. */
  qemuMonitorCommand: call(1, { dom, command: string, flags }, { result: string }),
  /** `timeout` in seconds; -2 blocks, -1 is the default, 0 does not wait. */
  qemuAgentCommand: call(3, { dom, command: string, timeout: int, flags }, { result: nullable(string) }),
};
