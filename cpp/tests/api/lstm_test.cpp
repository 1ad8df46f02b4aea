#include "peephole/lstm.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "api/lstm_problem.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

template <class T>
void forward_equals_the_oracle() {
  for_each_config([](const LSTMConfig& config, int number) {
    const bool ragged = number % 4 < 2;
    Problem<T> problem(config, ragged ? kRagged : std::vector<Index>{}, 100);
    Parameters<T>& parameters = problem.lstm.parameters();
    if (number % 6 == 5) {
      thin_out(parameters, parameters.find("weight_hh_l0"), problem.random);
      if (config.peephole != Peephole::none) {
        thin_out(parameters, parameters.find("weight_ch_l1"), problem.random);
      }
    }
    problem.infer();
    check_against_oracle(problem);
    const std::vector<T> inferred = problem.y;
    Tape<T> tape;
    problem.forward(tape);
    check_against_oracle(problem);
    CHECK(inferred == problem.y);
    CHECK(tape.batch() == kBatch);
    CHECK(tape.time() == kTime);
    CHECK(tape.bytes() > 0);
  });
}

/// T steps equal T1 steps and then T2 with the state carried.
template <class T>
void chunks() {
  for (Peephole peephole : {Peephole::none, Peephole::diagonal, Peephole::dense}) {
    LSTMConfig config = one_layer(2, 3);
    config.hidden_sizes.push_back(2);
    config.peephole = peephole;
    Problem<T> problem(config, {}, 400);
    problem.infer();
    const std::vector<T> whole = problem.y;
    const States<T> final = problem.final;

    const Index first = 4;
    SequenceView<const T> x = problem.x_view();
    SequenceView<T> y = problem.y_view();
    States<T> state = problem.initial, carried(config, kBatch);
    x.time = y.time = first;
    const auto from = state.const_views(), on = carried.const_views();
    const auto middle = carried.views(), end = state.views();
    problem.lstm.infer({x, {}, from}, {y, middle});
    x.data = x.at(0, first);
    y.data = y.at(0, first);
    x.time = y.time = kTime - first;
    problem.lstm.infer({x, {}, on}, {y, end});
    for (std::size_t j = 0; j < whole.size(); ++j) {
      CHECK_CLOSE(problem.y[j], whole[j], kRounding<T>);
    }
    for (std::size_t i = 0; i < state.h.size(); ++i) {
      for (std::size_t j = 0; j < state.h[i].size(); ++j) {
        CHECK_CLOSE(state.h[i][j], final.h[i][j], kRounding<T>);
        CHECK_CLOSE(state.c[i][j], final.c[i][j], kRounding<T>);
      }
    }
  }
}

/// Inputs may be reversed and overlap; what lies between the rows of a result is left alone.
void strides() {
  const LSTMConfig config = one_layer(3, 2);
  Random random(500);
  LSTM<double> lstm(config, uninitialised);
  randomise(lstm.parameters(), random);
  const std::vector<double> series = random.values<double>(8);
  const Index B = 2, time = 4;
  const SequenceView<const double> windows{series.data() + 5, B, time, 3, -1, -1};
  std::vector<double> copied;
  for (Index b = 0; b < B; ++b) {
    for (Index t = 0; t < time; ++t)
      copied.insert(copied.end(), windows.at(b, t), windows.at(b, t) + 3);
  }
  std::vector<double> expected(at(B * time * 2));
  lstm.infer({contiguous<const double>(copied.data(), B, time, 3)},
             {contiguous(expected.data(), B, time, 2)});

  const double untouched = 7;
  std::vector<double> wide(at(B * time * 5), untouched);
  lstm.infer({windows}, {{wide.data() + 1, B, time, 2, time * 5, 5}});
  for (Index row = 0; row < B * time; ++row) {
    for (Index n = 0; n < 5; ++n) {
      const double value = wide[at(row * 5 + n)];
      CHECK(value == (n == 1 || n == 2 ? expected[at(row * 2 + n - 1)] : untouched));
    }
  }
}

/// No batch, no time, no real step: y is 0, states pass through, gradients too.
void nothing_to_do() {
  const LSTMConfig config = one_layer(2, 3);
  LSTM<double> lstm(config, uninitialised);
  Random random(600);
  randomise(lstm.parameters(), random);
  for (Index batch : {0, 2}) {
    for (Index time : {0, 3}) {
      if (batch > 0 && time > 0) continue;
      Tape<double> tape;
      States<double> initial(config, batch, random), final(config, batch);
      const std::vector<double> none(1);
      double y = 7;
      const auto from = initial.const_views();
      const auto to = final.views();
      lstm.forward({{none.data(), batch, time, 2, 0, 0}, {}, from},
                   {{&y, batch, time, 3, 0, 0}, to}, tape);
      CHECK(y == 7);
      CHECK(final.h == initial.h);
      CHECK(final.c == initial.c);
      States<double> dinitial(config, batch);
      std::vector<double> dparameters(at(lstm.parameters().flat_size()), 7.0);
      const SequenceView<const double> dy{none.data(), batch, time, 3, 0, 0};
      const auto back = dinitial.views();
      lstm.backward(tape, Gradient<double>::of_y(dy, from), dparameters, {{}, back});
      CHECK(dinitial.h == initial.h);
      CHECK(dinitial.c == initial.c);
      for (Index i = 0; i < 4; ++i) CHECK(dparameters[at(lstm.parameters().offset(i))] == 0);
    }
  }
}

/// What a tape shows of each layer is what the equations give: c_t follows from the gates, h_t from
/// c_t and o_t, and y is h of the last layer. But for normalised c_t.
void activities() {
  for_each_config([](const LSTMConfig& config, int number) {
    Problem<double> problem(config, number % 2 == 0 ? kRagged : std::vector<Index>{}, 650);
    Tape<double> tape;
    const auto initial = problem.initial.const_views();
    const bool normalised_c = config.layer_norm && config.layer_norm_cell != LayerNormCell::none;
    problem.lstm.trace({problem.x_view(), problem.lengths, initial}, {problem.y_view()}, tape);
    for (Index layer = 0; layer < 2; ++layer) {
      const Index H = config.hidden_sizes[at(layer)], P = config.recurrent_size(layer);
      for (Index d = 0; d < config.directions(); ++d) {
        const auto made = [&] { return std::vector<double>(at(kBatch * kTime * H), 7.0); };
        std::vector<double> i = made(), f = made(), g = made(), o = made(), c = made();
        std::vector<double> h(at(kBatch * kTime * P), 7.0);
        const auto view = [&](std::vector<double>& values) {
          return contiguous(values.data(), kBatch, kTime, H);
        };
        tape.activities(
            layer, d,
            {view(i), view(f), view(g), view(o), view(c), contiguous(h.data(), kBatch, kTime, P)});
        const Parameters<double>& parameters = problem.lstm.parameters();
        const Index at_hr =
            parameters.find("weight_hr_l" + std::to_string(layer) + (d == 1 ? "_reverse" : ""));
        const double* weight_hr = at_hr < 0 ? nullptr : std::as_const(parameters).data(at_hr);
        CHECK((weight_hr != nullptr) == config.projection_size.has_value());
        const Activation output =
            config.activations.empty() ? Activation::tanh : config.activations[at(layer)].c;
        const auto& c0 = problem.initial.c[at(layer * config.directions() + d)];
        for (Index b = 0; b < kBatch; ++b) {
          for (Index t = 0; t < kTime; ++t) {
            for (Index n = 0; n < H; ++n) {
              const std::size_t k = at((b * kTime + t) * H + n);
              if (t >= problem.length(b)) {
                CHECK(i[k] == 0 && f[k] == 0 && g[k] == 0 && o[k] == 0 && c[k] == 0);
                continue;
              }
              const Index before = d == 0 ? t - 1 : t + 1;
              const bool first = before < 0 || before >= problem.length(b);
              const double c_before =
                  first ? c0[at(b * H + n)] : c[at((b * kTime + before) * H + n)];
              if (!normalised_c) {
                CHECK_CLOSE(c[k], clipped(f[k] * c_before + g[k] * i[k], config.cell_clip),
                            kRounding<double>);
              }
              if (config.coupled_input_forget) CHECK_CLOSE(f[k], 1 - i[k], kRounding<double>);
            }
            for (Index p = 0; p < P; ++p) {
              const double h_p = h[at((b * kTime + t) * P + p)];
              if (t >= problem.length(b)) {
                CHECK(h_p == 0);
                continue;
              }
              const std::size_t row = at((b * kTime + t) * H);
              const auto m = [&](Index n) {
                return activate(output, c[row + at(n)]) * o[row + at(n)];
              };
              double expected = weight_hr == nullptr ? m(p) : 0;
              for (Index n = 0; weight_hr != nullptr && n < H; ++n)
                expected += weight_hr[p * H + n] * m(n);
              if (const auto clip = config.projection_clip)
                expected = std::min(std::max(expected, -*clip), *clip);
              if (!normalised_c) CHECK_CLOSE(h_p, expected, kRounding<double>);
              if (layer == 1) CHECK(h_p == problem.y[at((b * kTime + t) * problem.F + d * P + p)]);
            }
          }
        }
      }
    }
  });
  Problem<double> problem(one_layer(2, 3), {}, 660);
  Tape<double> tape, part(Keep::segments);
  CHECK_THROWS(tape.activities(0, 0, {}), "tape: expected one that a forward pass has filled");
  problem.forward(tape);
  tape.activities(0, 0, {});
  CHECK_THROWS(tape.activities(1, 0, {}), "layer: expected an integer in 0..0, got 1");
  CHECK_THROWS(tape.activities(0, 1, {}), "direction: expected");
  CHECK_THROWS(
      tape.activities(0, 0, {problem.y_view(), {}, {}, {}, {}, {problem.y.data(), 1, 1, 3}}),
      "h: expected (4, 6, 3)");
  problem.forward(part);
  CHECK_THROWS(part.activities(0, 0, {}), "tape: expected one that keeps all");
}

}  // namespace

int main() {
  forward_equals_the_oracle<double>();
  forward_equals_the_oracle<float>();
  chunks<double>();
  chunks<float>();
  strides();
  nothing_to_do();
  activities();
  return check::report();
}
