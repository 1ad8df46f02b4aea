#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "files/byte_order.hpp"
#include "files/format.hpp"
#include "files/header.hpp"
#include "files/metadata.hpp"
#include "files/options.hpp"
#include "files/source.hpp"
#include "model/number_type.hpp"
#include "model/parameters_access.hpp"
#include "model/rounding.hpp"
#include "peephole/files.hpp"

namespace peephole {
namespace {

using files::Header;
using files::in_quotes;
using files::Options;
using files::Source;
using files::Tensor;

/// A file's parts, checked against each other.
struct Parts {
  Header header;
  Options options;
  Metadata metadata;  // the caller's
  std::vector<ParameterSpec> specs;
};

std::string shape_text(const std::string& dtype, const std::vector<std::uint64_t>& shape) {
  std::string text = dtype + " (";
  for (std::size_t d = 0; d < shape.size(); ++d) {
    text += (d == 0 ? "" : ", ") + std::to_string(shape[d]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

Options read_options(const Header& header) {
  const auto value = [&](const char* key) {
    const auto found = header.metadata.find(key);
    return found == header.metadata.end() ? std::string() : found->second;
  };
  if (value("format") != files::kFormat) {
    throw FileError("a safetensors file, but not one that peephole wrote");
  }
  if (value("format_version") != files::kVersion) {
    throw FileError("format version " + in_quotes(value("format_version")) +
                    "; this release reads " + in_quotes(files::kVersion));
  }
  // Each layer has tensors of its own, so what follows takes no more memory than the header did.
  return files::read_options(value("kind"), value("options"), header.tensors.size());
}

void check_tensor(const std::string& name, const Tensor& tensor, const std::string& dtype,
                  const ParameterSpec& spec) {
  std::vector<std::uint64_t> shape = {static_cast<std::uint64_t>(spec.rows)};
  if (spec.columns != 0) shape.push_back(static_cast<std::uint64_t>(spec.columns));
  if (tensor.dtype != dtype || tensor.shape != shape) {
    throw FileError("tensor " + in_quotes(name) + ": expected " + shape_text(dtype, shape) +
                    ", got " + shape_text(in_quotes(tensor.dtype), tensor.shape));
  }
}

/// Checks that there are exactly the tensors of the parameters, and masks of some of them.
template <class T>
void check_tensors(const Parts& parts) {
  const auto& tensors = parts.header.tensors;
  std::set<std::string> known;
  for (const ParameterSpec& spec : parts.specs) {
    const auto values = tensors.find(spec.name);
    if (values == tensors.end()) throw FileError("tensor " + in_quotes(spec.name) + " is missing");
    check_tensor(spec.name, values->second, files::dtype_of<T>(spec.type), spec);
    const auto mask = tensors.find(files::kMasks + spec.name);
    if (mask != tensors.end()) check_tensor(mask->first, mask->second, files::kBool, spec);
    known.insert({spec.name, files::kMasks + spec.name});
  }
  for (const auto& [name, tensor] : tensors) {
    if (known.count(name) == 0) throw FileError("unknown tensor " + in_quotes(name));
  }
}

/// Checks, piece by piece, that a weight is 0 where its mask does not connect it.
template <class T>
void check_mask(Source& source, const Parts& parts, const ParameterSpec& spec, const Tensor& mask) {
  constexpr std::size_t kPiece = 4096;
  std::array<unsigned char, kPiece> connected;
  std::array<T, kPiece> values;
  const Tensor& tensor = parts.header.tensors.at(spec.name);
  const auto size = static_cast<std::uint64_t>(spec.size());
  for (std::uint64_t begin = 0; begin < size; begin += kPiece) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size - begin));
    source.read(parts.header.data_at + mask.begin + begin, connected.data(), count);
    files::read_values(source, parts.header.data_at + tensor.begin + begin * sizeof(T),
                       values.data(), count * sizeof(T), sizeof(T));
    for (std::size_t j = 0; j < count; ++j) {
      if (connected[j] == 0 && !(values[j] == T{0})) {
        throw FileError("tensor " + in_quotes(spec.name) + " is not 0 where its mask says so");
      }
    }
  }
}

/// Checks, row by row, that no sum of products of the integers can overflow.
template <class Integer>
void check_integers(Source& source, const Parts& parts, const ParameterSpec& spec) {
  const std::uint64_t at = parts.header.data_at + parts.header.tensors.at(spec.name).begin;
  std::vector<Integer> values(static_cast<std::size_t>(spec.columns));
  const std::size_t bytes = values.size() * sizeof(Integer);
  for (Index row = 0; row < spec.rows; ++row) {
    files::read_values(source, at + static_cast<std::uint64_t>(row) * bytes, values.data(), bytes,
                       sizeof(Integer));
    if (!sums_fit(values.data(), spec.columns)) {
      throw FileError("tensor " + in_quotes(spec.name) +
                      " has integers whose sums of products could overflow");
    }
  }
}

template <class T>
void check_values(Source& source, const Parts& parts) {
  check_tensors<T>(parts);
  for (const ParameterSpec& spec : parts.specs) {
    const auto mask = parts.header.tensors.find(files::kMasks + spec.name);
    const bool masked = mask != parts.header.tensors.end();
    with_number<T>(spec.type, [&](auto zero) {
      using Number = decltype(zero);
      if constexpr (std::is_integral_v<Number>) check_integers<Number>(source, parts, spec);
      if (masked) check_mask<Number>(source, parts, spec, mask->second);
    });
  }
}

Parts read_parts(Source& source) {
  Parts parts;
  parts.header = files::read_header(source, files::kModelLimits);
  parts.options = read_options(parts.header);
  parts.metadata = files::read_metadata(parts.header);
  parts.specs = files::parameter_specs(parts.options);
  if (parts.options.float64) {
    check_values<double>(source, parts);
  } else {
    check_values<float>(source, parts);
  }
  return parts;
}

/// A mask's flags. A byte of a forged file need not be 0 or 1, which is all that a bool may be.
std::unique_ptr<bool[]> read_mask(Source& source, const Parts& parts, const Tensor& mask) {
  const auto size = static_cast<std::size_t>(mask.end - mask.begin);
  std::vector<unsigned char> bytes(size);
  source.read(parts.header.data_at + mask.begin, bytes.data(), size);
  auto connected = std::make_unique<bool[]>(size);
  std::transform(bytes.begin(), bytes.end(), connected.get(),
                 [](unsigned char byte) { return byte != 0; });
  return connected;
}

template <class T>
void read_parameters(Source& source, const Parts& parts, Parameters<T>& parameters) {
  for (Index i = 0; i < static_cast<Index>(parts.specs.size()); ++i) {
    const std::string& name = parts.specs[static_cast<std::size_t>(i)].name;
    const Tensor& tensor = parts.header.tensors.at(name);
    files::read_values(source, parts.header.data_at + tensor.begin,
                       ParametersAccess<T>::mutable_flat(parameters) + parameters.offset(i),
                       static_cast<std::size_t>(tensor.end - tensor.begin),
                       parameters.value_bytes(i));
    const auto mask = parts.header.tensors.find(files::kMasks + name);
    if (mask != parts.header.tensors.end()) {
      parameters.mask(i, read_mask(source, parts, mask->second).get());
    }
  }
  ParametersAccess<T>::announce(parameters);
}

template <class Model, class Config>
Model assemble(Source& source, const Parts& parts, const Config& config) {
  Model model(config, uninitialised);
  read_parameters(source, parts, model.parameters());
  return model;
}

AnyModel assemble(Source& source, const Parts& parts) {
  const NetworkConfig& config = parts.options.config;
  if (parts.options.network) {
    if (parts.options.float64) return assemble<Network<double>>(source, parts, config);
    return assemble<Network<float>>(source, parts, config);
  }
  if (parts.options.float64) return assemble<LSTM<double>>(source, parts, config.lstm);
  return assemble<LSTM<float>>(source, parts, config.lstm);
}

AnyModel load(Source& source, Metadata* metadata) {
  Parts parts = read_parts(source);
  AnyModel model = assemble(source, parts);
  if (metadata != nullptr) *metadata = std::move(parts.metadata);
  return model;
}

// What a file must say for a model of a known kind, and its configuration for the model.

template <class T>
Options kind_of(const LSTM<T>*) {
  return {false, std::is_same_v<T, double>, {}};
}
template <class T>
Options kind_of(const Network<T>*) {
  return {true, std::is_same_v<T, double>, {}};
}
template <class T>
const LSTMConfig& config_of(const Options& options, const LSTM<T>*) {
  return options.config.lstm;
}
template <class T>
const NetworkConfig& config_of(const Options& options, const Network<T>*) {
  return options.config;
}

/// For messages.
std::string kind_text(const Options& options) {
  return std::string(options.network ? "a Network" : "an LSTM") + " of float" +
         (options.float64 ? "64" : "32");
}

/// Refers to no other kind of model, so that a program which is linked with --gc-sections holds
/// only its own.
template <class Model>
Model load_only(Source& source, Metadata* metadata) {
  constexpr const Model* kModel = nullptr;
  Parts parts = read_parts(source);
  const Options expected = kind_of(kModel);
  if (parts.options.network != expected.network || parts.options.float64 != expected.float64) {
    throw FileError("expected " + kind_text(expected) + ", got " + kind_text(parts.options));
  }
  Model model = assemble<Model>(source, parts, config_of(parts.options, kModel));
  if (metadata != nullptr) *metadata = std::move(parts.metadata);
  return model;
}

}  // namespace

AnyModel load(const void* data, std::size_t size, Metadata* metadata) {
  files::MemorySource source(data, size);
  return load(source, metadata);
}

AnyModel load(const std::filesystem::path& path, Metadata* metadata) {
  files::FileSource source(path);
  return files::naming(path, [&] { return load(source, metadata); });
}

template <class Model>
Model load(const void* data, std::size_t size, Metadata* metadata) {
  files::MemorySource source(data, size);
  return load_only<Model>(source, metadata);
}

template <class Model>
Model load(const std::filesystem::path& path, Metadata* metadata) {
  files::FileSource source(path);
  return files::naming(path, [&] { return load_only<Model>(source, metadata); });
}

#define PEEPHOLE_INSTANTIATE(Model)                                    \
  template Model load<Model>(const std::filesystem::path&, Metadata*); \
  template Model load<Model>(const void*, std::size_t, Metadata*);
PEEPHOLE_INSTANTIATE(LSTM<float>)
PEEPHOLE_INSTANTIATE(LSTM<double>)
PEEPHOLE_INSTANTIATE(Network<float>)
PEEPHOLE_INSTANTIATE(Network<double>)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
