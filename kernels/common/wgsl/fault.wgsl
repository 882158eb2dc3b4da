// The fault words of the device: code, label, position, value. The kernel declares them as
// `var<storage, read_write> faults: array<atomic<u32>, 4>`. The first fault since they were read stays.

fn report_fault(code: u32, label: u32, position: u32, value: u32) {
  loop {
    let found = atomicCompareExchangeWeak(&faults[0], 0u, code);
    if (found.exchanged) {
      break;
    }
    if (found.old_value != 0u) {
      return;
    }
  }
  atomicStore(&faults[1], label);
  atomicStore(&faults[2], position);
  atomicStore(&faults[3], value);
}

fn report_bad_index(label: u32, position: u32, index: i32) {
  report_fault(1u, label, position, bitcast<u32>(index));
}

fn report_not_finite(label: u32, position: u32) {
  report_fault(2u, label, position, 0u);
}
