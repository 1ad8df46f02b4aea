#include "peephole/tensors.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/errors.hpp"
#include "files/byte_order.hpp"
#include "files/header.hpp"
#include "files/replace.hpp"
#include "files/source.hpp"
#include "peephole/files.hpp"

namespace peephole {
namespace {

/// What the format's own library allows, and a bound on what a header of that size may cost.
constexpr files::Limits kTensorLimits = {100'000'000, 100'000};

using Named = std::pair<const std::string, TensorView>;

/// The arrays in the order of their values: wide types first, so that all are aligned.
std::vector<const Named*> in_order(const std::map<std::string, TensorView>& tensors) {
  std::vector<const Named*> order;
  order.reserve(tensors.size());
  for (const Named& named : tensors) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return dtype_size(a->second.spec.dtype) > dtype_size(b->second.spec.dtype);
  });
  return order;
}

files::Header header_of(const std::vector<const Named*>& order, const Metadata& metadata) {
  files::Header header;
  header.metadata = metadata;
  std::uint64_t end = 0;
  for (const Named* named : order) {
    const TensorSpec& spec = named->second.spec;
    const auto bytes = files::bytes_of(spec.dtype, spec.shape);
    if (!bytes) refuse(named->first, "a known dtype and a size that memory can have", spec.dtype);
    header.tensors[named->first] = {spec.dtype, spec.shape, end, end + *bytes};
    end += *bytes;
  }
  return header;
}

std::string write_header(const files::Header& header) {
  try {
    return files::write_header(header, kTensorLimits);
  } catch (const FileError& error) {  // what a file cannot hold is an argument here
    throw std::invalid_argument(error.what());
  }
}

}  // namespace

std::size_t dtype_size(std::string_view dtype) noexcept {
  constexpr std::pair<std::string_view, std::size_t> kSizes[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"U16", 2}, {"I16", 2}, {"F16", 2}, {"BF16", 2},
      {"U32", 4},  {"I32", 4}, {"F32", 4}, {"U64", 8}, {"I64", 8}, {"F64", 8}};
  for (const auto& [name, size] : kSizes) {
    if (name == dtype) return size;
  }
  return 0;
}

void write_tensors(const std::filesystem::path& path,
                   const std::map<std::string, TensorView>& tensors, const Metadata& metadata) {
  const std::vector<const Named*> order = in_order(tensors);
  const files::Header header = header_of(order, metadata);
  const std::string beginning = write_header(header);
  files::replace_file(path, [&](files::Sink& sink) {
    sink.write(beginning.data(), beginning.size());
    for (const Named* named : order) {
      const files::Tensor& tensor = header.tensors.at(named->first);
      files::write_values(sink, named->second.data,
                          static_cast<std::size_t>(tensor.end - tensor.begin),
                          dtype_size(tensor.dtype));
    }
  });
}

void check_writable(const std::filesystem::path& path) { files::check_replaceable(path); }

struct TensorFile::Parts {
  explicit Parts(const std::filesystem::path& path) : source(path) {
    header = files::naming(path, [&] { return files::read_header(source, kTensorLimits); });
    for (const auto& [name, tensor] : header.tensors) specs[name] = {tensor.dtype, tensor.shape};
  }

  const files::Tensor& find(const std::string& name) const {
    const auto found = header.tensors.find(name);
    if (found == header.tensors.end())
      refuse("name", "an array of the file", files::in_quotes(name));
    return found->second;
  }

  files::FileSource source;
  files::Header header;
  std::map<std::string, TensorSpec> specs;
};

TensorFile::TensorFile(const std::filesystem::path& path) : parts_(std::make_unique<Parts>(path)) {}
TensorFile::TensorFile(TensorFile&&) noexcept = default;
TensorFile::~TensorFile() = default;

const Metadata& TensorFile::metadata() const noexcept { return parts_->header.metadata; }

const std::map<std::string, TensorSpec>& TensorFile::tensors() const noexcept {
  return parts_->specs;
}

std::size_t TensorFile::bytes(const std::string& name) const {
  const files::Tensor& tensor = parts_->find(name);
  return static_cast<std::size_t>(tensor.end - tensor.begin);
}

void TensorFile::read(const std::string& name, void* target) const {
  const files::Tensor& tensor = parts_->find(name);
  files::read_values(parts_->source, parts_->header.data_at + tensor.begin, target,
                     static_cast<std::size_t>(tensor.end - tensor.begin), dtype_size(tensor.dtype));
}

}  // namespace peephole
