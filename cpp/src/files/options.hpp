#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "peephole/config.hpp"

/// A model's configuration, as the metadata "options" of its file have it.
namespace peephole::files {

/// The configuration and type of any model; of an LSTM, only config.lstm counts.
struct Options {
  bool network = false;
  bool float64 = false;
  NetworkConfig config;
};

/// Reads and checks. `most_layers`: how many can be true of the file. Throws FileError.
Options read_options(const std::string& kind, const std::string& text, std::size_t most_layers);

std::string write_options(const Options& options);

std::vector<ParameterSpec> parameter_specs(const Options& options);

const char* kind_of(const Options& options) noexcept;

}  // namespace peephole::files
