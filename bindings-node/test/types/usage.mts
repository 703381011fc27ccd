// Compiled and never run: what must be accepted, and what must not.

import keyfold, { KeyfoldError, errorCodes, isCiphertext, open, openAsync, toText } from 'keyfold';
import type { CiphertextInfo, Context, ErrorCode, Key, KeyInfo, OpenOptions, Store, VersionInfo } from 'keyfold';

const store: Store = open('app.keyfold');
const pii: Key = store.key('pii');
const context = { table: 'users', column: 'email', id: 42 };
const sealed: string = pii.encryptText('ada@example.org', { context });
const opened: string = pii.decryptText(sealed, { context });

const options: OpenOptions = { masterKey: () => new Uint8Array(32), create: true, refreshInterval: '1s', anchor: null };
open('app.keyfold', options);
open('app.keyfold', { masterKey: Buffer.alloc(32) });
open('app.keyfold', { masterKey: null });
const later: Promise<Store> = openAsync('app.keyfold', { masterKey: async () => new Uint8Array(32) });

const info: KeyInfo = store.createKey('k', { algorithm: 'XAES256_GCM', purpose: 'pii', labels: { a: 'b' }, existOk: true });
const created: Date = info.createdAt;
const rotated: VersionInfo = await store.rotateKeyAsync('k');
const found: CiphertextInfo[] = store.inspect(sealed);
const bytes: Buffer = pii.encrypt(new Uint8Array(3), { aad: new Uint8Array(2) });
const plain: Buffer = pii.decrypt(bytes);
const written: number = pii.encryptInto(Buffer.alloc(99), plain, { context: { big: 5n, raw: bytes } satisfies Context });
const movedText: string = pii.reencrypt(sealed);
const movedBytes: Buffer = pii.reencrypt(bytes);
const index: Buffer = pii.blindIndex('ada', 'users.email', { kind: 'exact', bits: 64 });
const none: null = pii.blindIndex(null, 'users.email');
const code: ErrorCode | undefined = errorCodes[0];
const text: string = toText(bytes);
const whole: typeof open = keyfold.open;
{
  using scoped = open('app.keyfold');
  await using other = await openAsync('app.keyfold');
  scoped.fingerprint();
  other.warnings();
}

try {
  store.check();
} catch (error) {
  if (error instanceof KeyfoldError && error.code === 'KEYFOLD_BUSY') {
    const wait: number | null = error.retryAfter;
    console.log(wait, error.keyId, error.cause);
  }
}

declare const unknown: unknown;
if (isCiphertext(unknown)) pii.decrypt(unknown);

// @ts-expect-error Stores come from open.
new keyfold.Store();
// @ts-expect-error The master key is not the second parameter.
open('app.keyfold', 'env:NAME');
// @ts-expect-error Durations are text.
open('app.keyfold', { refreshInterval: 5 });
// @ts-expect-error No such option.
open('app.keyfold', { creat: true });
// @ts-expect-error open cannot wait for a Promise.
open('app.keyfold', { masterKey: async () => new Uint8Array(32) });
// @ts-expect-error Text goes through encryptText.
pii.encrypt('ada');
// @ts-expect-error Text as aad.
pii.encrypt(bytes, { aad: 'users' });
// @ts-expect-error aad and context exclude each other.
pii.encrypt(bytes, { aad: bytes, context: { a: 'b' } });
// @ts-expect-error A boolean in a context.
pii.encrypt(bytes, { context: { a: true } });
// @ts-expect-error Null in a context.
pii.encrypt(bytes, { context: { a: null } });
// @ts-expect-error The fields belong into { context }.
pii.encrypt(bytes, { table: 'users' });
// @ts-expect-error No such algorithm.
store.createKey('k', { algorithm: 'AES128_GCM' });
// @ts-expect-error Null has no ciphertext.
pii.encrypt(null);
// @ts-expect-error The id cannot be set.
pii.id = 'other';
// @ts-expect-error No such code.
if (new KeyfoldError('KEYFOLD_BUSY', '').code === 'KEYFOLD_BUSSY') console.log();

export { bytes, code, created, found, index, later, movedBytes, movedText, none, opened, rotated, text, whole, written };
