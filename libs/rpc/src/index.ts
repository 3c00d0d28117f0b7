export * from './bus';
export * from './contract';
export * from './memory-bus';
export * from './rabbit-bus';
export { agentUser, DEAD_QUEUE, hostPermissions, isAgentUser, servicePermissions } from './topology';
