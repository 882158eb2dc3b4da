// Which keys a query of kernels/attention sees, by its `params`, but for those that attention-mask.wgsl hides. Keys are
// numbered as in attention.wgsl.

// Query i sees keys below this number.
fn keys_seen(i: u32) -> u32 {
  let behind = max(i + params.S + 1u, params.L) - params.L;
  return params.P + min(params.S, select(params.S, behind, params.causal == 1u));
}

// The first query that sees key n, if any does.
fn first_query(n: u32) -> u32 {
  let behind = max(n + params.L, params.P + params.S) - (params.P + params.S);
  return select(0u, behind, params.causal == 1u && n >= params.P);
}
