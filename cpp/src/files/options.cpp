#include "files/options.hpp"

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "files/header.hpp"
#include "peephole/files.hpp"

namespace peephole::files {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

/// Some 3000 layers' worth. A parsed value takes up to 40 times its text.
constexpr std::size_t kLongestText = std::size_t{1} << 18;
/// Of {"activations": [{"i": ...}]}.
constexpr int kDeepest = 3;

[[noreturn]] void refuse(const std::string& what) { throw FileError("options: " + what); }

/// Of what a message quotes, and of any name that an option may have.
constexpr std::size_t kLongestQuote = 60;

[[noreturn]] void cannot_be(const std::string& name, const json& value) {
  const std::string text = value.dump(-1, ' ', true);
  refuse(name + " cannot be " +
         (text.size() > kLongestQuote ? text.substr(0, kLongestQuote) + "..." : text));
}

/// `text` as JSON that is not deeper than kDeepest and has no second keys, of which nlohmann's
/// objects would keep the last.
json parse(const std::string& text) {
  if (text.size() > kLongestText) refuse(std::to_string(text.size()) + " bytes are too many");
  std::vector<std::size_t> keys;  // of each object around, how many
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) {
      keys.push_back(0);
    } else if (event == json::parse_event_t::key) {
      ++keys.back();
    } else if (event == json::parse_event_t::object_end) {
      if (parsed.size() != keys.back()) refuse("a second value of the same name");
      keys.pop_back();
    }
    if (depth > kDeepest) refuse("expected JSON, got something too deep");
    return true;
  };
  // The parser would stop at a zero as if the text ended there.
  if (text.find('\0') != std::string::npos) refuse("expected JSON, got something else");
  try {
    return json::parse(text, check);
  } catch (const json::exception&) {
    refuse("expected JSON, got something else");
  }
}

/// The options of a file, each taken once.
class Reader {
 public:
  explicit Reader(const std::string& text) : object_(parse(text)) {
    if (!object_.is_object()) refuse("expected a JSON object");
  }

  json take(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end()) refuse("missing: " + in_quotes(name));
    json value = std::move(*found);
    object_.erase(found);
    return value;
  }

  std::string text(const char* name) {
    const json value = take(name);
    return short_text(name, value);
  }

  bool boolean(const char* name) {
    const json value = take(name);
    if (!value.is_boolean()) cannot_be(name, value);
    return value.get<bool>();
  }

  static std::string short_text(const char* name, const json& value) {
    const auto* text = value.get_ptr<const json::string_t*>();
    if (text == nullptr || text->size() > kLongestQuote) cannot_be(name, value);
    return *text;
  }

  static Index size(const char* name, const json& value) {
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
    const auto* number = value.get_ptr<const json::number_unsigned_t*>();
    if (number == nullptr || *number == 0 || *number > kLargest) cannot_be(name, value);
    return static_cast<Index>(*number);
  }

  /// That all have been taken.
  void finish() const {
    if (!object_.empty()) refuse("unknown: " + in_quotes(object_.begin().key()));
  }

 private:
  json object_;
};

Activations read_activations(const json& mapping) {
  Activations activations;
  for (const auto& [key, value] : mapping.items()) {
    Activation* const activation = key.size() == 1 ? activations.find(key.front()) : nullptr;
    if (activation == nullptr) cannot_be("activations", mapping);
    *activation = parse_activation(Reader::short_text("activations", value));
  }
  return activations;
}

LSTMConfig read_lstm(Reader& reader) {
  LSTMConfig config;
  config.input_size = Reader::size("input_size", reader.take("input_size"));
  const json sizes = reader.take("hidden_size");
  if (!sizes.is_array() || sizes.empty()) cannot_be("hidden_size", sizes);
  for (const json& size : sizes) config.hidden_sizes.push_back(Reader::size("hidden_size", size));
  config.peephole = parse_peephole(reader.text("peephole"));
  config.peephole_gates = parse_gates(reader.text("peephole_gates"));
  config.output_peephole = parse_output_peephole(reader.text("output_peephole"));
  config.bias = reader.boolean("bias");
  const json layers = reader.take("activations");
  if (!layers.is_array() || layers.size() != sizes.size()) cannot_be("activations", layers);
  for (const json& mapping : layers) {
    if (!mapping.is_object()) cannot_be("activations", layers);
    config.activations.push_back(read_activations(mapping));
  }
  config.coupled_input_forget = reader.boolean("coupled_input_forget");
  config.bidirectional = reader.boolean("bidirectional");
  return config;
}

}  // namespace

const char* kind_of(const Options& options) noexcept {
  return options.network ? "Network" : "LSTM";
}

Options read_options(const std::string& kind, const std::string& text) {
  Options options;
  options.network = kind == "Network";
  if (kind != kind_of(options)) {
    throw FileError("kind: expected LSTM or Network, got " + in_quotes(kind));
  }
  Reader reader(text);
  try {
    options.config.lstm = read_lstm(reader);
    if (options.network) {
      options.config.output_size = Reader::size("output_size", reader.take("output_size"));
      options.config.head = parse_head_activation(reader.text("head"));
      options.config.readout = parse_readout(reader.text("readout"));
    }
  } catch (const std::invalid_argument& error) {
    refuse(error.what());
  }
  const std::string dtype = reader.text("dtype");
  options.float64 = dtype == "float64";
  if (!options.float64 && dtype != "float32") cannot_be("dtype", dtype);
  reader.finish();
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
  if (options.network) {
    object["head"] = to_string(options.config.head);
    object["readout"] = to_string(options.config.readout);
  }
  object["dtype"] = options.float64 ? "float64" : "float32";
  std::string text = object.dump();
  if (text.size() > kLongestText) {
    throw FileError("a model of " + std::to_string(lstm.layers()) +
                    " layers: they do not fit the header of a file");
  }
  return text;
}

}  // namespace peephole::files
