#include "peephole/stream.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "peephole/runtime.hpp"
#include "stream/networks.hpp"
#include "support/check.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

/// The same bits, but for those of a NaN: which of two operands it comes from is the compiler's.
bool same_numbers(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float p, float q) {
    return std::memcmp(&p, &q, sizeof p) == 0 || (std::isnan(p) && std::isnan(q));
  });
}

/// All that may stand in a stack of one direction, in small.
template <class F>
void for_each_stack(F&& f) {
  int number = 0;
  for (Peephole peephole : {Peephole::none, Peephole::diagonal, Peephole::dense}) {
    for (OutputPeephole read : {OutputPeephole::previous, OutputPeephole::current}) {
      for (const char* gates : {"ifgo", "ifo", "g", "o"}) {
        for (Index layers : {1, 2, 3}) {
          LSTMConfig config;
          config.input_size = 1 + number % 3;
          for (Index l = 0; l < layers; ++l) config.hidden_sizes.push_back(3 + 7 * l + number % 5);
          if (number % 3 == 1) config.projection_size = 1 + number % 2;
          if (number % 6 == 1) config.projection_clip = 0.1;
          config.peephole = peephole;
          config.peephole_gates = parse_gates(gates);
          config.output_peephole = read;
          config.bias = number % 4 != 3;
          config.coupled_input_forget = number % 5 == 4;
          if (number % 3 == 1) {
            config.layer_norm = static_cast<LayerNorm>(number % 2);
            config.layer_norm_cell = static_cast<LayerNormCell>(number / 3 % 3);
            config.layer_norm_epsilon = 0.1;
          }
          if (number % 2 == 1) {
            config.activations.resize(at(layers));
            config.activations.front() = {Activation::hard_sigmoid, Activation::softsign,
                                          Activation::relu, Activation::one, Activation::softplus};
            config.activations.back() = {Activation::one, Activation::sigmoid, Activation::identity,
                                         Activation::tanh, Activation::softsign};
          }
          f(config, number++);
        }
      }
    }
  }
}

template <class T>
void check_network(const NetworkConfig& config, Index B, bool masked, Random& random) {
  const Network<T> network = random_network<T>(config, random, masked);
  const Index I = config.lstm.input_size, O = config.output_size;
  const std::vector<T> x = random.values<T>(B * kTime * I, -2, 2);
  const std::vector<T> expected = inferred(network, x, B, kTime);

  Stream<T> stream(network, B);
  CHECK(stream.batch() == B && stream.input_size() == I && stream.output_size() == O);
  CHECK(stream.layers() == config.lstm.layers());
  CHECK(stream.hidden_size(0) == config.lstm.hidden_sizes[0]);
  const std::vector<T> y = stepped(stream, x, kTime);
  if (config.readout == Readout::all) {
    CHECK(same_bits(y, expected));
  } else {
    for (Index b = 0; b < B; ++b) {
      const T* const last = &y[at(((b + 1) * kTime - 1) * O)];
      CHECK(std::memcmp(last, &expected[at(b * O)], at(O) * sizeof(T)) == 0);
    }
  }
  std::vector<T> block(y.size());
  stream.reset();
  stream.process(x.data(), block.data(), kTime);
  CHECK(same_bits(block, y));
}

template <class T>
void equals_infer() {
  Random random(5);
  const HeadActivation heads[] = {HeadActivation::identity, HeadActivation::sigmoid,
                                  HeadActivation::tanh, HeadActivation::softmax};
  for_each_stack([&](const LSTMConfig& lstm, int number) {
    NetworkConfig config;
    config.lstm = lstm;
    config.output_size = 1 + number % 4;
    config.head = heads[number % 4];
    config.readout = number % 7 == 6 ? Readout::last : Readout::all;
    for (Index B : {1, 3}) check_network<T>(config, B, number % 3 == 2, random);
  });
  // Every number of panels of the kernels, whole and not; heads longer than their partial sums.
  for (Index H : {1, 2, 4, 5, 8, 9, 12, 16, 17, 20, 24, 25, 31, 32, 33, 40, 48, 63, 64, 65, 130}) {
    for (Index I : {1, 2, 19}) {
      NetworkConfig config;
      config.lstm.input_size = I;
      config.lstm.hidden_sizes = {H};
      config.output_size = I;
      check_network<T>(config, 1, false, random);
      config.lstm.activations = {{Activation::sigmoid, Activation::sigmoid, Activation::softsign,
                                  Activation::sigmoid, Activation::identity}};
      check_network<T>(config, 1, false, random);
      config.lstm.activations.clear();
      config.lstm.peephole = Peephole::dense;
      check_network<T>(config, 1, false, random);
      if (H == 1) continue;
      config.lstm.projection_size = (H + 1) / 2;
      check_network<T>(config, 1, false, random);
      config.lstm.peephole = Peephole::diagonal;
      check_network<T>(config, 1, false, random);
    }
  }
}

template <class T>
void a_layer_equals_infer() {
  Random random(6);
  for (Index B : {1, 2}) {
    LSTMConfig config;
    config.input_size = 2;
    config.hidden_sizes = {18, 5};
    LSTM<T> lstm(config, uninitialised);
    randomise(lstm.parameters(), random);
    const std::vector<T> x = random.values<T>(B * kTime * 2);
    States<T> initial(config, B, random), final(config, B);
    std::vector<T> y(at(B * kTime * 5));
    const auto from = initial.const_views();
    const auto to = final.views();
    lstm.infer({contiguous(x.data(), B, kTime, 2), {}, from},
               {contiguous(y.data(), B, kTime, 5), to});

    Stream<T> stream(lstm, B);
    for (Index l = 0; l < 2; ++l) stream.set_state(l, initial.const_views()[at(l)]);
    CHECK(same_bits(stepped(stream, x, kTime), y));
    States<T> reached(config, B);
    for (Index l = 0; l < 2; ++l) stream.get_state(l, reached.views()[at(l)]);
    for (std::size_t l = 0; l < 2; ++l) {
      CHECK(same_bits(reached.h[l], final.h[l]) && same_bits(reached.c[l], final.c[l]));
    }

    // On from a state that went out and in again, in a stream and in a copy of it.
    Stream<T> copy(stream), other(lstm, B);
    for (Index l = 0; l < 2; ++l) other.set_state(l, reached.const_views()[at(l)]);
    const std::vector<T> next = stepped(stream, x, kTime);
    CHECK(same_bits(stepped(copy, x, kTime), next));
    CHECK(same_bits(stepped(other, x, kTime), next));
    other.reset();
    Stream<T> fresh(lstm, B);
    CHECK(same_bits(stepped(other, x, kTime), stepped(fresh, x, kTime)));
  }
}

/// y may be x where O = I, with a head and without.
void in_place() {
  Random random(7);
  for (Index B : {1, 2}) {
    const Network<float> network = random_network<float>(filter(9), random, false);
    Stream<float> stream(network, B);
    std::vector<float> x = random.values<float>(B * kTime), y(x.size());
    stream.process(x.data(), y.data(), kTime);
    stream.reset();
    stream.process(x.data(), x.data(), kTime);
    CHECK(same_bits(x, y));

    LSTMConfig config;
    config.input_size = 33;
    config.hidden_sizes = {33};
    LSTM<float> lstm(config, uninitialised);
    randomise(lstm.parameters(), random);
    Stream<float> layer(lstm, B);
    std::vector<float> in = random.values<float>(B * 33 * kTime), out(in.size());
    layer.process(in.data(), out.data(), kTime);
    layer.reset();
    layer.process(in.data(), in.data(), kTime);
    CHECK(same_bits(in, out));
  }
}

/// NaN and infinities come out as they do of infer.
void passes_nan_on() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Random random(10);
  for (Index H : {5, 16, 20, 40}) {
    const Network<float> network = random_network<float>(filter(H), random, false);
    for (float strange : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(), 1e30f}) {
      std::vector<float> x = random.values<float>(kTime);
      x[3] = strange;
      Stream<float> stream(network);
      CHECK(same_numbers(stepped(stream, x, kTime), inferred(network, x, 1, kTime)));
    }
  }
}

/// Decaying to numbers too small for their exponent, which count as zeros; the caller's mode stays.
void floating_point_mode() {
#if defined(__SSE2__)
  constexpr unsigned kFlush = 1u << 15 | 1u << 6, kFlags = 0x3f;
  Random random(11);
  const Network<float> network = random_network<float>(filter(6), random, false);
  std::vector<float> x(40, 1e-39f), y(x.size());
  for (unsigned mode : {0u, kFlush}) {
    const unsigned callers = _mm_getcsr();
    _mm_setcsr((callers & ~kFlush) | mode);
    const std::vector<float> expected = inferred(network, x, 1, 40);
    Stream<float> stream(network);
    stream.step(x.data(), y.data());
    CHECK((_mm_getcsr() & ~kFlags) == (((callers & ~kFlush) | mode) & ~kFlags));
    stream.reset();
    stream.process(x.data(), y.data(), 40);
    CHECK((_mm_getcsr() & ~kFlags) == (((callers & ~kFlush) | mode) & ~kFlags));
    _mm_setcsr(callers);
    CHECK(same_bits(y, expected));
  }
#endif
}

void bad_arguments() {
  LSTMConfig config;
  config.hidden_sizes = {3};
  config.bidirectional = true;
  CHECK_THROWS(Stream<float>(LSTM<float>(config, 0)), "bidirectional");
  NetworkConfig network;
  network.lstm = config;
  CHECK_THROWS(Stream<double>(Network<double>(network, 0)), "bidirectional");
  const Network<float> good(filter(3), 0);
  CHECK_THROWS(Stream<float>(good, 0), "batch: expected an integer in 1..");
  CHECK_THROWS(Stream<float>(good, std::numeric_limits<Index>::max() / 4),
               "batch: expected an integer in 1..");
  for (Readout readout : {Readout::mean, Readout::max}) {
    NetworkConfig at_once = filter(3);
    at_once.readout = readout;
    CHECK_THROWS(Stream<float>(Network<float>(at_once, 0)),
                 "stream: expected a model whose readout");
  }
}

}  // namespace

int main() {
  const std::string chosen = isa();
  for (const std::string& name : isas()) {
    set_isa(name);
    equals_infer<float>();
    equals_infer<double>();
    a_layer_equals_infer<float>();
    a_layer_equals_infer<double>();
    in_place();
    passes_nan_on();
    floating_point_mode();
  }
  set_isa(chosen);
  bad_arguments();
  return check::report();
}
