#include "files/options.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "files/header.hpp"
#include "peephole/files.hpp"

namespace peephole::files {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr char kFloat32[] = "float32", kFloat64[] = "float64";

/// All must be there but the probabilities, those of the head in a Network alone.
constexpr std::string_view kNames[] = {
    "input_size", "hidden_size",       "peephole", "peephole_gates",       "output_peephole",
    "bias",       "activations",       "dtype",    "coupled_input_forget", "bidirectional",
    "dropout",    "recurrent_dropout", "zoneout",  "output_size",          "head",
    "readout",
};
constexpr std::size_t kOfLSTM = 13;

[[noreturn]] void refuse(const std::string& what) { throw FileError("options: " + what); }

/// Takes the options' JSON as the parser comes upon it, so that neither depth nor memory depends on
/// who wrote the file: {name: value}, where only hidden_size and activations are lists, of sizes
/// and of {key: name}.
class OptionsReader {
 public:
  OptionsReader(Options& options, std::size_t most_layers)
      : options_(options), lstm_(options.config.lstm), most_layers_(most_layers) {}

  bool start_object(std::size_t) {
    if (place_ == Place::outside) return enter(Place::options);
    if (place_ != Place::activations) unexpected("an object");
    check_layers(lstm_.activations.size());
    lstm_.activations.emplace_back();
    keys_.clear();
    return enter(Place::layer);
  }

  bool key(std::string& key) {
    if (place_ == Place::layer) {
      if (key.size() != 1 || lstm_.activations.back().find(key[0]) == nullptr) {
        refuse("activations cannot be of " + in_quotes(key));
      }
      if (keys_.find(key) != std::string::npos) refuse("activations: second " + in_quotes(key));
      keys_ += key;
      return true;
    }
    const auto* const known = std::find(std::begin(kNames), end_of_names(), key);
    if (known == end_of_names()) refuse("unknown: " + in_quotes(key));
    const unsigned bit = 1u << (known - std::begin(kNames));
    if ((seen_ & bit) != 0) refuse("second " + in_quotes(key));
    seen_ |= bit;
    name_ = key;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ == Place::options && name_ == "hidden_size") return enter(Place::sizes);
    if (place_ == Place::options && name_ == "activations") return enter(Place::activations);
    unexpected("a list");
  }

  bool string(std::string& text) {
    if (place_ == Place::layer) {
      *lstm_.activations.back().find(keys_.back()) = parse_activation(short_name(text));
    } else if (place_ != Place::options || !set_choice(short_name(text))) {
      unexpected(in_quotes(text));
    }
    return true;
  }

  bool boolean(bool flag) {
    bool* const target = name_ == "bias"                   ? &lstm_.bias
                         : name_ == "coupled_input_forget" ? &lstm_.coupled_input_forget
                         : name_ == "bidirectional"        ? &lstm_.bidirectional
                                                           : nullptr;
    if (place_ != Place::options || target == nullptr) unexpected(flag ? "true" : "false");
    *target = flag;
    return true;
  }

  bool number_unsigned(std::uint64_t number) {
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
    const auto size = static_cast<Index>(number);
    if (set_probability(static_cast<double>(number))) return true;
    if (number == 0 || number > kLargest) unexpected(std::to_string(number));
    if (place_ == Place::sizes) {
      check_layers(lstm_.hidden_sizes.size());
      lstm_.hidden_sizes.push_back(size);
    } else if (place_ == Place::options && name_ == "input_size") {
      lstm_.input_size = size;
    } else if (place_ == Place::options && name_ == "output_size") {
      options_.config.output_size = size;
    } else {
      unexpected(std::to_string(number));
    }
    return true;
  }

  bool end_array() {
    if (place_ == Place::sizes && lstm_.hidden_sizes.empty()) unexpected("empty");
    return enter(Place::options);
  }
  bool end_object() { return enter(place_ == Place::layer ? Place::activations : Place::outside); }

  bool null() { unexpected("null"); }
  bool number_integer(std::int64_t number) { unexpected(std::to_string(number)); }
  bool number_float(double number, const std::string& text) {
    if (!set_probability(number)) unexpected(text.substr(0, kLongestName));
    return true;
  }
  bool binary(json::binary_t&) { unexpected("binary data"); }
  bool parse_error(std::size_t, const std::string&, const json::exception&) {
    refuse("expected JSON, got something else");
  }

  /// That nothing is missing.
  void finish() const {
    for (const auto* name = std::begin(kNames); name != end_of_names(); ++name) {
      const bool seen = (seen_ >> (name - std::begin(kNames)) & 1u) != 0;
      if (!seen && probability(lstm_, *name) == nullptr) {
        refuse("missing: " + in_quotes(std::string(*name)));
      }
    }
    if (lstm_.activations.size() != lstm_.hidden_sizes.size()) {
      refuse("activations cannot be of " + std::to_string(lstm_.activations.size()) +
             " layers, for there are " + std::to_string(lstm_.hidden_sizes.size()));
    }
  }

 private:
  enum class Place { outside, options, sizes, activations, layer };
  /// More than the longest of all names that an option may have.
  static constexpr std::size_t kLongestName = 60;

  bool enter(Place place) noexcept {
    place_ = place;
    return true;
  }

  const std::string_view* end_of_names() const noexcept {
    return options_.network ? std::end(kNames) : std::begin(kNames) + kOfLSTM;
  }

  /// For messages, which would quote all of it.
  const std::string& short_name(const std::string& text) const {
    if (text.size() > kLongestName) unexpected(in_quotes(text));
    return text;
  }

  void check_layers(std::size_t layers) const {
    if (layers == most_layers_) {
      refuse("more layers than the file's " + std::to_string(most_layers_) + " tensors can be of");
    }
  }

  /// The option of this name, 0 where a file has none; null for another.
  static double* probability(LSTMConfig& config, std::string_view name) noexcept {
    return name == "dropout"             ? &config.dropout
           : name == "recurrent_dropout" ? &config.recurrent_dropout
           : name == "zoneout"           ? &config.zoneout
                                         : nullptr;
  }

  /// Sets the option `name_`; false if it is no probability.
  bool set_probability(double number) {
    double* const target = probability(lstm_, name_);
    if (place_ != Place::options || target == nullptr) return false;
    *target = number;
    return true;
  }

  /// Sets the option `name_`; false if it is no name.
  bool set_choice(const std::string& text) {
    if (name_ == "peephole") {
      lstm_.peephole = parse_peephole(text);
    } else if (name_ == "peephole_gates") {
      lstm_.peephole_gates = parse_gates(text);
    } else if (name_ == "output_peephole") {
      lstm_.output_peephole = parse_output_peephole(text);
    } else if (name_ == "head") {
      options_.config.head = parse_head_activation(text);
    } else if (name_ == "readout") {
      options_.config.readout = parse_readout(text);
    } else if (name_ == "dtype" && (text == kFloat32 || text == kFloat64)) {
      options_.float64 = text == kFloat64;
    } else {
      return false;
    }
    return true;
  }

  [[noreturn]] void unexpected(const std::string& value) const {
    if (place_ == Place::outside) refuse("expected a JSON object");
    refuse(name_ + " cannot be " + value);
  }

  Options& options_;
  LSTMConfig& lstm_;
  std::size_t most_layers_;
  Place place_ = Place::outside;
  std::string name_;   // of the option
  std::string keys_;   // of the layer's activations: those that have been
  unsigned seen_ = 0;  // of kNames, a bit each
};

}  // namespace

std::vector<ParameterSpec> parameter_specs(const Options& options) {
  return options.network ? peephole::parameter_specs(options.config)
                         : peephole::parameter_specs(options.config.lstm);
}

const char* kind_of(const Options& options) noexcept {
  return options.network ? "Network" : "LSTM";
}

Options read_options(const std::string& kind, const std::string& text, std::size_t most_layers) {
  Options options;
  options.network = kind == "Network";
  if (kind != kind_of(options)) {
    throw FileError("kind: expected LSTM or Network, got " + in_quotes(kind));
  }
  // The parser would stop at a zero as if the text ended there.
  if (text.find('\0') != std::string::npos) refuse("expected JSON, got something else");
  OptionsReader reader(options, most_layers);
  try {
    json::sax_parse(text, &reader);
    reader.finish();
    if (options.network) {
      validate(options.config);
    } else {
      validate(options.config.lstm);
    }
  } catch (const std::invalid_argument& error) {
    refuse(error.what());
  }
  return options;
}

std::string write_options(const Options& options) {
  const LSTMConfig& lstm = options.config.lstm;
  ordered_json object;
  object["input_size"] = lstm.input_size;
  object["hidden_size"] = lstm.hidden_sizes;
  if (options.network) object["output_size"] = options.config.output_size;
  object["peephole"] = to_string(lstm.peephole);
  object["peephole_gates"] = to_string(lstm.peephole_gates);
  object["output_peephole"] = to_string(lstm.output_peephole);
  object["bias"] = lstm.bias;
  object["activations"] = ordered_json::array();
  for (const Activations& layer : lstm.activations) {
    ordered_json mapping;
    for (const char key : Activations::kKeys) {
      mapping[std::string(1, key)] = to_string(*layer.find(key));
    }
    object["activations"].push_back(std::move(mapping));
  }
  object["coupled_input_forget"] = lstm.coupled_input_forget;
  object["bidirectional"] = lstm.bidirectional;
  object["dropout"] = lstm.dropout;
  object["recurrent_dropout"] = lstm.recurrent_dropout;
  object["zoneout"] = lstm.zoneout;
  if (options.network) {
    object["head"] = to_string(options.config.head);
    object["readout"] = to_string(options.config.readout);
  }
  object["dtype"] = options.float64 ? kFloat64 : kFloat32;
  return object.dump();
}

}  // namespace peephole::files
