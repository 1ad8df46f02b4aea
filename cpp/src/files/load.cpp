#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "files/format.hpp"
#include "files/header.hpp"
#include "files/options.hpp"
#include "files/source.hpp"
#include "model/parameters_access.hpp"
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
  std::uint64_t data_at = 0;  // where in the file the tensors' offsets begin
  std::vector<ParameterSpec> specs;
};

std::string shape_text(const std::string& dtype, const std::vector<std::uint64_t>& shape) {
  std::string text = dtype + " (";
  for (std::size_t d = 0; d < shape.size(); ++d) {
    text += (d == 0 ? "" : ", ") + std::to_string(shape[d]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

Header read_header(Source& source, std::uint64_t& data_at) {
  unsigned char size_bytes[files::kSizeBytes];
  if (source.size() < sizeof size_bytes) {
    throw FileError("not a whole safetensors file: it has " + std::to_string(source.size()) +
                    " bytes");
  }
  source.read(0, size_bytes, sizeof size_bytes);
  std::string text(files::read_header_size(size_bytes, source.size()), '\0');
  source.read(files::kSizeBytes, text.data(), text.size());
  data_at = files::kSizeBytes + text.size();
  return files::read_header(text, source.size() - data_at);
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
  // Each layer has weights of its own; so what follows takes no more memory than the header did.
  return files::read_options(value("kind"), value("options"), header.tensors.size());
}

void check_tensor(const std::string& name, const Tensor& tensor, const std::string& dtype,
                  std::size_t value_size, const ParameterSpec& spec) {
  std::vector<std::uint64_t> shape = {static_cast<std::uint64_t>(spec.rows)};
  if (spec.columns != 0) shape.push_back(static_cast<std::uint64_t>(spec.columns));
  if (tensor.dtype != dtype || tensor.shape != shape) {
    throw FileError("tensor " + in_quotes(name) + ": expected " + shape_text(dtype, shape) +
                    ", got " + shape_text(in_quotes(tensor.dtype), tensor.shape));
  }
  const std::uint64_t size = static_cast<std::uint64_t>(spec.size()) * value_size;
  if (tensor.end - tensor.begin != size) {
    throw FileError("tensor " + in_quotes(name) + ": expected " + std::to_string(size) +
                    " bytes, got " + std::to_string(tensor.end - tensor.begin));
  }
}

/// That there are exactly the tensors of the parameters, and masks of some of them.
template <class T>
void check_tensors(const Parts& parts) {
  const auto& tensors = parts.header.tensors;
  std::set<std::string> known;
  for (const ParameterSpec& spec : parts.specs) {
    const auto values = tensors.find(spec.name);
    if (values == tensors.end()) throw FileError("tensor " + in_quotes(spec.name) + " is missing");
    check_tensor(spec.name, values->second, files::dtype_of<T>(), sizeof(T), spec);
    const auto mask = tensors.find(files::kMasks + spec.name);
    if (mask != tensors.end()) check_tensor(mask->first, mask->second, files::kBool, 1, spec);
    known.insert({spec.name, files::kMasks + spec.name});
  }
  for (const auto& [name, tensor] : tensors) {
    if (known.count(name) == 0) throw FileError("unknown tensor " + in_quotes(name));
  }
}

/// That what a mask cuts is 0, read piece by piece.
template <class T>
void check_mask(Source& source, const Parts& parts, const ParameterSpec& spec, const Tensor& mask) {
  constexpr std::size_t kPiece = 4096;
  std::array<unsigned char, kPiece> connected;
  std::array<T, kPiece> values;
  const Tensor& tensor = parts.header.tensors.at(spec.name);
  const auto size = static_cast<std::uint64_t>(spec.size());
  for (std::uint64_t begin = 0; begin < size; begin += kPiece) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size - begin));
    source.read(parts.data_at + mask.begin + begin, connected.data(), count);
    source.read(parts.data_at + tensor.begin + begin * sizeof(T), values.data(), count * sizeof(T));
    for (std::size_t j = 0; j < count; ++j) {
      if (connected[j] == 0 && !(values[j] == T{0})) {
        throw FileError("tensor " + in_quotes(spec.name) + " is not 0 where its mask says so");
      }
    }
  }
}

template <class T>
void check_values(Source& source, const Parts& parts) {
  check_tensors<T>(parts);
  for (const ParameterSpec& spec : parts.specs) {
    const auto mask = parts.header.tensors.find(files::kMasks + spec.name);
    if (mask != parts.header.tensors.end()) check_mask<T>(source, parts, spec, mask->second);
  }
}

Parts read_parts(Source& source) {
  Parts parts;
  parts.header = read_header(source, parts.data_at);
  parts.options = read_options(parts.header);
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
  source.read(parts.data_at + mask.begin, bytes.data(), size);
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
    source.read(parts.data_at + tensor.begin,
                ParametersAccess<T>::mutable_flat(parameters) + parameters.offset(i),
                static_cast<std::size_t>(tensor.end - tensor.begin));
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

AnyModel load(Source& source) {
  const Parts parts = read_parts(source);
  const NetworkConfig& config = parts.options.config;
  if (parts.options.network) {
    if (parts.options.float64) return assemble<Network<double>>(source, parts, config);
    return assemble<Network<float>>(source, parts, config);
  }
  if (parts.options.float64) return assemble<LSTM<double>>(source, parts, config.lstm);
  return assemble<LSTM<float>>(source, parts, config.lstm);
}

/// What of a file's model can be said for a message.
const char* name_of(const LSTM<float>*) { return "an LSTM of float32"; }
const char* name_of(const LSTM<double>*) { return "an LSTM of float64"; }
const char* name_of(const Network<float>*) { return "a Network of float32"; }
const char* name_of(const Network<double>*) { return "a Network of float64"; }

template <class Model>
Model only(AnyModel model) {
  if (Model* const found = std::get_if<Model>(&model)) return std::move(*found);
  const char* const got = std::visit([](const auto& other) { return name_of(&other); }, model);
  throw FileError(std::string("expected ") + name_of(static_cast<const Model*>(nullptr)) +
                  ", got " + got);
}

/// load() for a path, where every complaint names the file.
template <class F>
auto naming(const std::filesystem::path& path, F&& f) {
  try {
    return f();
  } catch (const FileError& error) {
    throw FileError(path.string() + ": " + error.what());
  }
}

}  // namespace

AnyModel load(const void* data, std::size_t size) {
  files::MemorySource source(data, size);
  return load(source);
}

AnyModel load(const std::filesystem::path& path) {
  files::FileSource source(path);
  return naming(path, [&] { return load(source); });
}

template <class Model>
Model load(const void* data, std::size_t size) {
  return only<Model>(load(data, size));
}

template <class Model>
Model load(const std::filesystem::path& path) {
  files::FileSource source(path);
  return naming(path, [&] { return only<Model>(load(source)); });
}

#define PEEPHOLE_INSTANTIATE(Model)                         \
  template Model load<Model>(const std::filesystem::path&); \
  template Model load<Model>(const void*, std::size_t);
PEEPHOLE_INSTANTIATE(LSTM<float>)
PEEPHOLE_INSTANTIATE(LSTM<double>)
PEEPHOLE_INSTANTIATE(Network<float>)
PEEPHOLE_INSTANTIATE(Network<double>)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
