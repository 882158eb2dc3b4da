/** What is said of files wherever they are. Apart from platform.ts, whose types of WebGPU a user of these need not have. */

/** Random access to a file that may be larger than memory. */
export interface FileSource {
  /** For messages: the path. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The operating system's, where there is one: until `close`, a device may map the file by it. */
  readonly descriptor?: number;
  /**
   * `length` bytes from `offset` on; where the system allows in the beginning of `into`, whose pages are warm when it is used
   * again. Rejects with RangeError beyond the end.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Nothing can be read afterwards. */
  close(): Promise<void>;
}

/** How far a file of the network has come. */
export interface Download {
  /** The file's. */
  readonly url: string;
  /** Bytes so far. */
  readonly loaded: number;
  /** Bytes of the whole file; null where the server does not say. */
  readonly total: number | null;
}
