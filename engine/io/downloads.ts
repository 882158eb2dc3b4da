import { platform } from "#platform";
import type { Download } from "../../bindings/platform/files.js";

export type { Download };

/**
 * Calls `listener` while files come over the network (in a page, where paths are URLs), as often as bytes arrive. Returns a
 * function that ends it.
 */
export const onDownload = (listener: (download: Download) => void): (() => void) => platform.onDownload(listener);
