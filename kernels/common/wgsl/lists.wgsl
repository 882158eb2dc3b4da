// For each of `size` keys the list of its positions, in rising order, without a sort and without atomics: a thread owns the
// keys that are equal to its number modulo the number of threads, and walks over all positions, counting first. Reads are
// the same for all threads. The kernel gives key_at(position), `size` or more for none, and memory for `size` starts,
// `size` ends and `positions` entries: binding `lists`.

fn make_lists(thread: u32, threads: u32, positions: u32, size: u32) {
  for (var key = thread; key < size; key += threads) {
    lists[size + key] = 0u;
  }
  // Where the lists of this thread begin: after those of the threads before it.
  var at = 2u * size;
  for (var p = 0u; p < positions; p++) {
    let key = key_at(p);
    let owner = key % threads;
    if (key < size && owner < thread) {
      at++;
    }
    if (key < size && owner == thread) {
      lists[size + key]++;
    }
  }
  for (var key = thread; key < size; key += threads) {
    let count = lists[size + key];
    lists[key] = at;
    lists[size + key] = at;
    at += count;
  }
  for (var p = 0u; p < positions; p++) {
    let key = key_at(p);
    if (key < size && key % threads == thread) {
      lists[lists[size + key]] = p;
      lists[size + key]++;
    }
  }
}
