// Which keys the `mask` of kernels/attention shows to all queries of a batch row. Keys are numbered as in attention.wgsl.

fn mask_shows(batch: u32, n: u32) -> bool {
  if (params.hasMask == 0u || n < params.P) {
    return true;
  }
  return mask[(params.BFirst + batch) * params.kvCapacity + n - params.P] != 0;
}
