import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  certificate: string;
  key: string;
}

export interface Subject {
  /** For Kubernetes: the user's name. */
  commonName: string;
  /** For Kubernetes: the user's groups. */
  organizations?: readonly string[];
  dnsNames?: readonly string[];
  addresses?: readonly string[];
}

const VALID_DAYS = 30;
const DAY_MS = 86_400_000;
const ECDSA_WITH_SHA256 = sequence(objectId([1, 2, 840, 10045, 4, 3, 2]));
const COMMON_NAME = objectId([2, 5, 4, 3]);
const ORGANIZATION = objectId([2, 5, 4, 10]);
const SERVER_AUTH = objectId([1, 3, 6, 1, 5, 5, 7, 3, 1]);
const CLIENT_AUTH = objectId([1, 3, 6, 1, 5, 5, 7, 3, 2]);

/** A certificate authority that signs what `issue` is given. */
export function createAuthority(commonName: string): KeyPair {
  const { publicKey, privateKey } = newKeys();
  const issuer = nameOf({ commonName });
  return signed(
    { issuer, subject: issuer, publicKey, privateKey, extensions: [authority()] },
    privateKey,
  );
}

/** A certificate for server and client use, signed by the authority. */
export function issue(ca: KeyPair & { commonName: string }, subject: Subject): KeyPair {
  const { publicKey, privateKey } = newKeys();
  const { dnsNames = [], addresses = [] } = subject;
  const extensions = [extendedUse()];
  if (dnsNames.length + addresses.length > 0)
    extensions.push(alternativeNames(dnsNames, addresses));
  const issuer = nameOf({ commonName: ca.commonName });
  const request = { issuer, subject: nameOf(subject), publicKey, privateKey, extensions };
  return signed(request, createPrivateKey(ca.key));
}

/** A key pair for signing service-account tokens. */
export function createSigningKey(): { publicKey: string; key: string } {
  const { publicKey, privateKey } = newKeys();
  return { publicKey: pemOfPublic(publicKey), key: pemOfPrivate(privateKey) };
}

interface Request {
  issuer: Buffer;
  subject: Buffer;
  publicKey: KeyObject;
  privateKey: KeyObject;
  extensions: readonly Buffer[];
}

// RFC 5280, 4.1: Certificate and TBSCertificate.
function signed(request: Request, signingKey: KeyObject): KeyPair {
  const nowMs = Date.now();
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    request.issuer,
    sequence(time(nowMs - DAY_MS), time(nowMs + VALID_DAYS * DAY_MS)),
    request.subject,
    request.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...request.extensions)),
  );
  const signature = bitString(sign('sha256', body, signingKey));
  const der = sequence(body, ECDSA_WITH_SHA256, signature).toString('base64');
  const lines = der.match(/.{1,64}/g) ?? [];
  return {
    certificate: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join(
      '\n',
    ),
    key: pemOfPrivate(request.privateKey),
  };
}

function newKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function pemOfPrivate(key: KeyObject): string {
  return key.export({ type: 'sec1', format: 'pem' }).toString();
}

function pemOfPublic(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

function nameOf({ commonName, organizations = [] }: Subject): Buffer {
  const part = (attribute: Buffer, value: string): Buffer =>
    tagged(0x31, sequence(attribute, tagged(0x0c, Buffer.from(value))));
  const groups = organizations.map(organization => part(ORGANIZATION, organization));
  return sequence(...groups, part(COMMON_NAME, commonName));
}

function authority(): Buffer {
  return extension([2, 5, 29, 19], sequence(tagged(0x01, Buffer.from([0xff]))));
}

function extendedUse(): Buffer {
  return extension([2, 5, 29, 37], sequence(SERVER_AUTH, CLIENT_AUTH));
}

function alternativeNames(dnsNames: readonly string[], addresses: readonly string[]): Buffer {
  const names = dnsNames.map(name => tagged(0x82, Buffer.from(name)));
  const ips = addresses.map(address => tagged(0x87, Buffer.from(address.split('.').map(Number))));
  return extension([2, 5, 29, 17], sequence(...names, ...ips));
}

function extension(id: readonly number[], value: Buffer): Buffer {
  return sequence(objectId(id), tagged(0x04, value));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function bitString(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), bytes]));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return tagged(0x18, Buffer.from(digits));
}

function objectId([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}

// DER: tag, length, content.
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
