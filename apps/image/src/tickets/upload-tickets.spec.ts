import { UploadTickets } from './upload-tickets';

describe('upload tickets', () => {
  const claims = { imageId: 'i1', hostId: 'h1', expiresAt: 2000, maxBytes: 10 };

  it('hold once, for their image, until they expire', () => {
    const tickets = new UploadTickets();
    const ticket = tickets.issue(claims, 1000);
    expect(tickets.take(ticket, 'i2', 1000)).toBeUndefined();
    expect(tickets.take(ticket, 'i1', 1999)).toEqual(claims);
    expect(tickets.take(ticket, 'i1', 1999)).toBeUndefined();
    expect(tickets.take(tickets.issue(claims, 1000), 'i1', 2000)).toBeUndefined();
    expect(tickets.take('guessed', 'i1', 1000)).toBeUndefined();
    expect(new UploadTickets().take(tickets.issue(claims, 1000), 'i1', 1000)).toBeUndefined();
  });

  it('are not kept for ever, nor without bound', () => {
    const tickets = new UploadTickets();
    const first = tickets.issue({ ...claims, expiresAt: 10_000 }, 0);
    for (let n = 0; n < 10_000; n++) tickets.issue({ ...claims, expiresAt: 10_000 }, 0);
    expect(tickets.take(first, 'i1', 1)).toBeUndefined();
  });
});
