/** The platform of a page, and what reads images through it, for tests to call. */
import { platform } from "../../../bindings/platform/browser.js";
import { imagePixels } from "../../../models/images/load-image.js";

Object.assign(globalThis, { platform, imagePixels, result: null });
