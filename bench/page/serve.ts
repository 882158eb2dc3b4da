import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, relative, sep } from "node:path";
import { OptionError } from "../../engine/index.js";
import { root } from "../machine/environment.js";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
};

/** The files that the build made of bench/page, by path. Throws where there are none. */
function site(): ReadonlyMap<string, Buffer> {
  const folder = join(root, "dist", "bench", "site");
  try {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return new Map(
      files.map(({ parentPath, name }) => {
        const path = join(parentPath, name);
        return [`/${relative(folder, path).split(sep).join("/")}`, readFileSync(path)];
      }),
    );
  } catch (cause) {
    throw new OptionError("bench --page: the page is not built. Build it with: npm run setup", { cause });
  }
}

export interface Site {
  readonly url: string;
  close(): void;
}

/** Serves the page to this machine alone. Throws OptionError where the port is taken. */
export async function servePage(port: number): Promise<Site> {
  const files = site();
  const server = createServer(({ url = "/" }, response) => {
    const [path] = url.split("?");
    const name = path === "/" ? "/index.html" : path;
    const body = files.get(name);
    response.writeHead(body ? 200 : 404, {
      "content-type": body ? (TYPES[extname(name)] ?? "text/plain") : "text/plain",
    });
    response.end(body ?? "not found");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === "EADDRINUSE";
      reject(
        taken ? new OptionError(`bench --page: port ${port} is taken. Name another with --port.`, { cause }) : cause,
      );
    });
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
