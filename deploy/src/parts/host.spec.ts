import { controlSockets } from './host';

it('takes the control socket of a living ovn-controller, not that of a killed one whose number another program got', () => {
  const names: Record<number, string> = { 100: 'node', 200: 'ovn-controller' };
  expect(controlSockets(['ovn-controller.100.ctl', 'ovn-controller.150.ctl', 'ovn-controller.200.ctl', 'ovn-controller.pid', 'other.200.ctl'], (pid) => names[pid] ?? '')).toEqual(['ovn-controller.200.ctl']);
});
