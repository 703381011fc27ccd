/// <reference types="node" />
/// <reference lib="esnext.disposable" />

/**
 * keyfold keeps data-encryption keys in one SQLite file, wrapped by a master key, and encrypts an application's
 * fields and values under them.
 *
 * Whatever goes wrong is a {@link KeyfoldError} with a `code`. Methods that may wait for the disk have a twin named
 * `…Async` that gives a Promise and leaves the event loop free.
 */

/** Where the master key comes from, without a function. Nothing means the variable `KEYFOLD_MASTER_KEY`. */
export type MasterKeySource =
  /** The 32 bytes; they are copied, and the caller wipes his own. */
  | Uint8Array
  /** `"env:NAME"`, `"file:PATH"`, `"fd:N"`, or the base64 of the 32 bytes. */
  | string
  | null
  | undefined;

/** A length of time: `"5s"`, `"500ms"`, `"30d"`. Bare numbers are refused. */
export type Duration = string;

/** How a store is opened; everything else than the master key. */
export interface PlainOpenOptions {
  /** Make the store if there is none; whoever comes second opens it. Default: false. */
  create?: boolean | undefined;
  /** How soon a change by another process is used here. Default: `"1s"`; 10 ms to 1 h. */
  refreshInterval?: Duration | undefined;
  /** How long keys serve when the file cannot be read; then calls fail. Default: `"60s"`. */
  maxStale?: Duration | undefined;
  /** How long to wait for another process before `KEYFOLD_BUSY`. Default: `"5s"`. */
  busyTimeout?: Duration | undefined;
  /** Refuse a copy of the store that is older than this anchor or forked before it. */
  anchor?: string | null | undefined;
  /** Refuse a store with another identity than this. */
  fingerprint?: string | null | undefined;
  /** Who acts, for the audit log. Default: the user's number, as in `uid:1000`. */
  actor?: string | null | undefined;
  /** Open a store on a network file system although its locks are not dependable. Default: false. */
  allowNetworkFs?: boolean | undefined;
}

/** How {@link open} opens a store. */
export interface OpenOptions extends PlainOpenOptions {
  /**
   * Where the master key comes from. A function is called before the store is opened and gives the 32 bytes; what
   * it throws is the `cause` of a `KEYFOLD_PROVIDER_UNAVAILABLE`.
   */
  masterKey?: MasterKeySource | (() => Uint8Array);
}

/** How {@link openAsync} opens a store. */
export interface OpenAsyncOptions extends PlainOpenOptions {
  /** As for {@link open}; the function may also give a Promise of the 32 bytes. */
  masterKey?: MasterKeySource | (() => Uint8Array | Promise<Uint8Array>);
}

/** Name of an algorithm for encrypting values. */
export type Algorithm = 'AES256_GCM_SIV' | 'AES256_GCM' | 'XAES256_GCM' | 'XCHACHA20_POLY1305';

/** What a key is for. Keys of one purpose share the root of their blind indexes. */
export type Purpose = 'pii' | 'financial' | 'medical' | 'credentials' | 'api' | 'backup';

/** What a key version may do. */
export type VersionState =
  | 'staged'
  | 'enabled'
  | 'decrypt_only'
  | 'disabled'
  | 'revoked'
  | 'pending_destruction'
  | 'destroyed';

/** What a key is made as. */
export interface CreateKeyOptions {
  /** Default: `"aead"`. */
  kind?: 'aead' | null | undefined;
  /** Default: `"AES256_GCM_SIV"`. */
  algorithm?: Algorithm | null | undefined;
  /** What the key is for. */
  purpose?: Purpose | null | undefined;
  /** A note for people. */
  description?: string | null | undefined;
  /** Names and values of your choice, 64 at most. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** Whether its raw bytes may ever leave the store. Cannot be changed later. Default: false. */
  exportable?: boolean | undefined;
  /** Give the key as it is where it exists with the same kind, algorithm and purpose. Default: false. */
  existOk?: boolean | undefined;
}

/** Which keys a listing shows; what is left out matches all. */
export interface KeyFilter {
  kind?: string | null | undefined;
  purpose?: string | null | undefined;
  algorithm?: string | null | undefined;
  /** Keys with all of these labels. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** Keys with this text in their id or description, taken literally. */
  search?: string | null | undefined;
  /** Keys whose id comes after this one: for reading a long list in parts. */
  after?: string | null | undefined;
  /** At most so many. */
  limit?: number | undefined;
}

/** A key, without its bytes. */
export interface KeyInfo {
  keyId: string;
  kind: string;
  /** The algorithm of new versions. */
  algorithm: string;
  purpose: string | null;
  description: string | null;
  /** The number of the version that encrypts. */
  currentVersion: number | null;
  exportable: boolean;
  /** Whether it encrypts no more. */
  archived: boolean;
  createdAt: Date;
  /** When it stops encrypting. */
  expiresAt: Date | null;
  labels: Record<string, string>;
}

/** A version of a key, without its bytes. */
export interface VersionInfo {
  keyId: string;
  /** 1, 2, 3… */
  version: number;
  /** The number in front of its ciphertexts. */
  tag: number;
  /** Whether this is the version that encrypts. */
  isCurrent: boolean;
  state: VersionState;
  algorithm: string;
  createdAt: Date;
  expiresAt: Date | null;
  destroyAt: Date | null;
  stateReason: string | null;
}

/** Which version made a ciphertext, as its public tag says; nothing of the ciphertext is verified. */
export interface CiphertextInfo {
  keyId: string;
  version: number;
  tag: number;
  algorithm: string;
  /** Whether that version still encrypts: if not, the ciphertext is stale. */
  isCurrent: boolean;
  state: VersionState;
  /** When the version was made: the ciphertext is no older. */
  createdAt: Date;
}

/** One thing that is wrong with a store. */
export interface Finding {
  /** What it concerns: `key pii`, `audit`, `database`. */
  subject: string;
  problem: string;
  /** What to do. */
  advice: string;
}

/** What {@link Store.check} found. */
export interface CheckReport {
  /** Whether nothing was found. */
  ok: boolean;
  findings: Finding[];
  /** How many keys were verified. */
  keys: number;
  /** How many key versions were verified and unwrapped. */
  versions: number;
  auditRecords: number;
  /** Counts administrative acts. */
  generation: number;
  /** Key memory in locked pages, in bytes. */
  lockedBytes: number;
  /** Key memory that could not be locked, in bytes. */
  unlockedBytes: number;
}

/**
 * A field of a context: text, bytes, or a whole number (as decimal text, so that 42 and "42" are the same). Booleans,
 * fractions, numbers beyond `Number.MAX_SAFE_INTEGER` and null are refused.
 */
export type ContextValue = string | Uint8Array | number | bigint;

/**
 * Where a value belongs, such as table, column and row: 1 to 64 fields. What was sealed under one context opens under
 * no other. An object's own enumerable properties count.
 */
export type Context = Readonly<Record<string, ContextValue>>;

/** What a ciphertext is bound to: it is not stored, and decrypting needs the same. */
export type Binding =
  /** Raw bytes, at most 1 MiB. For named fields in text, use `context`. */
  | { readonly aad?: Uint8Array | undefined; readonly context?: undefined }
  | { readonly context?: Context | undefined; readonly aad?: undefined };

/** Which blind index of a value. */
export interface IndexOptions {
  /** `exact`: equal values have equal indexes. */
  kind?: 'exact' | null | undefined;
  /** How many bits are kept, 1 to 256. Fewer bits leak less and find more by chance. Default: 128. */
  bits?: number | undefined;
}

/**
 * Opens a store. Blocks until done.
 *
 * `KEYFOLD_NOT_FOUND` where there is no store (unless `create`), `KEYFOLD_WRONG_MASTER_KEY` where the key is another's,
 * `KEYFOLD_INTEGRITY_ERROR` where someone without it changed the file.
 *
 * @example
 * const store = open('app.keyfold'); // KEYFOLD_MASTER_KEY
 */
export function open(path: string, options?: OpenOptions): Store;

/** As {@link open}, with a Promise. */
export function openAsync(path: string, options?: OpenAsyncOptions): Promise<Store>;

/**
 * An open key store. Close it: what is forgotten is closed when collected, with a warning.
 *
 * Each worker thread opens the file for itself; a Store cannot be sent to another thread.
 */
export class Store {
  private constructor();

  /** A handle to a key, for encrypting with it. `KEYFOLD_NOT_FOUND` where there is none. */
  key(keyId: string): Key;
  /** As {@link key}, with a Promise. */
  keyAsync(keyId: string): Promise<Key>;

  /**
   * Makes a key with its first version.
   *
   * `KEYFOLD_ALREADY_EXISTS` where there is one, unless `existOk` and kind, algorithm and purpose are the same.
   */
  createKey(keyId: string, options?: CreateKeyOptions): KeyInfo;
  /** As {@link createKey}, with a Promise. */
  createKeyAsync(keyId: string, options?: CreateKeyOptions): Promise<KeyInfo>;

  /** Makes the next version and has it encrypt from now on; older ciphertexts open as before. */
  rotateKey(keyId: string): VersionInfo;
  /** As {@link rotateKey}, with a Promise. */
  rotateKeyAsync(keyId: string): Promise<VersionInfo>;

  /** One key's metadata. */
  keyInfo(keyId: string): KeyInfo;
  /** As {@link keyInfo}, with a Promise. */
  keyInfoAsync(keyId: string): Promise<KeyInfo>;

  /** The keys that match, in byte order of their ids. */
  listKeys(filter?: KeyFilter): KeyInfo[];
  /** As {@link listKeys}, with a Promise. */
  listKeysAsync(filter?: KeyFilter): Promise<KeyInfo[]>;

  /** All versions of a key, newest first. */
  listKeyVersions(keyId: string): VersionInfo[];
  /** As {@link listKeyVersions}, with a Promise. */
  listKeyVersionsAsync(keyId: string): Promise<VersionInfo[]>;

  /** Encrypts under the key's current version; as {@link Key.encrypt}. */
  encrypt(keyId: string, plaintext: Uint8Array, binding?: Binding): Buffer;
  /** Decrypts what any version of the key encrypted; as {@link Key.decrypt}. */
  decrypt(keyId: string, ciphertext: Uint8Array | string, binding?: Binding): Buffer;

  /**
   * Which key and version made this ciphertext, without decrypting it: every match, none where the tag is unknown.
   * `KEYFOLD_INVALID_ARGUMENT` where it is no ciphertext at all.
   */
  inspect(ciphertext: Uint8Array | string): CiphertextInfo[];
  /** As {@link inspect}, with a Promise. */
  inspectAsync(ciphertext: Uint8Array | string): Promise<CiphertextInfo[]>;

  /** Verifies everything in the store and reports what is wrong. */
  check(): CheckReport;
  /** As {@link check}, with a Promise. */
  checkAsync(): Promise<CheckReport>;

  /**
   * Where the store stands now: keep it elsewhere and open with it, and no older or forked copy of the file passes for
   * this one.
   */
  anchor(): string;
  /** As {@link anchor}, with a Promise. */
  anchorAsync(): Promise<string>;

  /** The store's identity as a short text: open with it, and no other store passes for this one. */
  fingerprint(): string;

  /** What deserves attention although the store opened, such as a master key file that others may read. */
  warnings(): string[];

  /** Waits for calls in flight, wipes all keys and closes the file. Later calls are `KEYFOLD_CLOSED`. */
  close(): void;
  /** As {@link close}, with a Promise. */
  closeAsync(): Promise<void>;

  /** {@link close}, for `using store = open(…)`. */
  [Symbol.dispose](): void;
  /** {@link closeAsync}, for `await using store = await openAsync(…)`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A key of an open store. What another process rotates is used here within `refreshInterval`; what a newer version
 * sealed opens at once.
 */
export class Key {
  private constructor();

  /** The key's name in its store. */
  readonly id: string;

  /** The key's metadata, as this process uses it now. */
  info(): KeyInfo;

  /**
   * Encrypts under the current version, into a Buffer that may share memory with other ciphertexts and nothing else.
   * A plaintext is at most 64 MiB. Text goes through {@link encryptText}.
   */
  encrypt(plaintext: Uint8Array, binding?: Binding): Buffer;

  /**
   * Decrypts what any version of this key encrypted, given in bytes or as text, into a Buffer with memory of its own.
   *
   * `KEYFOLD_DECRYPTION_FAILED`, always with the same message, where ciphertext, key, aad or context is wrong.
   */
  decrypt(ciphertext: Uint8Array | string, binding?: Binding): Buffer;

  /** Encrypts a text for a text column: `kf1.` and base64url. */
  encryptText(plaintext: string, binding?: Binding): string;

  /** Decrypts the text form to text. */
  decryptText(ciphertext: string, binding?: Binding): string;

  /**
   * Encrypts into your memory and gives the number of bytes written, which {@link ciphertextLength} tells beforehand.
   * `KEYFOLD_INVALID_ARGUMENT` where the target is too small. Target and plaintext may overlap.
   */
  encryptInto(target: Uint8Array, plaintext: Uint8Array, binding?: Binding): number;

  /**
   * Decrypts into your memory and gives the number of bytes written; never more than the ciphertext has. Where
   * decrypting fails, the bytes that the plaintext would have taken are wiped. Target and ciphertext may overlap.
   */
  decryptInto(target: Uint8Array, ciphertext: Uint8Array | string, binding?: Binding): number;

  /** The length of the ciphertext of so long a plaintext, under the current version. */
  ciphertextLength(plaintextLength: number): number;

  /** Moves a ciphertext to the current version: bytes to bytes, text to text. One that is there already stays. */
  reencrypt(ciphertext: string, binding?: Binding): string;
  reencrypt(ciphertext: Uint8Array, binding?: Binding): Buffer;
  reencrypt(ciphertext: Uint8Array | string, binding?: Binding): Buffer | string;

  /** Whether the ciphertext was made by another version than the current one. Nothing of it is verified. */
  needsReencrypt(ciphertext: Uint8Array | string): boolean;

  /**
   * The index to store beside an encrypted value and to search for: a keyed hash, stable while keys rotate. `field`
   * names what is indexed, as in `"users.email"`. Null stays null; an empty value has an index like any other.
   */
  blindIndex(value: string | Uint8Array, field: string, options?: IndexOptions): Buffer;
  blindIndex(value: null | undefined, field: string, options?: IndexOptions): null;
  blindIndex(value: string | Uint8Array | null | undefined, field: string, options?: IndexOptions): Buffer | null;

  /** The indexes under all live versions of the root, newest first: search for any of them. Null stays null. */
  blindIndexes(value: string | Uint8Array, field: string, options?: IndexOptions): Buffer[];
  blindIndexes(value: null | undefined, field: string, options?: IndexOptions): null;
  blindIndexes(value: string | Uint8Array | null | undefined, field: string, options?: IndexOptions): Buffer[] | null;
}

/** What went wrong, as far as a caller must know to act on it. */
export type ErrorCode =
  | 'KEYFOLD_INVALID_ARGUMENT'
  | 'KEYFOLD_NOT_FOUND'
  | 'KEYFOLD_ALREADY_EXISTS'
  | 'KEYFOLD_IN_USE'
  | 'KEYFOLD_KEY_UNAVAILABLE'
  | 'KEYFOLD_DECRYPTION_FAILED'
  | 'KEYFOLD_VERIFICATION_FAILED'
  | 'KEYFOLD_WRONG_MASTER_KEY'
  | 'KEYFOLD_INTEGRITY_ERROR'
  | 'KEYFOLD_PERMISSION_DENIED'
  | 'KEYFOLD_RATE_LIMITED'
  | 'KEYFOLD_LIMIT_EXCEEDED'
  | 'KEYFOLD_UNSUPPORTED'
  | 'KEYFOLD_PROVIDER_UNAVAILABLE'
  | 'KEYFOLD_PROVIDER_DENIED'
  | 'KEYFOLD_BUSY'
  | 'KEYFOLD_STORAGE_FULL'
  | 'KEYFOLD_STORAGE'
  | 'KEYFOLD_CLOSED'
  | 'KEYFOLD_INTERNAL';

/** Every code, in the order of the C interface's numbers. */
export const errorCodes: readonly ErrorCode[];

/** What every call throws or rejects with. Never holds key bytes, plaintext, ciphertext or credentials. */
export class KeyfoldError extends Error {
  constructor(
    code: ErrorCode,
    message: string,
    details?: Partial<Pick<KeyfoldError, 'retryable' | 'retryAfter' | 'keyId' | 'version' | 'index' | 'cause'>>,
  );
  /** What to act on; the message may change, the code stays. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How many milliseconds to wait before trying again, where that is known. */
  readonly retryAfter: number | null;
  /** The key concerned. */
  readonly keyId: string | null;
  /** The key version concerned. */
  readonly version: number | null;
  /** The place in a batch. */
  readonly index: number | null;
  /** What a callback threw, or the system said. */
  readonly cause?: unknown;
}

/** A new master key: 32 bytes from the kernel as base64 text. */
export function generateMasterKey(): string;

/** Whether the value has the shape of a ciphertext, as bytes or as text. A hint, not a proof. */
export function isCiphertext(value: unknown): value is Uint8Array | string;

/** The text form of a ciphertext: `kf1.` and base64url. */
export function toText(ciphertext: Uint8Array): string;

/** The bytes of a text form. */
export function fromText(text: string): Buffer;

/** The version of keyfold. */
export const version: string;
