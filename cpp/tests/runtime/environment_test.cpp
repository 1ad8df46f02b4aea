// Wrong values of environment variables are errors of their own, which name the variable and what
// it can be, until the program chooses itself.

#include <cstdlib>
#include <string>

#include "peephole/peephole.h"
#include "peephole/peephole.hpp"
#include "support/check.hpp"

using namespace peephole;

namespace {

template <class F>
std::string said_of_environment(F&& f) {
  try {
    f();
  } catch (const EnvironmentError& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

int main() {
#ifndef _WIN32
  setenv("PEEPHOLE_ISA", "avx99", 1);
  setenv("PEEPHOLE_NUM_THREADS", "none", 1);
  NetworkConfig config;
  config.lstm.hidden_sizes = {2};
  const Network<float> network(config, 0);
  const std::string expected = "PEEPHOLE_ISA: expected one of baseline, ";
  const auto begins = [&](const std::string& said) {
    return said.rfind(expected, 0) == 0 && said.find("avx99") != std::string::npos;
  };
  CHECK(begins(said_of_environment([&] { Stream<float> stream(network); })));
  CHECK(begins(said_of_environment([] { isa(); })));
  CHECK(said_of_environment([] { num_threads(); }).rfind("PEEPHOLE_NUM_THREADS: ", 0) == 0);

  const std::string file = serialise(network);
  peephole_model* model = nullptr;
  CHECK(peephole_load_memory(file.data(), file.size(), &model) == PEEPHOLE_BAD_ENVIRONMENT);
  CHECK(model == nullptr && begins(peephole_error()));

  set_isa("baseline");
  set_num_threads(1);
  CHECK(peephole_load_memory(file.data(), file.size(), &model) == PEEPHOLE_OK);
  peephole_free(model);
#else
  CHECK(true);
#endif
  return check::report();
}
