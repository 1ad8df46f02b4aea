// The head by every instruction set of this machine and by the reference path: against plain loops
// in double; and its bits, which may not depend on other rows or on threads.

#include "compute/head.hpp"

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "peephole/network.hpp"
#include "peephole/runtime.hpp"
#include "peephole/stream.hpp"
#include "support/arrays.hpp"
#include "support/check.hpp"
#include "support/executors.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

std::vector<IsaChoice> choices() {
  std::vector<IsaChoice> all = {{false, Isa::baseline}};
  for (Isa isa : available_isas()) all.push_back({true, isa});
  return all;
}

/// A head of random weights over random rows, which are further apart than they are long.
template <class T>
struct Case {
  Index n, F, O;
  HeadSpec spec;
  Index stride;
  std::vector<T> weight, bias, h, dlogits;

  Case(Index rows, Index inputs, Index outputs, Random& random)
      : n(rows),
        F(inputs),
        O(outputs),
        spec{inputs, outputs, HeadActivation::identity},
        stride(inputs + 3),
        weight(random.values<T>(O * F)),
        bias(random.values<T>(O)),
        h(random.values<T>(n * stride)),
        dlogits(random.values<T>(n * O)) {}

  HeadWeights<const T> weights() const { return {weight.data(), bias.data()}; }
  Head<T> head(IsaChoice isa) const {
    return HeadPacks<T>().forward(spec, weights(), backend_for(isa), 1);
  }
  Rows<const T> row(Index r) const { return {h.data() + r * stride, stride}; }

  std::vector<T> logits(IsaChoice isa) const {
    std::vector<T> logits(at(n * O), T(7));
    head_logits(head(isa), row(0), n, Rows<T>{logits.data(), O});
    return logits;
  }
  /// Rows begin <= r < end alone, and others untouched.
  std::vector<T> logits_of(IsaChoice isa, Index begin, Index end) const {
    const Index apart = O + 2;
    std::vector<T> room(at((end - begin) * apart), T(7)), logits;
    head_logits_alone(head(isa), row(begin), end - begin, Rows<T>{room.data(), apart});
    for (Index r = 0; r < end - begin; ++r) {
      const auto from = room.begin() + r * apart;
      logits.insert(logits.end(), from, from + O);
      CHECK(from[O] == T(7) && from[O + 1] == T(7));
    }
    return logits;
  }

  struct Gradients {
    std::vector<T> dh, dweight, dbias;
    bool operator==(const Gradients& b) const {
      return dh == b.dh && dweight == b.dweight && dbias == b.dbias;
    }
  };
  Gradients gradients(IsaChoice isa) const {
    return gradients_into(
        [&](const Head<T>& head, Rows<T> dh, HeadWeights<T> dweights) {
          head_gradients(head, row(0), dlogits.data(), n, dh, dweights);
        },
        isa);
  }
  template <class Compute>
  Gradients gradients_into(const Compute& compute, IsaChoice isa) const {
    Gradients d = {std::vector<T>(at(n * stride), T(7)), std::vector<T>(at(O * F), T(7)),
                   std::vector<T>(at(O), T(7))};
    compute(HeadPacks<T>().backward(spec, weights(), backend_for(isa), 1),
            Rows<T>{d.dh.data(), stride}, HeadWeights<T>{d.dweight.data(), d.dbias.data()});
    for (Index r = 0; r < n; ++r) {
      for (Index i = F; i < stride; ++i) CHECK(d.dh[at(r * stride + i)] == T(7));
    }
    return d;
  }
};

/// Gradients that are read in a caller's array have the bits of packed ones.
template <class T>
void check_in_place(const Case<T>& c, IsaChoice isa) {
  if (backend_for(isa).is_reference()) return;
  const auto packed = c.gradients(isa);
  for (Index B : {Index{1}, Index{2}, Index{3}, c.n}) {
    if (B == 0 || c.n % B != 0) continue;
    const Index time = c.n / B, time_stride = c.O + 1, batch_stride = time * time_stride + 2;
    std::vector<T> array(at(B * batch_stride), T(7));
    for (Index r = 0; r < c.n; ++r) {
      std::copy_n(&c.dlogits[at(r * c.O)], c.O,
                  &array[at(r % B * batch_stride + r / B * time_stride)]);
    }
    auto d = c.gradients_into(
        [&](const Head<T>& head, Rows<T> dh, HeadWeights<T> dweights) {
          const SequenceView<const T> view = {array.data(), B,          time, c.O,
                                              batch_stride, time_stride};
          head_gradients(head, c.row(0), view, dh, dweights);
        },
        isa);
    CHECK(d == packed);
  }
}

/// got is the sum of `terms` products of numbers in -1 .. 1.
template <class T>
void check_sum(T got, double expected, Index terms) {
  const double tolerance =
      4 * std::numeric_limits<T>::epsilon() * std::sqrt(static_cast<double>(terms) + 4);
  CHECK_CLOSE(got, expected, 4 * tolerance);
}

template <class T>
void check_against_loops(const Case<T>& c, IsaChoice isa) {
  const std::vector<T> logits = c.logits(isa);
  const auto d = c.gradients(isa);
  const auto product = [](T a, T b) { return static_cast<double>(a) * static_cast<double>(b); };
  for (Index r = 0; r < c.n; ++r) {
    for (Index o = 0; o < c.O; ++o) {
      double sum = static_cast<double>(c.bias[at(o)]);
      for (Index i = 0; i < c.F; ++i) sum += product(c.weight[at(o * c.F + i)], c.row(r).data[i]);
      check_sum(logits[at(r * c.O + o)], sum, c.F);
    }
    for (Index i = 0; i < c.F; ++i) {
      double sum = 0;
      for (Index o = 0; o < c.O; ++o) {
        sum += product(c.weight[at(o * c.F + i)], c.dlogits[at(r * c.O + o)]);
      }
      check_sum(d.dh[at(r * c.stride + i)], sum, c.O);
    }
  }
  for (Index o = 0; o < c.O; ++o) {
    double bias = 0;
    for (Index r = 0; r < c.n; ++r) bias += static_cast<double>(c.dlogits[at(r * c.O + o)]);
    check_sum(d.dbias[at(o)], bias, c.n);
    for (Index i = 0; i < c.F; ++i) {
      double sum = 0;
      for (Index r = 0; r < c.n; ++r) sum += product(c.dlogits[at(r * c.O + o)], c.row(r).data[i]);
      check_sum(d.dweight[at(o * c.F + i)], sum, c.n);
    }
  }
}

/// Rows have the same bits alone, in pieces and together.
template <class T>
void check_rows(const Case<T>& c, IsaChoice isa) {
  const std::vector<T> all = c.logits(isa);
  for (Index piece : {Index{1}, Index{2}, Index{5}, Index{7}}) {
    std::vector<T> pieces;
    for (Index r = 0; r < c.n; r += piece) {
      const auto part = c.logits_of(isa, r, std::min(c.n, r + piece));
      pieces.insert(pieces.end(), part.begin(), part.end());
    }
    CHECK(pieces == all);
  }
}

template <class T>
void check_nan(Case<T> c, IsaChoice isa, Random& random) {
  const Index bad = static_cast<Index>(random.uniform(0, static_cast<double>(c.n)));
  const std::vector<T> before = c.logits(isa);
  const auto gradients = c.gradients(isa);
  c.h[at(bad * c.stride + c.F / 2)] = std::numeric_limits<T>::quiet_NaN();
  c.dlogits[at(bad * c.O + c.O / 2)] = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> after = c.logits(isa);
  const auto with_nan = c.gradients(isa);
  for (Index r = 0; r < c.n; ++r) {
    for (Index o = 0; o < c.O; ++o) {
      const std::size_t k = at(r * c.O + o);
      CHECK(r == bad ? std::isnan(after[k]) : after[k] == before[k]);
    }
    for (Index i = 0; i < c.F; ++i) {
      const std::size_t k = at(r * c.stride + i);
      CHECK(r == bad ? std::isnan(with_nan.dh[k]) : with_nan.dh[k] == gradients.dh[k]);
    }
  }
}

template <class T>
void check_threads(const Case<T>& c, IsaChoice isa) {
  set_num_threads(1);
  const std::vector<T> logits = c.logits(isa);
  const auto gradients = c.gradients(isa);
  for (int threads : {2, 3}) {
    set_num_threads(threads);
    CHECK(c.logits(isa) == logits);
    CHECK(c.gradients(isa) == gradients);
  }
  for (Executor* executor : all_executors()) {
    const ScopedExecutor scope(executor);
    CHECK(c.logits(isa) == logits);
    CHECK(c.gradients(isa) == gradients);
  }
  set_num_threads(1);
}

template <class T>
void check_heads() {
  Random random(5);
  const auto pick = [&](Index low, Index high) {
    return static_cast<Index>(random.uniform(static_cast<double>(low), static_cast<double>(high)));
  };
  std::vector<Case<T>> cases;
  for (Index O : {1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 64, 100}) {
    for (Index F : {1, 15, 16, 17, 33, 64}) cases.emplace_back(pick(1, 30), F, O, random);
  }
  cases.emplace_back(1, 64, 500, random);
  cases.emplace_back(33, 20, 500, random);
  cases.emplace_back(300, 33, 17, random);
  cases.emplace_back(300, 33, 50, random);
  cases.emplace_back(129, 500, 2, random);
  for (const IsaChoice& isa : choices()) {
    for (const Case<T>& c : cases) {
      check_against_loops(c, isa);
      check_rows(c, isa);
      check_in_place(c, isa);
      check_nan(c, isa, random);
    }
    for (Index O : {1, 4, 17, 130}) check_against_loops(Case<T>(0, 33, O, random), isa);
    for (Index O : {1, 4, 40, 130}) check_threads(Case<T>(3000, 70, O, random), isa);
  }
}

/// A stream has the bits of the whole sequence, for outputs of either order of sums.
void check_streams(const std::string& isa) {
  set_isa(isa);
  Random random(6);
  for (Index O : {1, 4, 5, 16, 70, 500}) {
    const Index B = 3, time = 9, I = 2;
    NetworkConfig config;
    config.lstm.input_size = I;
    config.lstm.hidden_sizes = std::vector<Index>{20};
    config.output_size = O;
    const Network<float> network(config, /*seed=*/1);
    const auto x = random.values<float>(B * time * I);
    std::vector<float> y(at(B * time * O)), streamed(y.size());
    network.infer({contiguous(x.data(), B, time, I)}, {contiguous(y.data(), B, time, O)});
    Stream<float>(network, B).process(x.data(), streamed.data(), time);
    CHECK(streamed == y);
    for (Index b = 0; b < B; ++b) {
      Stream<float>(network).process(x.data() + b * time * I, streamed.data() + b * time * O, time);
    }
    CHECK(streamed == y);
  }
}

}  // namespace

int main() {
  check_heads<float>();
  check_heads<double>();
  check_streams("reference");
  for (Isa isa : available_isas()) check_streams(to_string(isa));
  return check::report();
}
