/** What data sets are fetched as, and what runs leave. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { unpackParquet } from "../../../apps/data/unpack-parquet.js";
import { unzip } from "../../../apps/data/unzip.js";
import { EVENT_FILE, fileHead, scalarRecord } from "../../../models/training/log/event-file.js";
import { LOG_FILE, RunLog } from "../../../models/training/log/run-log.js";
import { concat } from "../../io/support/collect.js";
import { zipFile } from "../../io/support/zip-writer.js";
import type { Format } from "../format.js";
import { damaged, utf8 } from "../mutations/bytes.js";
import { hasFirstRecord, mutateEventFile } from "../mutations/event-file.js";
import { hasParquetFrame, mutateParquet } from "../mutations/parquet.js";
import { hasZipDirectory, mutateZip } from "../mutations/zip.js";
import { byName } from "./kinds.js";

/** In a folder beside the archive, which goes. */
async function unpacked(path: string, unpack: (archive: string, folder: string) => Promise<unknown>): Promise<void> {
  const folder = mkdtempSync(join(dirname(path), "out-"));
  try {
    await unpack(path, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const parquet: Format = {
  name: "Parquet",
  share: 5,
  header: "its letters at both ends, and metadata of a length that fits",
  samples: () => {
    const name = "train-00000-of-00001-0a1b.parquet";
    return [{ name, bytes: new Uint8Array(readFileSync(`test/fixtures/parquet/${name}`)) }];
  },
  mutate: mutateParquet,
  isPastHeader: hasParquetFrame,
  read: (path) => unpacked(path, unpackParquet),
};

export const archive: Format = {
  name: "zip archive",
  share: 4,
  header: "the directory at its end",
  samples: () => {
    const items = [1, 2, 3].map((i) => ({
      name: `imgs/a${i}.jpg`,
      bytes: new Uint8Array(300 * i).fill(i),
      deflate: i > 1,
    }));
    return [{ name: "imgs.zip", bytes: zipFile(items) }];
  },
  mutate: (bytes, random) => mutateZip(bytes, random, (_, inside) => damaged(inside, random)),
  isPastHeader: hasZipDirectory,
  read: (path) => unpacked(path, unzip),
};

const step = (n: number) => ({ type: "step", step: n, epoch: 1, loss: 1 / n, lr: 1e-3, seconds: 0.1, waited: 0 });
const until = { step: 5, validations: [{ step: 2 }] };

/** Both logs of a run that goes on: they are cut where they no longer make sense, never refused. */
export const runLog: Format = {
  name: "run logs",
  share: 4,
  header: "JSON lines, the first of them; event files, the first record",
  samples: () => {
    const lines = [1, 2, 3, 4, 5, 6].map((n) => `${JSON.stringify(step(n))}\n`);
    const scalars = { "train/loss": 0.5, "train/lr": 1e-3 };
    const events = [1, 2, 3, 4, 5, 6].map((n) => scalarRecord({ wallTime: 1.7e9 + n, step: n, scalars }));
    return [
      { name: LOG_FILE, bytes: utf8(lines.join("")) },
      { name: EVENT_FILE, bytes: concat([fileHead(1.7e9), ...events]) },
    ];
  },
  mutate: (bytes, random, sample) =>
    sample.name === LOG_FILE ? byName.mutate(bytes, random, sample) : mutateEventFile(bytes, random),
  isPastHeader: (bytes, sample) =>
    sample.name === LOG_FILE ? byName.isPastHeader(bytes, sample) : hasFirstRecord(bytes),
  read: (path) => RunLog.open(dirname(path), until),
};
