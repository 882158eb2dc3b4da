/** The platform of a page, for tests to call. */
import { platform } from "../../../bindings/platform/browser.js";

Object.assign(globalThis, { platform, result: null });
