export { csvOf } from "./csv.js";
export { reportHtml } from "./report.js";
