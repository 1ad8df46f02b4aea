#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "peephole/config.hpp"

/// A model's configuration as JSON, which is the entry "options" of its file's metadata. Its
/// options are those of peephole/options.hpp, which says what a file may lack, and "dtype".
namespace peephole::files {

/// The configuration and type of any model; for an LSTM only config.lstm counts.
struct Options {
  bool network = false;
  bool float64 = false;
  NetworkConfig config;
};

/// Reads and checks `text`; `most_layers` is the largest number of layers that the file can hold.
/// Throws FileError.
Options read_options(const std::string& kind, const std::string& text, std::size_t most_layers);

std::string write_options(Options options);

std::vector<ParameterSpec> parameter_specs(const Options& options);

const char* kind_of(const Options& options) noexcept;

}  // namespace peephole::files
