export * from './fake-neighbours';
export * from './identity';
export * from './mariadb';
export * from './ovn-central';
export * from './private-server';
export * from './rabbitmq';
export * from './policy-walk';
