#include "files/options.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "files/header.hpp"
#include "files/json.hpp"
#include "peephole/files.hpp"
#include "peephole/options.hpp"

namespace peephole::files {
namespace {

constexpr char kDtype[] = "dtype", kFloat32[] = "float32", kFloat64[] = "float64";

/// visit(row, value) for each option that a file of this kind may have; the dtype is not among
/// them.
template <class Visitor>
void for_each_in_files(Options& options, Visitor&& visit) {
  const auto both = [&](auto& config) {
    for_each_size(config, visit);
    for_each_option(config, visit);
  };
  if (options.network) {
    both(options.config);
  } else {
    both(options.config.lstm);
  }
}

[[noreturn]] void refuse_options(const std::string& what) { throw FileError("options: " + what); }

/// Takes the options from the events of the JSON parser, so that neither the depth nor the memory
/// depends on who wrote the file: {name: value}, where only hidden_size and activations are lists,
/// of sizes and of {key: name}.
class OptionsReader : public JsonEvents {
 public:
  OptionsReader(Options& options, std::size_t most_layers)
      : options_(options), lstm_(options.config.lstm), most_layers_(most_layers) {}

  void start_object() override {
    if (place_ == Place::outside) return enter(Place::options);
    if (place_ != Place::activations) unexpected("an object");
    check_layers(lstm_.activations.size());
    lstm_.activations.emplace_back();
    keys_.clear();
    return enter(Place::layer);
  }

  void key(const std::string& key) override {
    if (place_ == Place::layer) {
      if (key.size() != 1 || lstm_.activations.back().find(key[0]) == nullptr) {
        refuse_options("activations cannot be of " + in_quotes(key));
      }
      if (keys_.find(key) != std::string::npos)
        refuse_options("activations: second " + in_quotes(key));
      keys_ += key;
      return;
    }
    bool known = key == kDtype;
    for_each_in_files(options_, [&](const auto& row, const auto&) { known |= key == row.name; });
    if (!known) refuse_options("unknown: " + in_quotes(key));
    if (seen(key)) refuse_options("second " + in_quotes(key));
    seen_.push_back(key);
    name_ = key;
  }

  void start_array() override {
    if (is<std::vector<Index>>()) return enter(Place::sizes);
    if (is<std::vector<Activations>>()) return enter(Place::activations);
    unexpected("a list");
  }

  void string(const std::string& text) override {
    if (text.size() > kLongestName) unexpected(in_quotes(text));
    if (place_ == Place::layer) {
      *lstm_.activations.back().find(keys_.back()) = parse_activation(text);
    } else if (!set_name(text)) {
      unexpected(in_quotes(text));
    }
  }

  void boolean(bool flag) override {
    if (!set<bool>(flag)) unexpected(flag ? "true" : "false");
  }

  void whole_number(std::uint64_t number) override {
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
    if (set_number(static_cast<double>(number))) return;
    const auto size = static_cast<Index>(number <= kLargest ? number : 0);
    if (size == 0) unexpected(std::to_string(number));
    if (place_ == Place::sizes) {
      check_layers(lstm_.hidden_sizes.size());
      lstm_.hidden_sizes.push_back(size);
    } else if (!set<Index>(size) && !set<std::optional<Index>>(size)) {
      unexpected(std::to_string(number));
    }
  }

  void end_array() override {
    if (place_ == Place::sizes && lstm_.hidden_sizes.empty()) unexpected("empty");
    return enter(Place::options);
  }
  void end_object() override {
    return enter(place_ == Place::layer ? Place::activations : Place::outside);
  }

  void null() override { unexpected("null"); }
  void negative_number(std::int64_t number) override { unexpected(std::to_string(number)); }
  void real_number(double number, const std::string& text) override {
    if (!set_number(number)) unexpected(text.substr(0, kLongestName));
  }
  void error(std::size_t) override { refuse_options("expected JSON, got something else"); }

  /// Checks that nothing is missing.
  void finish() const {
    const auto require = [&](const std::string& name) {
      if (!seen(name)) refuse_options("missing: " + in_quotes(name));
    };
    for_each_in_files(options_, [&](const auto& row, const auto&) {
      if (row.in_files == InFiles::always) require(row.name);
    });
    require(kDtype);
    if (lstm_.activations.size() != lstm_.hidden_sizes.size()) {
      refuse_options("activations: expected one mapping for each of " +
                     std::to_string(lstm_.hidden_sizes.size()) + " layers, got " +
                     std::to_string(lstm_.activations.size()));
    }
  }

 private:
  enum class Place { outside, options, sizes, activations, layer };
  /// No name of a value is longer.
  static constexpr std::size_t kLongestName = 60;

  void enter(Place place) noexcept { place_ = place; }

  bool seen(const std::string& name) const noexcept {
    for (const std::string& known : seen_) {
      if (known == name) return true;
    }
    return false;
  }

  void check_layers(std::size_t layers) const {
    if (layers == most_layers_) {
      refuse_options("more layers than the file's " + std::to_string(most_layers_) +
                     " tensors can be of");
    }
  }

  /// visit(value) for the option called name_ if the parser is at its value and its type is Value.
  template <class Value, class Visitor>
  bool visit(Visitor&& visit) const {
    bool found = false;
    if (place_ != Place::options) return found;
    for_each_in_files(options_, [&](const auto& row, auto& value) {
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Value>) {
        if (name_ != row.name) return;
        visit(value);
        found = true;
      }
    });
    return found;
  }

  template <class Value>
  bool is() const {
    return visit<Value>([](const Value&) {});
  }

  /// Sets the option called name_; false if it is not of this type.
  template <class Value>
  bool set(Value value) const {
    return visit<Value>([&](Value& target) { target = value; });
  }

  /// The same for an option that is a number, which may be none.
  bool set_number(double number) const {
    return set<double>(number) || set<std::optional<double>>(number);
  }

  /// The same for an option whose values have names.
  bool set_name(const std::string& text) {
    if (place_ != Place::options) return false;
    if (name_ == kDtype && (text == kFloat32 || text == kFloat64)) {
      options_.float64 = text == kFloat64;
      return true;
    }
    bool found = false;
    for_each_in_files(options_, [&](const auto& row, auto& value) {
      using Value = std::decay_t<decltype(value)>;
      if (name_ != row.name) return;
      if constexpr (is_optional_enum<Value>) {
        value = parse<typename Value::value_type>(row.name, text);
        found = true;
      } else if constexpr (std::is_enum_v<Value>) {
        value = parse<Value>(row.name, text);
        found = true;
      } else if constexpr (std::is_same_v<Value, GateSet>) {
        value = parse_gates(text);
        found = true;
      }
    });
    return found;
  }

  [[noreturn]] void unexpected(const std::string& value) const {
    if (place_ == Place::outside) refuse_options("expected a JSON object");
    refuse_options(name_ + " cannot be " + value);
  }

  Options& options_;
  LSTMConfig& lstm_;
  std::size_t most_layers_;
  Place place_ = Place::outside;
  std::string name_;               // of the option whose value comes next
  std::string keys_;               // those of the layer's activations so far
  std::vector<std::string> seen_;  // the names so far
};

// JSON of an option's value.
std::string text_of(bool value) { return to_json(value); }
std::string text_of(double value) { return to_json(value); }
std::string text_of(Index size) { return to_json(std::int64_t{size}); }
std::string text_of(GateSet gates) { return to_json(to_string(gates)); }

template <class Enum, class = std::enable_if_t<std::is_enum_v<Enum>>>
std::string text_of(Enum value) {
  return to_json(std::string(to_string(value)));
}

std::string text_of(const Activations& activations) {
  JsonWriter mapping("{}");
  for (const char key : Activations::kKeys) {
    mapping.add(std::string(1, key), text_of(*activations.find(key)));
  }
  return mapping.text();
}

/// One without a value is not written: it is the default.
template <class Value>
std::string text_of(const std::optional<Value>& value) {
  return value ? text_of(*value) : "null";
}

template <class Value>
std::string text_of(const std::vector<Value>& values) {
  JsonWriter list("[]");
  for (const Value& value : values) list.add(text_of(value));
  return list.text();
}

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
  OptionsReader reader(options, most_layers);
  try {
    parse_json(text, reader);
    reader.finish();
    if (options.network) {
      validate(options.config);
    } else {
      validate(options.config.lstm);
    }
  } catch (const std::invalid_argument& error) {
    refuse_options(error.what());
  }
  if (options.float64 && options.config.lstm.quantization) {
    refuse_options("quantization: expected dtype float32, got float64");
  }
  return options;
}

std::string write_options(Options options) {
  JsonWriter object("{}");
  for_each_in_files(options, [&](const auto& row, const auto& value) {
    const std::string text = text_of(value);
    const bool left_out =
        row.in_files == InFiles::unless_default && text == text_of(row.default_value());
    if (!left_out) object.add(row.name, text);
  });
  object.add(kDtype, to_json(std::string(options.float64 ? kFloat64 : kFloat32)));
  return object.text();
}

}  // namespace peephole::files
