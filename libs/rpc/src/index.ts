export * from './bus';
export * from './contract';
export * from './memory-bus';
export * from './rabbit-bus';
