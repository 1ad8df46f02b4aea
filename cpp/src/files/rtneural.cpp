#include <initializer_list>
#include <string>
#include <utility>

#include "files/header.hpp"
#include "files/json_value.hpp"
#include "files/source.hpp"
#include "peephole/interop.hpp"
#include "peephole/options.hpp"

namespace peephole {
namespace {

using files::described;
using files::entry;
using files::JsonKind;
using files::JsonValue;

/// What plugins add beside the layers. Whatever is not 0 changes the sound.
constexpr const char* kMustBeZero[] = {"in_skip", "in_gain", "out_gain"};

bool is_zero(const JsonValue& value) {
  const JsonKind kind = value.kind();
  return kind == JsonKind::null ||
         ((kind == JsonKind::boolean || value.is_number()) && value.number() == 0);
}

/// The features of a shape: its last item.
Index features_of(const JsonValue& shape, const std::string& name) {
  std::optional<JsonValue> last;
  shape.for_each([&](const JsonValue& item) { last = item; });
  return files::size_of(last, name);
}

/// The name of a layer's activation, "" for none.
std::string activation_of(const JsonValue& layer, const std::string& where) {
  const bool has = layer.find("activation").has_value();
  return has ? entry(layer, "activation", JsonKind::string, where).text() : "";
}

/// The activation of a layer, one of `known`; the identity for none.
template <class Enum>
Enum activation_among(std::initializer_list<Enum> known, const JsonValue& layer,
                      const std::string& where) {
  const std::string name = activation_of(layer, where);
  if (name.empty()) return Enum::identity;
  for (const Enum value : known) {
    if (name == to_string(value)) return value;
  }
  throw FileError(where + ": activation: " + files::in_quotes(name) + " is not supported");
}

HeadActivation head_of(const JsonValue& layer, const std::string& where) {
  return activation_among({HeadActivation::tanh, HeadActivation::sigmoid, HeadActivation::softmax},
                          layer, where);
}

Activation input_of(const JsonValue& layer, const std::string& where) {
  return activation_among({Activation::tanh, Activation::sigmoid, Activation::relu}, layer, where);
}

/// (columns, rows) of a list of `rows` lists of `columns` numbers.
template <class T>
std::vector<T> transposed(const JsonValue& value, const std::string& name, Index rows,
                          Index columns) {
  std::vector<std::vector<T>> lists;
  if (value.kind() == JsonKind::list) {
    value.for_each(
        [&](const JsonValue& row) { lists.push_back(files::numbers<T>(row, name, columns)); });
  }
  if (lists.size() != static_cast<std::size_t>(rows)) {
    files::refuse_value(name, std::to_string(rows) + " lists of " + std::to_string(columns),
                        described(value));
  }
  std::vector<T> result;
  for (std::size_t j = 0; j < lists[0].size(); ++j) {
    for (const std::vector<T>& row : lists) result.push_back(row[j]);
  }
  return result;
}

/// Takes layer after layer. The weights are those of Keras: of an LSTM (I, 4H), (H, 4H), (4H,) with
/// columns i, f, c (our g), o; of a dense layer (I, O) and perhaps (O,).
template <class T>
class RTNeuralLayers {
 public:
  explicit RTNeuralLayers(Index input_size) : features_(input_size) {
    config_.lstm.input_size = input_size;
    config_.lstm.peephole = Peephole::none;
  }

  void add(const JsonValue& layer, const std::string& where) {
    const std::string& kind = entry(layer, "type", JsonKind::string, where).text();
    const bool has_lstm = !config_.lstm.hidden_sizes.empty();
    const bool is_dense = kind == "dense" || kind == "time-distributed-dense";
    if (kind == "lstm" && !has_head_) {
      const std::string activation = activation_of(layer, where);
      if (activation != "tanh" && !activation.empty()) {
        throw FileError(where + ": activation: an LSTM has tanh in RTNeural, got " +
                        files::in_quotes(activation));
      }
      config_.lstm.hidden_sizes.push_back(add_weights(layer, where, kGates, 2));
    } else if (is_dense && !has_lstm && !config_.input_dense_size) {
      config_.input_dense_size = add_weights(layer, where, 1, 1);
      config_.input_activation = input_of(layer, where);
      input_ = std::exchange(parameters_, {});
    } else if (kind == "activation" && !has_lstm && config_.input_dense_size &&
               config_.input_activation == Activation::identity) {
      config_.input_activation = input_of(layer, where);
    } else if (is_dense && has_lstm && !has_head_) {
      parameters_.insert(parameters_.end(), input_.begin(), input_.end());
      config_.output_size = add_weights(layer, where, 1, 1);
      config_.head = head_of(layer, where);
      has_head_ = true;
    } else if (kind == "activation" && has_head_ && config_.head == HeadActivation::identity) {
      config_.head = head_of(layer, where);
    } else {
      throw FileError(where +
                      ": expected at most one dense layer, LSTM layers, then at most one dense "
                      "layer; got " +
                      files::in_quotes(kind) + " at this place, which is not supported");
    }
  }

  std::variant<LSTM<T>, Network<T>> model() const {
    if (config_.lstm.hidden_sizes.empty()) {
      files::refuse_value("layers", "at least one of type \"lstm\"", "none");
    }
    if (has_head_) return files::model_of<Network<T>>(config_, parameters_);
    if (config_.input_dense_size) {
      files::refuse_value("layers", "a dense layer after the LSTM where one is before it", "none");
    }
    return files::model_of<LSTM<T>>(config_.lstm, parameters_);
  }

 private:
  /// Matrices and a bias of `blocks` columns for each unit; returns the units. A dense layer, of
  /// one matrix, may lack the bias.
  Index add_weights(const JsonValue& layer, const std::string& where, Index blocks,
                    std::size_t matrices) {
    const JsonValue shape = entry(layer, "shape", JsonKind::list, where);
    const JsonValue arrays = entry(layer, "weights", JsonKind::list, where);
    const Index units = features_of(shape, where + ": shape");
    const bool no_bias = matrices == 1 && arrays.size() == 1;
    if (arrays.size() != matrices + 1 && !no_bias) {
      files::refuse_value(where + ": weights", std::to_string(matrices + 1) + " arrays",
                          std::to_string(arrays.size()));
    }
    std::size_t k = 0;
    arrays.for_each([&](const JsonValue& array) {
      const std::string name = where + ": weights[" + std::to_string(k) + "]";
      const Index rows = k == 0 ? features_ : units;
      parameters_.push_back(k < matrices ? transposed<T>(array, name, rows, blocks * units)
                                         : files::numbers<T>(array, name, blocks * units));
      ++k;
    });
    if (no_bias) parameters_.emplace_back(static_cast<std::size_t>(units));
    return features_ = units;
  }

  NetworkConfig config_;
  std::vector<std::vector<T>> parameters_;  // in the order of parameter_specs
  std::vector<std::vector<T>> input_;       // of the dense layer before the LSTM
  Index features_;                          // that the next layer reads
  bool has_head_ = false;
};

template <class T>
std::variant<LSTM<T>, Network<T>> rtneural_model(files::Source& source) {
  const files::JsonTree tree(source);
  const JsonValue file(tree);
  const JsonValue shape = entry(file, "in_shape", JsonKind::list, "file");
  for (const char* const key : kMustBeZero) {
    const auto value = file.find(key);
    if (value && !is_zero(*value)) {
      throw FileError(std::string(key) + ": not supported, got " + described(value));
    }
  }
  RTNeuralLayers<T> layers(features_of(shape, "in_shape"));
  std::size_t k = 0;
  entry(file, "layers", JsonKind::list, "file").for_each([&](const JsonValue& layer) {
    layers.add(layer, "layers[" + std::to_string(k++) + "]");
  });
  return layers.model();
}

}  // namespace

template <class T>
std::variant<LSTM<T>, Network<T>> load_rtneural(const std::filesystem::path& path) {
  files::FileSource source(path);
  return files::naming(path, [&] { return rtneural_model<T>(source); });
}

template <class T>
std::variant<LSTM<T>, Network<T>> load_rtneural(const void* data, std::size_t size) {
  files::MemorySource source(data, size);
  return rtneural_model<T>(source);
}

#define PEEPHOLE_INSTANTIATE(T)                                                              \
  template std::variant<LSTM<T>, Network<T>> load_rtneural<T>(const std::filesystem::path&); \
  template std::variant<LSTM<T>, Network<T>> load_rtneural<T>(const void*, std::size_t);
PEEPHOLE_INSTANTIATE(float)
PEEPHOLE_INSTANTIATE(double)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
