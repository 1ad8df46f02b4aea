#include "stream/session_rows.hpp"

#include <algorithm>
#include <utility>

#include "base/arithmetic.hpp"
#include "runtime/interruption.hpp"

namespace peephole {
namespace {

/// The most rows of a block: each block reads the weights once, and more rows than these do not
/// stay in cache from layer to layer.
constexpr Index kMostRows = 48;

}  // namespace

template <class T>
Index SessionRows<T>::h_of(const StreamModel<T>& model, Index layer) noexcept {
  Index values = 0;
  for (Index l = 0; l < layer; ++l) {
    const LayerSpec& spec = model.layers[at(l)].spec;
    values += spec.recurrent_size() + spec.hidden_size;
  }
  return values;
}

template <class T>
Index SessionRows<T>::c_of(const StreamModel<T>& model, Index layer) noexcept {
  return h_of(model, layer) + model.layers[at(layer)].spec.recurrent_size();
}

template <class T>
Index SessionRows<T>::values(const StreamModel<T>& model) noexcept {
  return h_of(model, static_cast<Index>(model.layers.size()));
}

template <class T>
void SessionRows<T>::begin(const StreamModel<T>& model, T* state) noexcept {
  for (Index layer = 0; layer < static_cast<Index>(model.layers.size()); ++layer) {
    model.begin(layer, state + h_of(model, layer), state + c_of(model, layer));
  }
}

template <class T>
SessionRows<T>::SessionRows(std::shared_ptr<const StreamModel<T>> model)
    : model_(std::move(model)) {
  one_row_.assign(1, 1, {});
  many_rows_.assign(kMostRows, 1, {});
  one_.reserve(model_->layers.size());
  many_.reserve(model_->layers.size());
  for (const StepLayer<T>& layer : model_->layers) {
    one_.emplace_back(layer, one_row_);
    many_.emplace_back(layer, many_rows_);
  }
  x_.reserve(many_rows_.batch() * model_->input_size());
  y_.reserve(many_rows_.batch() * model_->output_size());
  if (model_->input) input_.reserve(many_rows_.batch() * model_->stack_input_size());
}

template <class T>
Index SessionRows<T>::block_rows(Index n) const noexcept {
  // The rows of the kernels' tiles, 6 or 3.
  constexpr Index kTile = 6;
  const Index most = many_rows_.batch(), blocks = (n + most - 1) / most;
  return blocks < 2 ? most : std::min(most, round_up((n + blocks - 1) / blocks, kTile));
}

template <class T>
bool SessionRows<T>::run(const SessionCall<T>& call, T* states) noexcept {
  const Index rows = block_rows(call.n);
  for (Index first = 0; first < call.n; first += rows) {
    const Block block = {first, std::min(rows, call.n - first),
                         call.order != nullptr ? call.order + first : nullptr};
    gather(call, block, states);
    if (!run_block(call, block)) return false;
    scatter(call, block, states);
  }
  return true;
}

template <class T>
void SessionRows<T>::gather(const SessionCall<T>& call, const Block& block,
                            const T* states) noexcept {
  const Index size = values(*model_);
  for (Index row = 0; row < block.rows; ++row) {
    const T* from = states + call.slots[block.position(row)] * size;
    for (std::size_t layer = 0; layer < model_->layers.size(); ++layer) {
      const LayerSpec& spec = model_->layers[layer].spec;
      const Index P = spec.recurrent_size(), H = spec.hidden_size;
      std::copy_n(from, P, layers(block)[layer].state_h() + row * P);
      std::copy_n(from + P, H, layers(block)[layer].state_c() + row * H);
      from += P + H;
    }
  }
}

template <class T>
void SessionRows<T>::scatter(const SessionCall<T>& call, const Block& block, T* states) noexcept {
  const Index size = values(*model_);
  for (Index row = 0; row < block.rows; ++row) {
    T* to = states + call.slots[block.position(row)] * size;
    for (std::size_t layer = 0; layer < model_->layers.size(); ++layer) {
      const LayerSpec& spec = model_->layers[layer].spec;
      const Index P = spec.recurrent_size(), H = spec.hidden_size;
      std::copy_n(layers(block)[layer].state_h() + row * P, P, to);
      std::copy_n(layers(block)[layer].state_c() + row * H, H, to + P);
      to += P + H;
    }
  }
}

template <class T>
bool SessionRows<T>::run_block(const SessionCall<T>& call, const Block& block) noexcept {
  const auto length = [&](Index row) {
    return call.lengths != nullptr ? call.lengths[block.position(row)] : call.steps;
  };
  Interruption interruption;
  Index rows = block.rows;
  for (Index t = 0; t < call.steps; ++t) {
    while (rows > 0 && length(rows - 1) <= t) --rows;
    if (rows == 0) break;
    if (t % kStepsPerPoll == 0 && interruption.poll()) return false;
    step(call, block, t, rows);
  }
  const Index O = model_->output_size();
  for (Index row = 0; row < block.rows; ++row) {
    T* const y = call.y + block.position(row) * call.steps * O;
    std::fill(y + length(row) * O, y + call.steps * O, T{0});
  }
  return true;
}

template <class T>
void SessionRows<T>::step(const SessionCall<T>& call, const Block& block, Index t,
                          Index rows) noexcept {
  const Index I = model_->input_size(), O = model_->output_size();
  const auto x_of = [&](Index row) { return call.x + (block.position(row) * call.steps + t) * I; };
  const auto y_of = [&](Index row) { return call.y + (block.position(row) * call.steps + t) * O; };
  const bool in_place = block.order == nullptr;
  Rows<const T> x = {x_.data(), I};
  Rows<T> y = {y_.data(), O};
  if (in_place) {
    x = {x_of(0), call.steps * I};
    y = {y_of(0), call.steps * O};
  } else {
    for (Index row = 0; row < rows; ++row) std::copy_n(x_of(row), I, x_.data() + row * I);
  }
  x = model_->input_rows(x, rows, input_.data());
  for (LayerSteps<T>& layer : layers(block)) {
    layer.step(x, rows);
    x = layer.h();
  }
  model_->output(x, y, rows);
  if (in_place) return;
  for (Index row = 0; row < rows; ++row) std::copy_n(y.row(row), O, y_of(row));
}

template class SessionRows<float>;
template class SessionRows<double>;

}  // namespace peephole
