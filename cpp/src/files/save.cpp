#include <cerrno>
#include <cstdint>
#include <fstream>
#include <ostream>
#include <random>
#include <sstream>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "files/format.hpp"
#include "files/header.hpp"
#include "files/options.hpp"
#include "files/source.hpp"
#include "model/parameters_access.hpp"
#include "peephole/files.hpp"

#if __has_include(<unistd.h>)
#include <fcntl.h>
#include <unistd.h>
#define PEEPHOLE_POSIX
#endif

namespace peephole {
namespace {

namespace fs = std::filesystem;

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
  for (const ParameterSpec& spec : specs) add(spec.name, files::dtype_of<T>(), spec, sizeof(T));
  for (const ParameterSpec& spec : specs) {
    if (parameters.masked(parameters.find(spec.name))) {
      add(files::kMasks + spec.name, files::kBool, spec, 1);
    }
  }
}

void write(std::ostream& stream, const void* data, std::size_t size) {
  stream.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
}

template <class T>
void write_values(std::ostream& stream, const std::vector<ParameterSpec>& specs,
                  const Parameters<T>& parameters) {
  static_assert(sizeof(bool) == 1, "BOOL in files is a byte");
  ParametersAccess<T>::refresh(parameters);  // masked weights are 0 in the file
  for (const ParameterSpec& spec : specs) {
    write(stream, parameters.data(parameters.find(spec.name)),
          static_cast<std::size_t>(spec.size()) * sizeof(T));
  }
  for (const ParameterSpec& spec : specs) {
    const bool* const mask = parameters.mask(parameters.find(spec.name));
    if (mask != nullptr) write(stream, mask, static_cast<std::size_t>(spec.size()));
  }
}

/// The whole file. Of an LSTM inside a network, the parameters are the first ones of all.
template <class Model>
void write_model(std::ostream& stream, const Model& model) {
  const files::Options options = options_of(model);
  const std::vector<ParameterSpec> specs = files::parameter_specs(options);
  files::Header header;
  header.metadata = {{"format", files::kFormat},
                     {"format_version", files::kVersion},
                     {"kind", files::kind_of(options)},
                     {"options", files::write_options(options)}};
  add_tensors(header, specs, model.parameters());
  const std::string beginning = files::write_header(header);
  write(stream, beginning.data(), beginning.size());
  write_values(stream, specs, model.parameters());
}

/// Has the system write what it holds back of a file or folder; where it has no such call, it will
/// in its own time.
void flush_to_disk(const fs::path& path) {
#ifdef PEEPHOLE_POSIX
  errno = 0;
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  if (descriptor < 0) files::throw_system_error("cannot write", path);
  const int result = ::fsync(descriptor);
  const int number = errno;
  ::close(descriptor);
  errno = number;
  // Some file systems have nothing to flush for a folder and say so.
  if (result != 0 && number != EINVAL) files::throw_system_error("cannot write", path);
#else
  (void)path;
#endif
}

/// What `path` leads to through links, also where that does not exist yet.
fs::path resolve_links(fs::path path) {
  constexpr int kMostLinks = 40;  // as Linux allows
  for (int i = 0; fs::is_symlink(fs::symlink_status(path)); ++i) {
    if (i == kMostLinks) {
      throw fs::filesystem_error("cannot write", path,
                                 std::make_error_code(std::errc::too_many_symbolic_link_levels));
    }
    path = path.parent_path() / fs::read_symlink(path);
  }
  return path;
}

/// A name that no other file in `folder` has.
fs::path temporary_in(const fs::path& folder) {
  std::random_device random;
  std::ostringstream name;
  name << ".peephole-" << std::hex << random() << random() << ".tmp";
  return folder / name.str();
}

/// Makes what `write` writes the content of `path`: all of it or, whatever happens, none.
template <class F>
void replace(const fs::path& path, F&& write) {
  const fs::path target = resolve_links(path);
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  if (!fs::is_directory(folder)) {
    throw fs::filesystem_error("no such folder", folder,
                               std::make_error_code(std::errc::no_such_file_or_directory));
  }
  std::error_code absent;
  const fs::file_status old = fs::status(target, absent);
  if (fs::exists(old) && !fs::is_regular_file(old)) {  // a device would be gone
    throw fs::filesystem_error(
        "not a regular file", target,
        std::make_error_code(fs::is_directory(old) ? std::errc::is_a_directory
                                                   : std::errc::operation_not_supported));
  }
  const fs::path temporary = temporary_in(folder);
  try {
    errno = 0;
    std::ofstream stream(temporary, std::ios::binary);
    if (stream) write(stream);
    stream.close();
    if (!stream) files::throw_system_error("cannot write", path);
    flush_to_disk(temporary);
    if (fs::exists(old)) fs::permissions(temporary, old.permissions());
    fs::rename(temporary, target);
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
  flush_to_disk(folder);  // the new name
}

}  // namespace

template <class Model>
void save(const Model& model, const std::filesystem::path& path) {
  replace(path, [&](std::ostream& stream) { write_model(stream, model); });
}

template <class Model>
std::string serialise(const Model& model) {
  std::ostringstream stream(std::ios::binary);
  write_model(stream, model);
  return std::move(stream).str();
}

#define PEEPHOLE_INSTANTIATE(Model)                               \
  template void save(const Model&, const std::filesystem::path&); \
  template std::string serialise(const Model&);
PEEPHOLE_INSTANTIATE(LSTM<float>)
PEEPHOLE_INSTANTIATE(LSTM<double>)
PEEPHOLE_INSTANTIATE(Network<float>)
PEEPHOLE_INSTANTIATE(Network<double>)
#undef PEEPHOLE_INSTANTIATE

}  // namespace peephole
