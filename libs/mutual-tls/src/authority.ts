import { spawn } from 'node:child_process';
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { subjectOf, type Chassis, type Peer } from './peer';

const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
const CERTIFICATE_DAYS = 730;
/** A certificate that ends sooner than this is made anew at the next occasion. */
const RENEW_DAYS = 120;

/** Files of a certificate's holder in its directory. */
export const IDENTITY_FILES = { ca: 'ca.pem', cert: 'cert.pem', key: 'key.pem' } as const;

export interface CertificateWish {
  peer: Peer | Chassis;
  /** IP addresses and names at which the holder answers; none for one that only calls others. */
  addresses: string[];
  names: string[];
  /** Ends of a connection that the holder may be. Default: both. */
  ends?: ('client' | 'server')[];
}

const END_USES = { client: 'clientAuth', server: 'serverAuth' } as const;

/**
 * A certificate authority in a directory: `ca.pem` and `ca.key` (0600). Keys are of curve P-256. Signing is done by the
 * `openssl` program; keys never pass an argument or leave their files.
 */
export class Authority {
  private constructor(private readonly directory: string) {}

  /** Opens the authority, or founds it when the directory has none. */
  static async open(directory: string): Promise<Authority> {
    const authority = new Authority(directory);
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    if (!existsSync(authority.certificateFile)) {
      writeWhole(authority.keyFile, newKey().privateKey, 0o600);
      const extensions = 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n';
      // A random part in the name: clouds' authorities must not be taken for each other.
      const subject = `/CN=Virga CA ${randomBytes(4).toString('hex')}`;
      writeWhole(authority.certificateFile, await openssl(['x509', '-new', '-key', authority.keyFile, '-subj', subject, '-days', String(CA_DAYS), ...serial(), '-extfile', '-'], extensions), 0o644);
    }
    return authority;
  }

  private get keyFile(): string {
    return join(this.directory, 'ca.key');
  }

  get certificateFile(): string {
    return join(this.directory, IDENTITY_FILES.ca);
  }

  get certificate(): string {
    return readFileSync(this.certificateFile, 'utf8');
  }

  /** Certificate (PEM) for the holder of a public key (PEM): what it says is decided here, not by the holder. */
  async certify(publicKey: string, { peer, addresses, names, ends = ['server', 'client'] }: CertificateWish): Promise<string> {
    const subjects = [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)];
    if (subjects.some((subject) => !/^(DNS:[A-Za-z0-9.-]+|IP:[0-9A-Fa-f.:]+)$/.test(subject))) throw new Error('a certificate cannot carry such a name or address');
    const extensions = [
      'basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature,keyEncipherment', `extendedKeyUsage=${ends.map((end) => END_USES[end]).join(',')}`,
      ...(subjects.length > 0 ? [`subjectAltName=${subjects.join(',')}`] : []), '',
    ].join('\n');
    return withPublicFile(publicKey, (file) => openssl(['x509', '-new', '-force_pubkey', file, '-subj', `/CN=${subjectOf(peer)}`, '-CA', this.certificateFile,
      '-CAkey', this.keyFile, '-days', String(CERTIFICATE_DAYS), ...serial(), '-extfile', '-'], extensions));
  }

  /**
   * Key and certificate of a holder on this machine, in its directory (see IDENTITY_FILES; keys 0600, owned by `owner`).
   * What is there, fits the wish and lasts is left; true when something was written.
   */
  async equip(directory: string, wish: CertificateWish, owner?: { uid: number; gid: number }): Promise<boolean> {
    const file = (name: keyof typeof IDENTITY_FILES): string => join(directory, IDENTITY_FILES[name]);
    makeKey(directory, owner);
    const fresh = fits(file('cert'), this.certificate, readFileSync(file('key'), 'utf8'), wish);
    if (!fresh) writeWhole(file('cert'), await this.certify(publicKeyOf(readFileSync(file('key'), 'utf8')), wish), 0o644, owner);
    const known = existsSync(file('ca')) && readFileSync(file('ca'), 'utf8') === this.certificate;
    if (!known) writeWhole(file('ca'), this.certificate, 0o644, owner);
    return !fresh || !known;
  }
}

/** The key of a holder in its directory, made if there is none (0600). Returns its file. */
export function makeKey(directory: string, owner?: { uid: number; gid: number }): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (owner) chownSync(directory, owner.uid, owner.gid);
  const file = join(directory, IDENTITY_FILES.key);
  if (!existsSync(file)) writeWhole(file, newKey().privateKey, 0o600, owner);
  return file;
}

/** Files of an identity that was certified elsewhere. PEM. */
export function keepIdentity(directory: string, identity: { ca: string; cert: string; key: string }): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const part of ['ca', 'cert', 'key'] as const) writeWhole(join(directory, IDENTITY_FILES[part]), identity[part], part === 'key' ? 0o600 : 0o644);
}

/** True for a certificate of this authority that says what is wished, belongs to the key and lasts. */
function fits(file: string, ca: string, key: string, { peer, addresses, names }: CertificateWish): boolean {
  if (!existsSync(file)) return false;
  const certificate = new X509Certificate(readFileSync(file));
  const said = new Set((certificate.subjectAltName ?? '').split(', ').filter(Boolean));
  const wanted = [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP Address:${address}`)];
  return certificate.subject === `CN=${subjectOf(peer)}` && certificate.verify(new X509Certificate(ca).publicKey)
    && certificate.checkPrivateKey(createPrivateKey(key)) && said.size === wanted.length && wanted.every((subject) => said.has(subject))
    && Date.parse(certificate.validTo) - Date.now() > RENEW_DAYS * DAY_MS;
}

const publicKeyOf = (privateKey: string): string => createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }) as string;

const serial = (): string[] => ['-set_serial', `0x${(randomBytes(1)[0]! & 0x3f | 0x40).toString(16)}${randomBytes(18).toString('hex')}`];

function newKey(): { privateKey: string; publicKey: string } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });
}

/** Written aside and renamed: nobody reads half a file, and a mode holds from the first byte on. */
function writeWhole(path: string, text: string, mode: number, owner?: { uid: number; gid: number }): void {
  writeFileSync(`${path}.new`, text, { mode });
  chmodSync(`${path}.new`, mode);
  if (owner) chownSync(`${path}.new`, owner.uid, owner.gid);
  renameSync(`${path}.new`, path);
}

/** What openssl will read from a file only; nothing secret. */
async function withPublicFile<T>(text: string, work: (file: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'virga-pki-'));
  try {
    writeFileSync(join(directory, 'input'), text);
    return await work(join(directory, 'input'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Runs openssl with `input` on its standard input; resolves with its output. */
export const openssl = async (args: string[], input: string): Promise<string> => (await opensslTalk(args, input)).output;

/** The same with what it says on its standard error: not every verdict of its is an exit code. */
export function opensslTalk(args: string[], input: string): Promise<{ output: string; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/' });
    let output = '';
    let trouble = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (trouble += chunk));
    child.stdin.on('error', () => undefined); // it may end without reading all
    child.stdin.end(input);
    child.on('error', (error) => reject(new Error(`cannot run openssl: ${error.message}`)));
    child.on('close', (code) => (code === 0 ? resolve({ output, said: trouble }) : reject(new Error(`openssl ${args[0]} failed (${code}): ${trouble.trim().slice(-500)}`))));
  });
}
