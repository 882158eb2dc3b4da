#include "bindings/native/promises.h"

namespace consilium {

Promises::Promises(Napi::Env env, std::function<void(bool)> hold, std::function<Napi::Value(Napi::Env, int)> explain)
    : hold_(std::move(hold)), explain_(std::move(explain)) {
  announcer_ = Announcer::New(env, "consilium", 0, 1, this);
  announcer_.Unref(env);
}

Promises::Made Promises::make(Napi::Env env, Napi::ArrayBuffer data) {
  {
    // Room for all of them: threads that report have nobody to tell that there is none.
    std::lock_guard<std::mutex> lock(mutex_);
    if (done_.capacity() <= pending_.size()) done_.reserve(2 * pending_.size() + 16);
  }
  auto deferred = Napi::Promise::Deferred::New(env);
  if (pending_.empty()) {
    announcer_.Ref(env);
    hold_(true);
  }
  const uint64_t ticket = next_ticket_++;
  Pending pending{deferred, {}};
  if (!data.IsEmpty()) pending.data = Napi::Persistent(data);
  pending_.emplace(ticket, std::move(pending));
  return {ticket, deferred.Promise()};
}

void Promises::done(uint64_t ticket, int outcome) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    done_.emplace_back(ticket, outcome);
    if (done_.size() > 1) return;  // one call is on its way already
  }
  announcer_.NonBlockingCall();
}

void Promises::announce(Napi::Env env, Napi::Function, Promises *promises, void *) {
  if (env == nullptr) return;  // the environment is going away
  std::vector<std::pair<uint64_t, int>> done;
  {
    std::lock_guard<std::mutex> lock(promises->mutex_);
    done = promises->done_;
    promises->done_.clear();
  }
  try {
    for (const auto &[ticket, outcome] : done) {
      const auto found = promises->pending_.find(ticket);
      if (found == promises->pending_.end()) continue;
      Pending pending = std::move(found->second);
      promises->pending_.erase(found);
      if (outcome != 0)
        pending.deferred.Reject(promises->explain_(env, outcome));
      else
        pending.deferred.Resolve(pending.data.IsEmpty() ? env.Undefined() : Napi::Value(pending.data.Value()));
    }
    if (!done.empty() && promises->pending_.empty()) {
      promises->announcer_.Unref(env);
      promises->hold_(false);
    }
  } catch (const Napi::Error &) {
    // A worker that is being terminated runs no JavaScript: nobody is left to tell.
  }
}

void Promises::stop() { announcer_.Abort(); }

void Promises::reject_all(Napi::Env env, const char *message) {
  if (pending_.empty()) return;
  auto pending = std::move(pending_);
  pending_.clear();
  for (auto &[ticket, promise] : pending) promise.deferred.Reject(Napi::Error::New(env, message).Value());
  hold_(false);
}

}  // namespace consilium
