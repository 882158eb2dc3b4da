// A grid of more workgroups than one dimension holds (65,535) is folded into two: see foldGrid in grid.ts.

fn folded_index(group: vec3<u32>, count: vec3<u32>) -> u32 {
  return group.y * count.x + group.x;
}
