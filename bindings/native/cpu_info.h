// What the cpu device runs on, and which of the compiled instruction sets it uses.
#pragma once
#include <string>

namespace consilium {

// Brand string of the processor; empty where it has none to ask for.
std::string chip_name();

// The instruction set that every kernel is dispatched to, e.g. "AVX3".
std::string target_name();

// Restricts dispatch, in the whole process, to `name` and weaker sets. Returns an error text, empty on success.
std::string restrict_target(const std::string &name);

}  // namespace consilium
