import type { GuestPlaces } from '@virga/contracts';
import { readXml } from './read-xml';
import { writeXml, type XmlElement } from './xml';

/** The same machine with the files of another host: every path below one of the source's places is put below the destination's. */
export function relocate(xml: string, from: GuestPlaces, to: GuestPlaces): string {
  const moves = [[from.instance, to.instance], [from.images, to.images]] as const;
  const path = (text: string): string => {
    for (const [old, fresh] of moves) if (text.startsWith(`${old}/`)) return fresh + text.slice(old.length);
    return text;
  };
  const move = ({ name, attributes, children }: XmlElement): XmlElement => ({
    name,
    attributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, path(value)])),
    children: children.map((child) => (typeof child === 'string' ? path(child) : move(child))),
  });
  return writeXml(move(readXml(xml)));
}
