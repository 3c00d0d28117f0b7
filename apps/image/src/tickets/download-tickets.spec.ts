import { DownloadTickets } from './download-tickets';

describe('download tickets', () => {
  const tickets = new DownloadTickets();
  const claims = { imageId: 'i1', hostId: 'h1', expiresAt: 2000 };

  it('holds for its image and host until it expires', () => {
    const ticket = tickets.issue(claims);
    expect(tickets.verify(ticket, 1999)).toEqual(claims);
    expect(tickets.verify(ticket, 2000)).toBeUndefined();
  });

  it.each([
    ['another image', (ticket: string) => ticket.replace('i1', 'i2')],
    ['another expiry', (ticket: string) => ticket.replace('2000', '9000')],
    ['a cut signature', (ticket: string) => ticket.slice(0, -4)],
    ['no signature', () => 'i1.h1.2000.'],
    ['nonsense', () => '....'],
  ])('is refused with %s', (_, change) => {
    expect(tickets.verify(change(tickets.issue(claims)), 1000)).toBeUndefined();
  });

  it('is refused by another process', () => {
    expect(new DownloadTickets().verify(tickets.issue(claims), 1000)).toBeUndefined();
  });
});
