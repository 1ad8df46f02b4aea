#include <cstdint>
#include <string>
#include <type_traits>

#include "files/byte_order.hpp"
#include "files/format.hpp"
#include "files/header.hpp"
#include "files/metadata.hpp"
#include "files/options.hpp"
#include "files/replace.hpp"
#include "files/source.hpp"
#include "model/parameters_access.hpp"
#include "peephole/files.hpp"

namespace peephole {
namespace {

template <class T>
files::Options options_of(const LSTM<T>& model) {
  return {false, std::is_same_v<T, double>, {model.config(), 1, {}, {}}};
}

template <class T>
files::Options options_of(const Network<T>& model) {
  return {true, std::is_same_v<T, double>, model.config()};
}

/// The tensors in the order of their values: all parameters, then the masks.
template <class T>
void add_tensors(files::Header& header, const std::vector<ParameterSpec>& specs,
                 const Parameters<T>& parameters) {
  std::uint64_t end = 0;
  const auto add = [&](const std::string& name, const char* dtype, const ParameterSpec& spec,
                       std::size_t value_size) {
    files::Tensor& tensor = header.tensors[name];
    tensor.dtype = dtype;
    tensor.shape = {static_cast<std::uint64_t>(spec.rows)};
    if (spec.columns != 0) tensor.shape.push_back(static_cast<std::uint64_t>(spec.columns));
    tensor.begin = end;
    tensor.end = end += static_cast<std::uint64_t>(spec.size()) * value_size;
  };
  for (const ParameterSpec& spec : specs) {
    add(spec.name, files::dtype_of<T>(spec.type), spec,
        parameters.value_bytes(parameters.find(spec.name)));
  }
  for (const ParameterSpec& spec : specs) {
    if (parameters.masked(parameters.find(spec.name))) {
      add(files::kMasks + spec.name, files::kBool, spec, 1);
    }
  }
}

template <class T>
void write_values(files::Sink& sink, const std::vector<ParameterSpec>& specs,
                  const Parameters<T>& parameters) {
  static_assert(sizeof(bool) == 1, "BOOL in files is a byte");
  ParametersAccess<T>::refresh(parameters);  // masked weights are 0 in the file
  for (const ParameterSpec& spec : specs) {
    const Index i = parameters.find(spec.name);
    const std::size_t value_size = parameters.value_bytes(i);
    files::write_values(sink, parameters.data(i),
                        static_cast<std::size_t>(spec.size()) * value_size, value_size);
  }
  for (const ParameterSpec& spec : specs) {
    const bool* const mask = parameters.mask(parameters.find(spec.name));
    if (mask != nullptr) sink.write(mask, static_cast<std::size_t>(spec.size()));
  }
}

/// Writes the whole file. The parameters of an LSTM inside a network are the network's first ones.
template <class Model>
void write_model(files::Sink& sink, const Model& model, const Metadata& metadata) {
  const files::Options options = options_of(model);
  const std::vector<ParameterSpec> specs = files::parameter_specs(options);
  files::Header header;
  header.metadata = {{"format", files::kFormat},
                     {"format_version", files::kVersion},
                     {"kind", files::kind_of(options)},
                     {"options", files::write_options(options)}};
  files::add_metadata(metadata, header);
  add_tensors(header, specs, model.parameters());
  const std::string beginning = files::write_header(header, files::kModelLimits);
  sink.write(beginning.data(), beginning.size());
  write_values(sink, specs, model.parameters());
}

}  // namespace

template <class Model>
void save(const Model& model, const std::filesystem::path& path, const Metadata& metadata) {
  files::check_metadata(metadata);
  files::replace_file(path, [&](files::Sink& sink) { write_model(sink, model, metadata); });
}

template <class Model>
std::string serialise(const Model& model, const Metadata& metadata) {
  files::check_metadata(metadata);
  std::string bytes;
  files::StringSink sink(bytes);
  write_model(sink, model, metadata);
  return bytes;
}

template <class Model>
std::string options_text(const Model& model) {
  return files::write_options(options_of(model));
}

#define PEEPHOLE_INSTANTIATE(Model)                                                \
  template void save(const Model&, const std::filesystem::path&, const Metadata&); \
  template std::string serialise(const Model&, const Metadata&);                   \
  template std::string options_text(const Model&);
PEEPHOLE_INSTANTIATE(LSTM<float>)
PEEPHOLE_INSTANTIATE(LSTM<double>)
PEEPHOLE_INSTANTIATE(Network<float>)
PEEPHOLE_INSTANTIATE(Network<double>)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
