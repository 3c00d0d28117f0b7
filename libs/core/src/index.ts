export * from './clock';
export * from './context';
export * from './errors';
export * from './gathered-reads';
export * from './ids';
export * from './logger';
export * from './periodic-work';
export * from './retry';
