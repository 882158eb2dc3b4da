// Streams, graphs and events.
#include <chrono>

#include "driver.h"

using simt::driver;

struct CUevent_st {
  std::chrono::steady_clock::time_point time;
  bool recorded = false;
  bool pending = false;  // its place in the stream has not been reached
  CUstream_st *stream = nullptr;
};

namespace {

// Carries out what waits in a stream, in order, until `done` says so or nothing is left.
template <class Done>
void run_until(CUstream_st &stream, Done done) {
  while (!stream.waiting.empty() && !done()) {
    const Work work = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    work();
  }
}

void reach(CUevent_st &event) {
  if (event.pending && event.stream) run_until(*event.stream, [&] { return !event.pending; });
}

}  // namespace

namespace simt {

CUresult enqueue(CUstream_st *stream, Work work) {
  if (!stream) {
    work();
  } else if (stream->capture) {
    stream->capture->works.push_back(std::move(work));
  } else {
    stream->waiting.push_back(std::move(work));
    if (!late()) run_until(*stream, [] { return false; });
  }
  return CUDA_SUCCESS;
}

}  // namespace simt

CUDA_API CUresult cuLaunchHostFunc(CUstream_st *stream, void (*call_back)(void *), void *data) {
  BEGIN_CALL();
  return simt::enqueue(stream, [=] { call_back(data); });
}

CUDA_API CUresult cuStreamCreate(CUstream_st **stream, unsigned int) {
  BEGIN_CALL();
  *stream = new CUstream_st;
  (*stream)->context = simt::current_context();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamDestroy_v2(CUstream_st *stream) {
  BEGIN_CALL(false);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  delete stream;
  return driver.sticky;
}

CUDA_API CUresult cuStreamSynchronize(CUstream_st *stream) {
  simt::note_wait("cuStreamSynchronize");
  BEGIN_CALL();
  if (stream && stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream) run_until(*stream, [] { return false; });
  return driver.sticky;
}

CUDA_API CUresult cuStreamQuery(CUstream_st *stream) {
  BEGIN_CALL();
  return stream && !stream->waiting.empty() ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamBeginCapture_v2(CUstream_st *stream, int) {
  BEGIN_CALL();
  if (!stream) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
  stream->capture = std::make_unique<CUgraph_st>();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamEndCapture(CUstream_st *stream, CUgraph_st **graph) {
  BEGIN_CALL();
  if (!stream || !stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
  *graph = stream->capture.release();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphInstantiateWithFlags(CUgraphExec_st **executable, CUgraph_st *graph, unsigned long long) {
  BEGIN_CALL();
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  *executable = new CUgraphExec_st{graph->works};
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphLaunch(CUgraphExec_st *executable, CUstream_st *stream) {
  BEGIN_CALL();
  if (!executable) return CUDA_ERROR_INVALID_VALUE;
  for (const Work &work : executable->works) simt::enqueue(stream, work);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphExecDestroy(CUgraphExec_st *executable) {
  BEGIN_CALL(false);
  delete executable;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphDestroy(CUgraph_st *graph) {
  BEGIN_CALL(false);
  delete graph;
  return CUDA_SUCCESS;
}

// --- Events ---

CUDA_API CUresult cuEventCreate(CUevent_st **event, unsigned int) {
  BEGIN_CALL();
  *event = new CUevent_st;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuEventRecord(CUevent_st *event, CUstream_st *stream) {
  BEGIN_CALL();
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  event->stream = stream;
  event->pending = true;
  return simt::enqueue(stream, [=] {
    event->time = std::chrono::steady_clock::now();
    event->recorded = true;
    event->pending = false;
  });
}

CUDA_API CUresult cuEventSynchronize(CUevent_st *event) {
  simt::note_wait("cuEventSynchronize");
  BEGIN_CALL();
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  reach(*event);
  return driver.sticky;
}

CUDA_API CUresult cuEventQuery(CUevent_st *event) {
  BEGIN_CALL();
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  return event->pending ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CUDA_API CUresult cuEventElapsedTime(float *milliseconds, CUevent_st *start, CUevent_st *end) {
  BEGIN_CALL();
  if (!start || !end || !(start->recorded || start->pending) || !(end->recorded || end->pending))
    return CUDA_ERROR_INVALID_HANDLE;
  if (start->pending || end->pending) return CUDA_ERROR_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuEventDestroy_v2(CUevent_st *event) {
  BEGIN_CALL(false);
  if (event) reach(*event);
  delete event;
  return CUDA_SUCCESS;
}
