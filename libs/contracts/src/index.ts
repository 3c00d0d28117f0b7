export * from './actor';
export * from './conductor.contract';
export * from './host-agent.contract';
export * from './identity.contract';
export * from './image.contract';
export * from './network-audit.contract';
export * from './network.contract';
export * from './placement.contract';
