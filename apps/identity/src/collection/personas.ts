import { admin, either, owner, type PolicyCheck } from '@virga/rest';

/** The personas of keystone's default policy beyond those that every service has. */
export const systemReader: PolicyCheck = (caller) => caller.system && caller.roleNames.has('reader');
const inDomain: PolicyCheck = (caller, target) => caller.domain !== undefined && target.domainId === caller.domain.id;
export const domainReader: PolicyCheck = (caller, target) => inDomain(caller, target) && caller.roleNames.has('reader');
export const domainManager: PolicyCheck = (caller, target) => inDomain(caller, target) && caller.roleNames.has('manager');

export const adminOrSystemReader = either(admin, systemReader);
export const adminOrDomainReader = either(admin, systemReader, domainReader);
export const adminOrDomainManager = either(admin, domainManager);
export const adminOrDomainReaderOrOwner = either(adminOrDomainReader, owner);
