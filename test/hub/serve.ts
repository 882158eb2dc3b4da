/** A hub on this machine, for tests: one model's files, listed and given as the real one does. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export type Handler = (request: IncomingMessage, response: ServerResponse, bytes: Buffer) => void;

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const gitHash = (bytes: Buffer) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** How a hub lists a file that its git holds. */
export const small = (path: string, bytes: Buffer) => ({ type: "file", path, size: bytes.length, oid: gitHash(bytes) });

/** How it lists one that its large storage holds. */
export const large = (path: string, bytes: Buffer) => ({
  ...small(path, bytes),
  oid: "f".repeat(40),
  lfs: { oid: sha256(bytes), size: bytes.length },
});

/** Whole, or the range that is asked for. */
export const ranged: Handler = ({ headers }, response, bytes) => {
  const [, from, to = bytes.length - 1] = /bytes=(\d+)-(\d+)?$/.exec(headers.range ?? "") ?? [];
  if (from === undefined) return void response.end(bytes);
  response.writeHead(206, { "content-range": `bytes ${from}-${to}/${bytes.length}` });
  response.end(bytes.subarray(Number(from), Number(to) + 1));
};

/** The first `times` transfers break off after `length` bytes of what was asked for. */
export function breaking(times: number, length: number): Handler {
  let left = times;
  return (request, response, bytes) => {
    if (bytes.length < length || left-- <= 0) return ranged(request, response, bytes);
    const from = Number(/bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const range = { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(from > 0 ? 206 : 200, { "content-length": bytes.length - from, ...(from > 0 && range) });
    response.write(bytes.subarray(from, from + length), () => setTimeout(() => response.destroy(), 100));
  };
}

/** What it lists, what it gives, and how. */
export class FakeHub {
  readonly model: string;
  readonly commit = "0123456789abcdef0123456789abcdef01234567";
  listed: { path: string }[] = [];
  files: Record<string, Buffer> = {};
  give: Handler = ranged;
  /** Before anything else; true where it answered. */
  first: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  /** Paths that were asked for, with the range. */
  requests: string[] = [];
  readonly #server: Server;

  private constructor(model: string) {
    this.model = model;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async open(model: string): Promise<FakeHub> {
    const hub = new FakeHub(model);
    await new Promise<void>((resolve) => hub.#server.listen(0, "127.0.0.1", resolve));
    return hub;
  }

  /** As HF_ENDPOINT takes it. */
  get host(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** Lists and gives a file. */
  add(path: string, bytes: Buffer, list: typeof small = bytes.length > 10_000 ? large : small): void {
    this.files[path] = bytes;
    this.listed.push(list(path, bytes));
  }

  /** All files of a folder of this machine. */
  addFolder(folder: string, path: string): void {
    for (const name of readdirSync(folder))
      if (statSync(join(folder, name)).isDirectory()) this.addFolder(join(folder, name), `${path}/${name}`);
      else this.add(`${path}/${name}`, readFileSync(join(folder, name)));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url as string;
    this.requests.push(`${url}${request.headers.range ? ` ${request.headers.range}` : ""}`);
    if (this.first(request, response)) return;
    const json = (value: unknown) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(value));
    };
    const [, folder] =
      new RegExp(`^/api/(?:models|datasets)/${this.model}/tree/[0-9a-f]+/?(.*)\\?recursive=true$`).exec(url) ?? [];
    const [, path] = new RegExp(`^(?:/datasets)?/${this.model}/resolve/${this.commit}/(.*)$`).exec(url) ?? [];
    const bytes = path === undefined ? undefined : this.files[decodeURIComponent(path)];
    if (new RegExp(`^/api/(?:models|datasets)/${this.model}/revision/`).test(url)) json({ sha: this.commit });
    else if (folder !== undefined) json(this.listed.filter(({ path }) => path.startsWith(folder)));
    else if (bytes) this.give(request, response, bytes);
    else {
      response.writeHead(404);
      response.end("Entry not found");
    }
  }
}
