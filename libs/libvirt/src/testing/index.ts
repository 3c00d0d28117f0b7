/** For tests only: a fake daemon that can misbehave, and a real one of one's own. */
export { errorBodyOf, FakeLibvirtServer } from './fake-server';
export type { FakeCall, FakeClient } from './fake-server';
export { PrivateLibvirtd } from './private-libvirtd';
