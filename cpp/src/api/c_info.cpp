#include <iterator>
#include <variant>

#include "api/c_model.hpp"

namespace {

/// f(stream) of a model as a size; 0 for NULL.
template <class F>
size_t size_of(const peephole_model* model, F&& f) noexcept {
  if (model == nullptr) return 0;
  return std::visit([&](const auto& stream) { return static_cast<size_t>(f(stream)); },
                    model->stream);
}

/// The same for f(stream, layer), if there is that layer.
template <class F>
size_t size_of_layer(const peephole_model* model, size_t layer, F&& f) noexcept {
  if (layer >= peephole_layers(model)) return 0;
  return size_of(model, [&](const auto& s) { return f(s, static_cast<peephole::Index>(layer)); });
}

}  // namespace

size_t peephole_input_size(const peephole_model* model) {
  return size_of(model, [](const auto& s) { return s.input_size(); });
}

size_t peephole_output_size(const peephole_model* model) {
  return size_of(model, [](const auto& s) { return s.output_size(); });
}

size_t peephole_layers(const peephole_model* model) {
  return size_of(model, [](const auto& s) { return s.layers(); });
}

size_t peephole_hidden_size(const peephole_model* model, size_t layer) {
  return size_of_layer(model, layer, [](const auto& s, auto k) { return s.hidden_size(k); });
}

size_t peephole_recurrent_size(const peephole_model* model, size_t layer) {
  return size_of_layer(model, layer, [](const auto& s, auto k) { return s.recurrent_size(k); });
}

int peephole_is_double(const peephole_model* model) {
  return model != nullptr && std::holds_alternative<peephole::Stream<double>>(model->stream) ? 1
                                                                                             : 0;
}

const char* peephole_dtype(const peephole_model* model) {
  if (model == nullptr) return nullptr;
  return peephole_is_double(model) != 0 ? "float64" : "float32";
}

const char* peephole_format(const peephole_model* model) {
  return model != nullptr ? model->info->format : nullptr;
}

const char* peephole_options(const peephole_model* model) {
  return model != nullptr ? model->info->options.c_str() : nullptr;
}

const char* peephole_metadata(const peephole_model* model, const char* name) {
  if (model == nullptr || name == nullptr) return nullptr;
  for (const auto& [key, text] : model->info->metadata) {
    if (key == name) return text.c_str();
  }
  return nullptr;
}

size_t peephole_metadata_count(const peephole_model* model) {
  return model != nullptr ? model->info->metadata.size() : 0;
}

const char* peephole_metadata_name(const peephole_model* model, size_t index) {
  if (index >= peephole_metadata_count(model)) return nullptr;
  const auto entry = std::next(model->info->metadata.begin(), static_cast<std::ptrdiff_t>(index));
  return entry->first.c_str();
}

double peephole_sample_rate(const peephole_model* model) {
  return model != nullptr ? model->info->sample_rate : 0;
}
