#include "files/header.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "files/json.hpp"
#include "peephole/files.hpp"
#include "peephole/tensors.hpp"
#include "peephole/types.hpp"

namespace peephole::files {
namespace {

constexpr char kMetadata[] = "__metadata__";
constexpr std::size_t kSizeBytes = 8;
/// More than any writer uses; each costs memory before its meaning is known.
constexpr std::size_t kMostEntries = 64;
/// More than any tensor library has.
constexpr std::size_t kMostDimensions = 8;
/// To which the values are aligned: the largest of their types.
constexpr std::size_t kAlignment = 8;

[[noreturn]] void refuse_header(const std::string& what) {
  throw FileError("not a whole safetensors file: " + what);
}

/// Takes a header from the events of the JSON parser and accepts only the form above, so that
/// neither the depth nor the memory depends on who wrote the file.
class HeaderReader : public JsonEvents {
 public:
  HeaderReader(Header& header, std::size_t most_tensors)
      : header_(header), most_tensors_(most_tensors) {}

  void start_object() override {
    switch (place_) {
      case Place::outside: return enter(Place::header);
      case Place::header:
        if (name_ == kMetadata) return enter(Place::metadata);
        if (header_.tensors.size() == most_tensors_) refuse_header("too many tensors");
        tensor_ = &header_.tensors[name_];
        fields_ = 0;
        return enter(Place::tensor);
      default: unexpected("an object");
    }
  }

  void key(const std::string& key) override {
    if (place_ == Place::header) {
      const bool known = key == kMetadata ? metadata_seen_ : header_.tensors.count(key) != 0;
      if (known) refuse_header("second " + in_quotes(key));
      metadata_seen_ = metadata_seen_ || key == kMetadata;
      name_ = key;
    } else if (place_ == Place::metadata) {
      if (header_.metadata.size() == kMostEntries) refuse_header("too many metadata");
      if (!header_.metadata.emplace(key, "").second)
        refuse_header("second metadata " + in_quotes(key));
      field_ = key;
    } else {
      const auto* known = std::find(std::begin(kFields), std::end(kFields), key);
      if (known == std::end(kFields)) {
        refuse_header("tensor " + in_quotes(name_) + ": unknown " + in_quotes(key));
      }
      const unsigned bit = 1u << (known - std::begin(kFields));
      if ((fields_ & bit) != 0)
        refuse_header("tensor " + in_quotes(name_) + ": second " + in_quotes(key));
      fields_ |= bit;
      field_ = key;
    }
  }

  void string(const std::string& text) override {
    if (place_ == Place::metadata) {
      header_.metadata[field_] = text;
    } else if (place_ == Place::tensor && field_ == "dtype") {
      tensor_->dtype = text;
    } else {
      unexpected("a string");
    }
  }

  void start_array() override {
    if (place_ != Place::tensor || field_ == "dtype") unexpected("a list");
    offsets_ = 0;
    return enter(field_ == "shape" ? Place::shape : Place::offsets);
  }

  void whole_number(std::uint64_t number) override {
    if (place_ == Place::shape) {
      if (tensor_->shape.size() == kMostDimensions) unexpected("one more dimension");
      tensor_->shape.push_back(number);
    } else if (place_ == Place::offsets && offsets_ < 2) {
      (offsets_ == 0 ? tensor_->begin : tensor_->end) = number;
      ++offsets_;
    } else {
      unexpected("a number");
    }
  }

  void end_array() override {
    if (place_ == Place::offsets && offsets_ != 2) unexpected("an end");
    return enter(Place::tensor);
  }

  void end_object() override {
    if (place_ == Place::tensor && fields_ != kAllFields) {
      refuse_header("tensor " + in_quotes(name_) + ": dtype, shape or data_offsets is missing");
    }
    return enter(place_ == Place::header ? Place::outside : Place::header);
  }

  void null() override { unexpected("null"); }
  void boolean(bool) override { unexpected("a bool"); }
  void negative_number(std::int64_t) override { unexpected("a negative number"); }
  void real_number(double, const std::string&) override { unexpected("a number that is no size"); }
  void error(std::size_t position) override {
    refuse_header("no JSON in the header, as of its byte " + std::to_string(position));
  }

 private:
  static constexpr std::string_view kFields[] = {"dtype", "shape", "data_offsets"};
  static constexpr unsigned kAllFields = 0b111;
  enum class Place { outside, header, metadata, tensor, shape, offsets };

  void enter(Place place) noexcept { place_ = place; }

  [[noreturn]] void unexpected(const std::string& what) const {
    switch (place_) {
      case Place::outside: refuse_header("the header is " + what + ", not an object");
      case Place::header: refuse_header(in_quotes(name_) + " is " + what + ", not an object");
      case Place::metadata:
        refuse_header("metadata " + in_quotes(field_) + " is " + what + ", not a string");
      default: refuse_header("tensor " + in_quotes(name_) + ": " + what + " in " + field_);
    }
  }

  Header& header_;
  std::size_t most_tensors_;
  Place place_ = Place::outside;
  std::string name_, field_;  // the keys on the way to here
  unsigned fields_ = 0;       // of the tensor: those that have been, a bit each
  Tensor* tensor_ = nullptr;
  int offsets_ = 0;
  bool metadata_seen_ = false;
};

std::string bytes_text(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

/// Checks that the tensors lie one after the other, from the first byte of the data to its last,
/// and that each takes the bytes of its shape.
void check_tensors(const Header& header, std::uint64_t data_size) {
  std::vector<std::pair<const std::string, Tensor> const*> in_order;
  in_order.reserve(header.tensors.size());
  for (const auto& named : header.tensors) in_order.push_back(&named);
  std::sort(in_order.begin(), in_order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  std::uint64_t reached = 0;
  for (const auto* named : in_order) {
    const auto& [name, tensor] = *named;
    const auto bytes = bytes_of(tensor.dtype, tensor.shape);
    if (!bytes) {
      refuse_header("tensor " + in_quotes(name) + ": unknown dtype " + in_quotes(tensor.dtype) +
                    ", or more values than memory can hold");
    }
    if (tensor.begin != reached || tensor.end < tensor.begin) {
      refuse_header("tensor " + in_quotes(name) + " is at " + std::to_string(tensor.begin) + ".." +
                    std::to_string(tensor.end) + ", but the one before it ends at " +
                    std::to_string(reached));
    }
    if (tensor.end - tensor.begin != *bytes) {
      refuse_header("tensor " + in_quotes(name) + ": its shape needs " + bytes_text(*bytes) +
                    ", its data_offsets give it " + bytes_text(tensor.end - tensor.begin));
    }
    reached = tensor.end;
  }
  if (reached != data_size) {
    refuse_header("the header describes " + bytes_text(reached) + " of values, the file has " +
                  bytes_text(data_size));
  }
}

/// The JSON of a header.
std::string read_text(Source& source, const Limits& limits) {
  unsigned char bytes[kSizeBytes];
  if (source.size() < kSizeBytes) refuse_header("it has " + bytes_text(source.size()));
  source.read(0, bytes, kSizeBytes);
  std::uint64_t size = 0;
  for (std::size_t i = kSizeBytes; i-- > 0;) size = size << 8 | bytes[i];
  if (size > limits.bytes || size > source.size() - kSizeBytes) {
    refuse_header("a header of " + bytes_text(size) + " in a file of " + bytes_text(source.size()) +
                  "; at most " + std::to_string(limits.bytes) + " are allowed");
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  source.read(kSizeBytes, text.data(), text.size());
  return text;
}

std::string metadata_text(const std::map<std::string, std::string>& metadata) {
  JsonWriter object("{}");
  for (const auto& [key, text] : metadata) object.add(key, to_json(text));
  return object.text();
}

std::string sizes_text(const std::vector<std::uint64_t>& sizes) {
  JsonWriter list("[]");
  for (const std::uint64_t size : sizes) list.add(to_json(size));
  return list.text();
}

std::string tensor_text(const Tensor& tensor) {
  JsonWriter object("{}");
  object.add("data_offsets", sizes_text({tensor.begin, tensor.end}));
  object.add("dtype", to_json(tensor.dtype));
  object.add("shape", sizes_text(tensor.shape));
  return object.text();
}

}  // namespace

std::optional<std::uint64_t> bytes_of(const std::string& dtype,
                                      const std::vector<std::uint64_t>& shape) noexcept {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
  std::uint64_t bytes = dtype_size(dtype);
  if (bytes == 0) return std::nullopt;
  bool empty = false;
  for (const std::uint64_t size : shape) {
    empty = empty || size == 0;
    if (size > kMost || (size > 0 && bytes > kMost / size)) return std::nullopt;
    bytes *= std::max<std::uint64_t>(size, 1);
  }
  return empty ? 0 : bytes;
}

Header read_header(Source& source, const Limits& limits) {
  const std::string text = read_text(source, limits);
  if (text.empty() || text.front() != '{') {
    refuse_header("no JSON object in the header");
  }
  Header header;
  HeaderReader reader(header, limits.tensors);
  parse_json(text, reader);
  header.data_at = kSizeBytes + text.size();
  check_tensors(header, source.size() - header.data_at);
  return header;
}

std::string write_header(const Header& header, const Limits& limits) {
  JsonWriter root("{}");
  root.add(kMetadata, metadata_text(header.metadata));
  for (const auto& [name, tensor] : header.tensors) {
    if (name == kMetadata) throw std::invalid_argument("an array cannot be called __metadata__");
    root.add(name, tensor_text(tensor));
  }
  std::string text = root.text();
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  if (text.size() > limits.bytes || header.tensors.size() > limits.tensors ||
      header.metadata.size() > kMostEntries) {
    throw FileError(std::to_string(header.tensors.size()) + " tensors with " +
                    std::to_string(header.metadata.size()) + " metadata and names of " +
                    bytes_text(text.size()) +
                    " are more than a file's header may have: " + std::to_string(limits.tensors) +
                    ", " + std::to_string(kMostEntries) + " and " + bytes_text(limits.bytes));
  }
  std::string bytes;
  for (std::size_t i = 0; i < kSizeBytes; ++i) {
    bytes += static_cast<char>(static_cast<std::uint64_t>(text.size()) >> 8 * i & 0xFF);
  }
  return bytes + text;
}

std::string in_quotes(const std::string& name) {
  constexpr std::size_t kLongest = 60;
  const std::string text = in_ascii_quotes(name.substr(0, kLongest));
  return name.size() > kLongest ? text + "..." : text;
}

}  // namespace peephole::files
