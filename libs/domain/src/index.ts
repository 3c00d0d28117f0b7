export * from './image-formats';
export * from './ipam';
export * from './servers';
export * from './quotas';
export * from './security-groups';
export * from './migration';
export * from './placement';
