// What all lanes of a subgroup need, loaded by four of them: one load of a lane for four elements, where a load costs as
// much as many multiply-adds. Subgroups have four lanes or more, all of them here.

fn lane_of_four() -> u32 {
  return subgroupExclusiveAdd(1u) % 4u;
}

fn of_four_lanes(own: f32) -> vec4<f32> {
  return vec4(
    subgroupBroadcast(own, 0u),
    subgroupBroadcast(own, 1u),
    subgroupBroadcast(own, 2u),
    subgroupBroadcast(own, 3u),
  );
}
