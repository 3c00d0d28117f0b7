export * from './bus';
export * from './bus-metrics';
export * from './contract';
export * from './memory-bus';
export * from './rabbit-bus';
export { agentUser, DEAD_QUEUE, fleetHostId, fleetOf, fleetPermissions, fleetUser, hostPermissions, isAgentUser, servicePermissions, speaksFor } from './topology';
