#include "files/byte_order.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "peephole/files.hpp"
#include "support/check.hpp"

using namespace peephole;

namespace {

/// The values of a model's file are little-endian on every machine.
template <class T>
void test_model(const std::string& one) {
  LSTMConfig config;
  config.hidden_sizes = {2};
  LSTM<T> model(config, uninitialised);
  Parameters<T>& parameters = model.parameters();
  const auto tensors = static_cast<Index>(parameters.specs().size());
  for (Index i = 0; i < tensors; ++i) {
    const Index size = parameters.specs()[static_cast<std::size_t>(i)].size();
    parameters.assign(i, std::vector<T>(static_cast<std::size_t>(size), T{1}).data());
  }
  const std::string bytes = serialise(model);
  CHECK(bytes.compare(bytes.size() - one.size(), one.size(), one) == 0);
  const auto again = load<LSTM<T>>(bytes.data(), bytes.size(), nullptr);
  for (Index i = 0; i < tensors; ++i) {
    const T* const values = again.parameters().data(i);
    const Index size = parameters.specs()[static_cast<std::size_t>(i)].size();
    CHECK(std::all_of(values, values + size, [](T v) { return v == 1; }));
  }
}

void test_reversed() {
  std::string bytes;
  files::StringSink sink(bytes);
  files::write_values<true>(sink, "abcdefgh", 8, 2);
  files::write_values<true>(sink, "abcdefgh", 8, 8);
  files::write_values<true>(sink, "abcdefgh", 8, 1);
  CHECK(bytes == "badcfehghgfedcbaabcdefgh");
  // More than is written at once.
  std::string many, reversed;
  for (int i = 0; i < 3000; ++i) many += "wxyz", reversed += "zyxw";
  bytes.clear();
  files::write_values<true>(sink, many.data(), many.size(), 4);
  CHECK(bytes == reversed);
  files::reverse_values(many.data(), many.size(), 4);
  CHECK(many == reversed);
}

}  // namespace

int main() {
  test_model<float>({"\x00\x00\x80\x3f", 4});
  test_model<double>({"\x00\x00\x00\x00\x00\x00\xf0\x3f", 8});
  test_reversed();
  return check::report();
}
