// Recorded launches as CUDA graphs: a replay is one call of the driver.
//
// A graph is made by capturing a stream of its own into which the recorded command stream is launched: not from the step as
// it runs, which goes on running while it is recorded, with uploads between its launches that are no part of a replay; and
// not node by node, which would be a second way to describe a launch.
#pragma once
#include <map>

#include "bindings/native/cuda/launcher.h"
#include "bindings/native/cuda/session.h"

namespace consilium::cuda {

class Graphs {
 public:
  Graphs(const Session &session, Launcher &launcher) : session_(session), launcher_(launcher) {}
  ~Graphs();
  Graphs(const Graphs &) = delete;

  // From 1 on.
  int make(const uint32_t *words, size_t count);
  void launch(int graph, Timeline &timeline);
  // What is running finishes.
  void release(int graph);

 private:
  struct Made {
    GraphExec executable;
    unsigned launches;
  };
  const Session &session_;
  Launcher &launcher_;
  std::map<int, Made> graphs_;
  int made_ = 0;
};

}  // namespace consilium::cuda
