// Where in the sources something is, by addr2line of binutils, which is asked only when there is something to report.
#include <dlfcn.h>
#include <cstdio>
#include <cstring>
#include <map>

#include "block.h"

namespace simt {
namespace {

// `./kernels/op/../common/x.cuh` is `kernels/common/x.cuh`.
std::string shortened(std::string path) {
  while (path.rfind("./", 0) == 0) path.erase(0, 2);
  for (size_t up = path.find("/../"); up != std::string::npos && up > 0; up = path.find("/../")) {
    const size_t folder = path.rfind('/', up - 1);
    const size_t begin = folder == std::string::npos ? 0 : folder + 1;
    path.erase(begin, up + 4 - begin);
  }
  return path;
}

std::string lines_of(const char *file, uintptr_t offset) {
  char command[4608];
  snprintf(command, sizeof command, "addr2line -i -e '%s' 0x%zx 2>/dev/null", file, static_cast<size_t>(offset));
  FILE *pipe = popen(command, "r");
  std::string text;
  char line[4096];
  while (pipe && fgets(line, sizeof line, pipe)) {
    std::string place = shortened(std::string(line, strcspn(line, " \n")));
    if (place.empty() || place[0] == '?' || place.find(".cu") == std::string::npos) continue;
    text += (text.empty() ? "" : ", called at ") + place;
  }
  if (pipe) pclose(pipe);
  return text;
}

}  // namespace

std::string place_of(Site site) {
  static std::map<Site, std::string> known;
  const auto found = known.find(site);
  if (found != known.end()) return found->second;
  Dl_info info;
  std::string text = "an unknown place";
  if (dladdr(site, &info)) {
    const uintptr_t offset = reinterpret_cast<uintptr_t>(site) - reinterpret_cast<uintptr_t>(info.dli_fbase);
    text = lines_of(info.dli_fname, offset - 1);  // the call, not what follows it
    if (text.empty()) {
      char place[64];
      snprintf(place, sizeof place, "+0x%zx", static_cast<size_t>(offset));
      text = info.dli_fname + std::string(place);
    }
  }
  return known[site] = text;
}

std::string name_of(const Thread &thread) {
  char text[64];
  snprintf(text, sizeof text, "(%u,%u,%u)", thread.index.x, thread.index.y, thread.index.z);
  return text;
}

std::string current_place() {
  const Stack &stack = stack_of(block.current->number);
  std::string text;
  for (auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
       frame >= stack.begin && frame + 16 <= stack.end;) {
    const auto *saved = reinterpret_cast<const uintptr_t *>(frame);
    const uintptr_t code = saved[1];
    if (code >= block.launch.image_begin && code < block.launch.image_end) {
      const std::string place = place_of(reinterpret_cast<Site>(code));
      // The caller of the kernel is the simulator's.
      if (place.find(".cu") != std::string::npos) text += (text.empty() ? "" : ", called at ") + place;
    }
    if (saved[0] <= frame) break;
    frame = saved[0];
  }
  return text.empty() ? "the kernel's end" : text;
}

std::string waiting() {
  std::map<std::pair<std::string, std::string>, std::pair<unsigned int, const Thread *>> groups;
  for (unsigned int t = 0; t < block.threads; ++t) {
    const Thread &thread = block.all[t];
    if (thread.exited || !thread.waits_for) continue;
    auto &group = groups[{thread.waits_for, place_of(thread.site)}];
    if (group.first++ == 0) group.second = &thread;
  }
  std::string text;
  for (const auto &[key, group] : groups) {
    text += (text.empty() ? "" : "; ") + std::to_string(group.first) +
            (group.first == 1 ? " thread waits" : " threads wait");
    text += " in " + key.first + " at " + key.second + ", the first " + name_of(*group.second);
  }
  return text + "; " + std::to_string(block.exited) + " have exited";
}

}  // namespace simt
