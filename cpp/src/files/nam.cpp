#include <stdexcept>
#include <string>
#include <utility>

#include "files/json_value.hpp"
#include "files/metadata.hpp"
#include "files/source.hpp"
#include "peephole/interop.hpp"

namespace peephole {
namespace {

using files::described;
using files::entry;
using files::JsonKind;
using files::JsonValue;
using files::size_of;

constexpr char kFile[] = "file";

NetworkConfig config_of_nam(const JsonValue& file) {
  const JsonValue architecture = entry(file, "architecture", JsonKind::string, kFile);
  if (architecture.text() != "LSTM") {
    files::refuse_value("architecture", "\"LSTM\"", described(architecture));
  }
  const JsonValue sizes = entry(file, "config", JsonKind::object, kFile);
  NetworkConfig config;
  config.lstm.peephole = Peephole::none;
  config.lstm.initial_state = InitialState::learned;
  config.lstm.input_size = size_of(sizes.find("input_size"), "config: input_size");
  const Index hidden_size = size_of(sizes.find("hidden_size"), "config: hidden_size");
  if (const auto outputs = sizes.find("out_channels")) {
    config.output_size = size_of(outputs, "config: out_channels");
  }
  const auto channels = sizes.find("in_channels");
  if (channels && size_of(channels, "config: in_channels") != config.lstm.input_size) {
    files::refuse_value("config: in_channels",
                        "input_size, " + std::to_string(config.lstm.input_size),
                        described(channels));
  }
  const Index layers = size_of(sizes.find("num_layers"), "config: num_layers");

  // Checked before memory is allocated for the layers. In double, since an Index could overflow.
  const double H = static_cast<double>(hidden_size),
               I = static_cast<double>(config.lstm.input_size);
  const double per_layer = 4 * H * (H + H) + 4 * H + 2 * H;
  const double count = 4 * H * (I - H) + static_cast<double>(layers) * per_layer +
                       static_cast<double>(config.output_size) * (H + 1);
  const JsonValue weights = entry(file, "weights", JsonKind::list, kFile);
  if (static_cast<double>(weights.size()) != count) {
    files::refuse_value("weights", files::integer_text(count) + " values for this config",
                        std::to_string(weights.size()));
  }
  config.lstm.hidden_sizes.assign(static_cast<std::size_t>(layers), hidden_size);
  return config;
}

std::optional<double> number_of(const std::optional<JsonValue>& value) {
  return value && value->is_number() ? std::optional<double>(value->number()) : std::nullopt;
}

/// The entries of the file's metadata that are no lists or objects, and its sample rate.
Metadata metadata_of_nam(const JsonValue& file) {
  Metadata metadata;
  const auto add = [&](const std::string& name, const JsonValue& value) {
    const bool is_text = value.kind() == JsonKind::string;
    if (!is_text && !value.is_number() && value.kind() != JsonKind::boolean) return;
    const std::string text = is_text ? value.text() : described(value);
    try {
      files::check_metadata({{name, text}});
    } catch (const std::invalid_argument&) {
      return;
    }
    metadata[name] = text;
  };
  const auto object = file.find("metadata");
  if (object && object->kind() == JsonKind::object) object->for_each_entry(add);
  if (const auto rate = file.find("sample_rate")) add("sample_rate", *rate);
  return metadata;
}

/// Of each layer [W | R] (4H, I + H) by rows, its gates i, f, g, o, the bias (4H,), the initial h
/// and c (H,); then the head's weight (O, H) and bias (O,).
template <class T>
NamModel<T> nam_model(files::Source& source) {
  const files::JsonTree tree(source);
  const JsonValue file(tree);
  const NetworkConfig config = config_of_nam(file);
  const JsonValue list = entry(file, "weights", JsonKind::list, kFile);
  const std::vector<T> values = files::numbers<T>(list, "weights", static_cast<Index>(list.size()));

  auto next = values.begin();
  const auto append = [&](std::vector<T>& target, Index size) {
    target.insert(target.end(), next, next + size);
    next += size;
  };
  const auto take = [&](Index size) {
    std::vector<T> taken;
    append(taken, size);
    return taken;
  };
  std::vector<std::vector<T>> parameters;
  for (Index k = 0; k < config.lstm.layers(); ++k) {
    const Index H = config.lstm.hidden_sizes[static_cast<std::size_t>(k)];
    std::vector<T> weight_ih, weight_hh;
    for (Index row = 0; row < kGates * H; ++row) {
      append(weight_ih, config.lstm.layer_input_size(k));
      append(weight_hh, H);
    }
    parameters.push_back(std::move(weight_ih));
    parameters.push_back(std::move(weight_hh));
    parameters.push_back(take(kGates * H));
    parameters.push_back(take(H));
    parameters.push_back(take(H));
  }
  parameters.push_back(take(config.output_size * config.lstm.output_size()));
  parameters.push_back(take(config.output_size));

  const auto metadata = file.find("metadata");
  const auto number = [&](const char* key) {
    const bool has = metadata && metadata->kind() == JsonKind::object;
    return number_of(has ? metadata->find(key) : std::nullopt);
  };
  return {files::model_of<Network<T>>(config, parameters),
          number_of(file.find("sample_rate")),
          number("loudness"),
          number("input_level_dbu"),
          number("output_level_dbu"),
          metadata_of_nam(file)};
}

}  // namespace

template <class T>
NamModel<T> load_nam(const std::filesystem::path& path) {
  files::FileSource source(path);
  return files::naming(path, [&] { return nam_model<T>(source); });
}

template <class T>
NamModel<T> load_nam(const void* data, std::size_t size) {
  files::MemorySource source(data, size);
  return nam_model<T>(source);
}

#define PEEPHOLE_INSTANTIATE(T)                                   \
  template NamModel<T> load_nam<T>(const std::filesystem::path&); \
  template NamModel<T> load_nam<T>(const void*, std::size_t);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
