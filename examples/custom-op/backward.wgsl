@group(0) @binding(0) var<storage, read> dy: array<value>;
@group(0) @binding(1) var<storage, read> x: array<value>;
@group(0) @binding(2) var<storage, read_write> dx: array<value>;
@group(0) @binding(3) var<uniform> n: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) cell: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = cell.y * groups.x * WORKGROUP + cell.x;
  if (i < n) { dx[i] = 2 * max(x[i], 0) * dy[i]; }
}
