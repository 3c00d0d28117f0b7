import { renderStatus, type CloudStatus } from './status';

const part = { name: 'conductor', pid: 1, pssKib: 2048, uptimeSeconds: 90_061, restarts: 0, healthy: true };
const cloud: CloudStatus = {
  state: '/s', name: 'vg', healthy: true, controlPlanePssKib: 2048, supervisorsPssKib: 0, otherPssKib: 0, guestsPssKib: 0, deadLetters: 0, parts: [part], guests: [],
};

it('tells of messages that nobody could handle', () => {
  expect(renderStatus({ ...cloud, deadLetters: 3 })).toContain("3 message(s) could not be handled and lie in the broker's queue virga.dead.");
  expect(renderStatus(cloud)).not.toContain('virga.dead');
});

it('says of a part why it is not healthy', () => {
  const text = renderStatus({ ...cloud, healthy: false, parts: [part, { ...part, name: 'network', pid: null, uptimeSeconds: null, healthy: false, problem: 'does not run\nmore' }] });
  expect(text).toMatch(/^conductor +1 +2\.0 +1d 01:01:01 +0 {2}ok$/m);
  expect(text).toMatch(/^network +- .* NOT OK: does not run$/m);
});
