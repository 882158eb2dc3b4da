/** Everything that the engine exports, and all kernels with it. */
export * from "consilium";
