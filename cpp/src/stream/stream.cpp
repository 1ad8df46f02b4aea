#include "peephole/stream.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>
#include <utility>

#include "base/errors.hpp"
#include "compute/step.hpp"
#include "runtime/flush_denormals.hpp"
#include "runtime/interruption.hpp"
#include "stream/model.hpp"

namespace peephole {

template <class T>
struct Stream<T>::Impl {
  Impl(std::shared_ptr<const StreamModel<T>> of, Index batch) : model(std::move(of)) {
    one_step.assign(batch, 1, {});
    layers.reserve(model->layers.size());
    for (const auto& layer : model->layers) layers.emplace_back(layer, one_step);
    if (model->input) input.reserve(batch * model->stack_input_size());
    reset();
  }

  /// Puts every sequence into the state in which the model begins.
  void reset() noexcept {
    for (Index index = 0; index < static_cast<Index>(layers.size()); ++index) {
      const Index P = spec(index).recurrent_size(), H = spec(index).hidden_size;
      for (Index b = 0; b < batch(); ++b) {
        model->begin(index, layer(index).state_h() + b * P, layer(index).state_c() + b * H);
      }
    }
  }

  Index batch() const noexcept { return one_step.batch(); }
  const LayerSpec& spec(Index layer) const noexcept {
    return model->layers[static_cast<std::size_t>(layer)].spec;
  }
  Index size_h(Index layer) const noexcept { return batch() * spec(layer).recurrent_size(); }
  Index size_c(Index layer) const noexcept { return batch() * spec(layer).hidden_size; }
  LayerSteps<T>& layer(Index index) noexcept {
    assert(0 <= index && index < static_cast<Index>(layers.size()));
    return layers[static_cast<std::size_t>(index)];
  }

  /// x (B, I) and y (B, O), which may be x.
  void step(Rows<const T> x, Rows<T> y) noexcept {
    x = model->input_rows(x, batch(), input.data());
    for (LayerSteps<T>& layer : layers) {
      layer.step(x);
      x = layer.h();
    }
    model->output(x, y, batch());
  }

  const std::shared_ptr<const StreamModel<T>> model;
  Schedule one_step;
  std::vector<LayerSteps<T>> layers;
  Buffer<T> input;  // (B, D): the output of the dense layer before them, if there is one
};

namespace {

void check_batch(const LSTMConfig& config, Index batch) {
  const Index H = *std::max_element(config.hidden_sizes.begin(), config.hidden_sizes.end());
  const Index most = std::numeric_limits<Index>::max() / (2 * kGates * H * Index{sizeof(double)});
  if (batch < 1 || batch > most) {
    refuse("batch", "an integer in 1.." + std::to_string(most), std::to_string(batch));
  }
}

}  // namespace

template <class T>
Stream<T>::Stream(const LSTM<T>& lstm, Index batch) {
  auto model = StreamModel<T>::of(*lstm.stack_, nullptr);
  check_batch(lstm.config(), batch);
  impl_ = std::make_unique<Impl>(std::move(model), batch);
}

template <class T>
Stream<T>::Stream(const Network<T>& network, Index batch) {
  auto model = StreamModel<T>::of(*network.lstm()->stack_, &network.config());
  check_batch(network.config().lstm, batch);
  impl_ = std::make_unique<Impl>(std::move(model), batch);
}

template <class T>
Stream<T>::Stream(const Stream& other)
    : impl_(std::make_unique<Impl>(other.impl_->model, other.batch())) {
  for (Index layer = 0; layer < layers(); ++layer) {
    const auto& from = other.impl_->layer(layer);
    set_state(layer,
              {from.state_h(), from.state_c(), batch(), hidden_size(layer), recurrent_size(layer)});
  }
}

template <class T>
Stream<T>::~Stream() = default;
template <class T>
Stream<T>::Stream(Stream&&) noexcept = default;
template <class T>
Stream<T>& Stream<T>::operator=(Stream&&) noexcept = default;

template <class T>
void Stream<T>::swap(Stream& other) noexcept {
  impl_.swap(other.impl_);
}

template <class T>
Index Stream<T>::batch() const noexcept {
  return impl_->batch();
}

template <class T>
Index Stream<T>::input_size() const noexcept {
  return impl_->model->input_size();
}

template <class T>
Index Stream<T>::output_size() const noexcept {
  return impl_->model->output_size();
}

template <class T>
Index Stream<T>::layers() const noexcept {
  return static_cast<Index>(impl_->layers.size());
}

template <class T>
Index Stream<T>::hidden_size(Index layer) const noexcept {
  return impl_->spec(layer).hidden_size;
}

template <class T>
Index Stream<T>::recurrent_size(Index layer) const noexcept {
  return impl_->spec(layer).recurrent_size();
}

template <class T>
const NetworkConfig& Stream<T>::config() const noexcept {
  return impl_->model->config;
}

template <class T>
bool Stream<T>::has_head() const noexcept {
  return impl_->model->head.has_value();
}

template <class T>
const T* Stream<T>::weights() const noexcept {
  return impl_->model->values.data();
}

template <class T>
std::shared_ptr<const StreamModel<T>> Stream<T>::model() const noexcept {
  return impl_->model;
}

template <class T>
void Stream<T>::step(const T* x, T* y) noexcept {
  const FlushDenormals flush;
  impl_->step({x, input_size()}, {y, output_size()});
}

template <class T>
void Stream<T>::process(const T* x, T* y, Index n) noexcept {
  const FlushDenormals flush;
  const Index I = input_size(), O = output_size();
  Interruption interruption;
  for (Index t = 0; t < n; ++t) {
    if (t % kStepsPerPoll == 0 && interruption.poll()) return;
    impl_->step({x + t * I, n * I}, {y + t * O, n * O});
  }
}

template <class T>
void Stream<T>::reset() noexcept {
  impl_->reset();
}

template <class T>
void Stream<T>::set_state(Index layer, StateView<const T> state) noexcept {
  assert(state.batch == batch() && state.hidden_size == hidden_size(layer) &&
         state.recurrent_size() == recurrent_size(layer));
  std::copy_n(state.h, impl_->size_h(layer), impl_->layer(layer).state_h());
  std::copy_n(state.c, impl_->size_c(layer), impl_->layer(layer).state_c());
}

template <class T>
void Stream<T>::get_state(Index layer, StateView<T> state) const noexcept {
  assert(state.batch == batch() && state.hidden_size == hidden_size(layer) &&
         state.recurrent_size() == recurrent_size(layer));
  std::copy_n(impl_->layer(layer).state_h(), impl_->size_h(layer), state.h);
  std::copy_n(impl_->layer(layer).state_c(), impl_->size_c(layer), state.c);
}

template class Stream<float>;
template class Stream<double>;

}  // namespace peephole
