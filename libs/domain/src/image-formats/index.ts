export * from './detect-format';
export * from './inspect-image';
export * from './qcow2';
