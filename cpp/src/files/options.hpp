#pragma once

#include <string>

#include "peephole/config.hpp"

/// A model's configuration, as the metadata "options" of its file have it.
namespace peephole::files {

/// The configuration and type of any model; of an LSTM, only config.lstm counts.
struct Options {
  bool network = false;
  bool float64 = false;
  NetworkConfig config;
};

/// Reads and checks all but the total size. Throws FileError.
Options read_options(const std::string& kind, const std::string& text);

/// Throws FileError for a text that read_options() would find too long.
std::string write_options(const Options& options);

const char* kind_of(const Options& options) noexcept;

}  // namespace peephole::files
