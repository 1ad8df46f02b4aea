#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>

#include "peephole/config.hpp"
#include "peephole/export.h"

/// The options of LSTMConfig and NetworkConfig, each listed once with its name. Validation, model
/// files and the Python binding follow this list.
///
/// To add an option: a member of the configuration, whose default leaves the model as it was; a row
/// below; and for a new enumeration its names. Its names and default in Python are compared with
/// this list by tests/package/test_option_list.py.
namespace peephole {

/// A value of an enumeration, and its name in Python and in files.
template <class Enum>
struct Name {
  Enum value;
  const char* text;
};

/// All values of an enumeration, with their names.
template <class Enum>
PEEPHOLE_API Span<const Name<Enum>> names() noexcept;
template <>
PEEPHOLE_API Span<const Name<Activation>> names<Activation>() noexcept;
template <>
PEEPHOLE_API Span<const Name<Peephole>> names<Peephole>() noexcept;
template <>
PEEPHOLE_API Span<const Name<OutputPeephole>> names<OutputPeephole>() noexcept;
template <>
PEEPHOLE_API Span<const Name<InitialState>> names<InitialState>() noexcept;
template <>
PEEPHOLE_API Span<const Name<LayerNorm>> names<LayerNorm>() noexcept;
template <>
PEEPHOLE_API Span<const Name<LayerNormCell>> names<LayerNormCell>() noexcept;
template <>
PEEPHOLE_API Span<const Name<Quantization>> names<Quantization>() noexcept;
template <>
PEEPHOLE_API Span<const Name<HeadActivation>> names<HeadActivation>() noexcept;
template <>
PEEPHOLE_API Span<const Name<Readout>> names<Readout>() noexcept;

/// The name of `value`; "?" for a value that the enumeration does not have.
template <class Enum, class = std::enable_if_t<std::is_enum_v<Enum>>>
const char* to_string(Enum value) noexcept {
  for (const Name<Enum>& name : names<Enum>()) {
    if (name.value == value) return name.text;
  }
  return "?";
}

/// Whether Value is an optional value of an enumeration.
template <class Value>
inline constexpr bool is_optional_enum = false;
template <class Enum>
inline constexpr bool is_optional_enum<std::optional<Enum>> = std::is_enum_v<Enum>;

/// "diagonal, dense, none"
template <class Enum>
std::string names_text() {
  std::string text;
  for (const Name<Enum>& name : names<Enum>()) {
    text += (text.empty() ? "" : ", ") + std::string(name.text);
  }
  return text;
}

/// The value called `text`. Throws std::invalid_argument that names `argument` and lists the names.
template <class Enum>
Enum parse(const std::string& argument, const std::string& text) {
  for (const Name<Enum>& name : names<Enum>()) {
    if (text == name.text) return name.value;
  }
  throw std::invalid_argument(argument + ": expected one of " + names_text<Enum>() + ", got \"" +
                              text + "\"");
}

/// When model files hold an option. Files from before an option existed lack it, and releases from
/// before it refuse files that have it.
enum class InFiles {
  always,         // in every file; a file without it is refused
  added,          // written always; a file without it has the default
  unless_default  // every newer option: written only where it is not the default, so that older
                  // releases still read all models that they can compute
};

/// One row of the list. `name` is that in Python, in files and in messages.
template <class Config, class Value>
struct Option {
  const char* name;
  Value Config::* member;
  InFiles in_files;

  Value default_value() const { return Config{}.*member; }
};
template <class Config, class Value>
Option(const char*, Value Config::*, InFiles) -> Option<Config, Value>;

/// The sizes: positional arguments in Python.
inline constexpr auto kLSTMSizes =
    std::make_tuple(Option{"input_size", &LSTMConfig::input_size, InFiles::always},
                    Option{"hidden_size", &LSTMConfig::hidden_sizes, InFiles::always});
inline constexpr auto kNetworkSizes =
    std::make_tuple(Option{"output_size", &NetworkConfig::output_size, InFiles::always});

/// The choices: keyword arguments in Python. A double is a probability in [0, 1), but for
/// layer_norm_epsilon; an optional size is at least 1, and an optional double is a bound above 0.
/// An optional value without a value is None in Python, and not in files.
inline constexpr auto kLSTMOptions = std::make_tuple(
    Option{"peephole", &LSTMConfig::peephole, InFiles::always},
    Option{"peephole_gates", &LSTMConfig::peephole_gates, InFiles::always},
    Option{"output_peephole", &LSTMConfig::output_peephole, InFiles::always},
    Option{"bias", &LSTMConfig::bias, InFiles::always},
    Option{"activations", &LSTMConfig::activations, InFiles::always},
    Option{"coupled_input_forget", &LSTMConfig::coupled_input_forget, InFiles::always},
    Option{"bidirectional", &LSTMConfig::bidirectional, InFiles::always},
    Option{"dropout", &LSTMConfig::dropout, InFiles::added},
    Option{"recurrent_dropout", &LSTMConfig::recurrent_dropout, InFiles::added},
    Option{"zoneout", &LSTMConfig::zoneout, InFiles::added},
    Option{"initial_state", &LSTMConfig::initial_state, InFiles::unless_default},
    Option{"cell_clip", &LSTMConfig::cell_clip, InFiles::unless_default},
    Option{"preactivation_clip", &LSTMConfig::preactivation_clip, InFiles::unless_default},
    Option{"layer_norm", &LSTMConfig::layer_norm, InFiles::unless_default},
    Option{"layer_norm_cell", &LSTMConfig::layer_norm_cell, InFiles::unless_default},
    Option{"layer_norm_epsilon", &LSTMConfig::layer_norm_epsilon, InFiles::unless_default},
    Option{"projection_size", &LSTMConfig::projection_size, InFiles::unless_default},
    Option{"projection_clip", &LSTMConfig::projection_clip, InFiles::unless_default},
    Option{"quantization", &LSTMConfig::quantization, InFiles::unless_default});
inline constexpr auto kNetworkOptions = std::make_tuple(
    Option{"head", &NetworkConfig::head, InFiles::always},
    Option{"readout", &NetworkConfig::readout, InFiles::always},
    Option{"input_dense_size", &NetworkConfig::input_dense_size, InFiles::unless_default},
    Option{"input_activation", &NetworkConfig::input_activation, InFiles::unless_default});

/// visit(row, value) for each row of one list, in its order; `value` is the member of `config`.
template <class List, class Config, class Visitor>
void for_each_row(const List& list, Config& config, Visitor&& visit) {
  std::apply([&](const auto&... row) { (visit(row, config.*row.member), ...); }, list);
}

/// visit(row, value) for each size of an LSTMConfig or NetworkConfig, const or not.
template <class Config, class Visitor>
void for_each_size(Config& config, Visitor&& visit) {
  if constexpr (std::is_same_v<std::remove_const_t<Config>, NetworkConfig>) {
    for_each_row(kLSTMSizes, config.lstm, visit);
    for_each_row(kNetworkSizes, config, visit);
  } else {
    for_each_row(kLSTMSizes, config, visit);
  }
}

/// The same for each choice.
template <class Config, class Visitor>
void for_each_option(Config& config, Visitor&& visit) {
  if constexpr (std::is_same_v<std::remove_const_t<Config>, NetworkConfig>) {
    for_each_row(kLSTMOptions, config.lstm, visit);
    for_each_row(kNetworkOptions, config, visit);
  } else {
    for_each_row(kLSTMOptions, config, visit);
  }
}

}  // namespace peephole
