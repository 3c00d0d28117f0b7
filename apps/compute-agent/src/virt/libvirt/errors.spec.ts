import { conflict } from '@virga/core';
import { ErrorCode, LibvirtConnectionError, LibvirtError, LibvirtProtocolError, LibvirtTimeoutError } from '@virga/libvirt';
import { toCloudError } from './errors';

const refused = (code: number, int1 = 0) => new LibvirtError({ code, int1, message: 'secret path /var/lib/x' }, 'domainCreateWithFlags');

describe('toCloudError', () => {
  it.each([
    ['a lost connection', new LibvirtConnectionError('gone', true), 'unavailable', true],
    ['a missing daemon', new LibvirtConnectionError('refused', false), 'unavailable', true],
    ['no answer in time', new LibvirtTimeoutError('domainCreateWithFlags', 5, true), 'timeout', true],
    ['a busy domain', refused(ErrorCode.OPERATION_TIMEOUT), 'unavailable', true],
    ['a QEMU that does not die', refused(ErrorCode.SYSTEM_ERROR, 16), 'unavailable', true],
    ['another system error', refused(ErrorCode.SYSTEM_ERROR, 2), 'internal', false],
    ['XML that is no domain', refused(ErrorCode.XML_DETAIL), 'internal', false],
    ['a device that does not exist', refused(ErrorCode.CONFIG_UNSUPPORTED), 'internal', false],
    ['a CPU that the host lacks', refused(ErrorCode.CPU_INCOMPATIBLE), 'internal', false],
    ['a QEMU that ends at once', refused(ErrorCode.INTERNAL_ERROR), 'internal', false],
    ['no domain', refused(ErrorCode.NO_DOMAIN), 'notFound', false],
    ['the wrong state', refused(ErrorCode.OPERATION_INVALID), 'conflict', false],
    ['nonsense on the wire', new LibvirtProtocolError('x'), 'internal', false],
    ['anything else', 'thrown', 'internal', false],
  ])('%s', (_, error, kind, retryable) => {
    expect(toCloudError(error, 'start instance x')).toMatchObject({ kind, retryable, cause: error });
  });

  it('keeps what libvirt said from the message', () => {
    const error = toCloudError(refused(ErrorCode.INTERNAL_ERROR), 'start instance x');
    expect(error.message).toBe('The hypervisor could not start instance x (libvirt error 1).');
    expect(error.details).toEqual({ reason: 'secret path /var/lib/x', libvirtCode: 1 });
  });

  it('passes on an error of the cloud', () => {
    const error = conflict('no');
    expect(toCloudError(error, 'x')).toBe(error);
  });
});
