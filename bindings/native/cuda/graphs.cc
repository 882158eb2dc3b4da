#include "bindings/native/cuda/graphs.h"

namespace consilium::cuda {

Graphs::~Graphs() {
  for (const auto &[number, graph] : graphs_) session_.driver.cuGraphExecDestroy(graph.executable);
}

int Graphs::make(const uint32_t *words, size_t count) {
  const Driver &driver = session_.driver;
  check(driver, driver.cuStreamBeginCapture_v2(session_.recorder, capture_thread_local), "cuStreamBeginCapture");
  unsigned launches = 0;
  Graph graph = nullptr;
  try {
    launches = launcher_.capture(words, count, session_.recorder);
  } catch (...) {
    if (driver.cuStreamEndCapture(session_.recorder, &graph) == success) driver.cuGraphDestroy(graph);
    throw;
  }
  check(driver, driver.cuStreamEndCapture(session_.recorder, &graph), "cuStreamEndCapture");
  GraphExec executable = nullptr;
  const Result result = driver.cuGraphInstantiateWithFlags(&executable, graph, 0);
  driver.cuGraphDestroy(graph);
  check(driver, result, "cuGraphInstantiateWithFlags");
  graphs_.emplace(++made_, Made{executable, launches});
  return made_;
}

void Graphs::launch(int graph, Timeline &timeline) {
  const auto found = graphs_.find(graph);
  if (found == graphs_.end()) throw std::runtime_error("a replay of a graph that was released");
  timeline.launched({-1, {found->second.launches, 0, 0}, {0, 0, 0}});
  check(session_.driver, session_.driver.cuGraphLaunch(found->second.executable, session_.stream), "a replay");
}

void Graphs::release(int graph) {
  const auto found = graphs_.find(graph);
  if (found == graphs_.end()) return;
  session_.driver.cuGraphExecDestroy(found->second.executable);
  graphs_.erase(found);
}

}  // namespace consilium::cuda
