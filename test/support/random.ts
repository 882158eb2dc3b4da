export { generator } from "../../engine/check/random.js";
