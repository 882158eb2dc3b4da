export { AdamW, type AdamWOptions } from "./adamw.js";
export { clipGradNorm } from "./clip-grad-norm.js";
export { GradScaler, type GradScalerOptions, type GradScalerReport } from "./grad-scaler.js";
export { movingAverage } from "./moving-average.js";
export { Optimizer, type Parameters } from "./optimizer.js";
export { constantRate, cosine, linearWarmup, type Schedule } from "./schedule.js";
export { SGD, type SGDOptions } from "./sgd.js";
