// The smallest plugin: it loads a network of float and computes its steps.

#include "peephole/files.hpp"
#include "peephole/stream.hpp"

using Voice = peephole::Stream<float>;

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT Voice* plugin_make(const char* path) {
  return new Voice(peephole::load<peephole::Network<float>>(path));
}
EXPORT void plugin_step(Voice* voice, const float* x, float* y) { voice->step(x, y); }
EXPORT void plugin_free(Voice* voice) { delete voice; }
