#include "files/metadata.hpp"

#include <stdexcept>
#include <string>

#include "files/format.hpp"
#include "files/json.hpp"
#include "peephole/files.hpp"

namespace peephole::files {
namespace {

/// Zero characters would end the texts of the C interface.
void check_text(const std::string& text, const std::string& argument) {
  if (text.find('\0') != std::string::npos) {
    throw std::invalid_argument(argument + ": expected text without zero characters, got " +
                                in_quotes(text));
  }
  if (!is_utf8(text)) {
    throw std::invalid_argument(argument + ": expected UTF-8, got " + in_quotes(text));
  }
}

}  // namespace

void check_metadata(const Metadata& metadata) {
  if (metadata.size() > kMostMetadata) {
    throw std::invalid_argument("metadata: expected at most " + std::to_string(kMostMetadata) +
                                " entries, got " + std::to_string(metadata.size()));
  }
  for (const auto& [name, text] : metadata) {
    if (name.empty()) throw std::invalid_argument("metadata: expected names, got an empty one");
    check_text(name, "metadata");
    check_text(text, "metadata[" + in_quotes(name) + "]");
  }
}

void add_metadata(const Metadata& metadata, Header& header) {
  for (const auto& [name, text] : metadata) header.metadata[kAdded + name] = text;
}

Metadata read_metadata(const Header& header) {
  constexpr std::size_t kPrefix = sizeof kAdded - 1;
  Metadata metadata;
  for (auto entry = header.metadata.lower_bound(kAdded); entry != header.metadata.end(); ++entry) {
    const auto& [key, text] = *entry;
    if (key.compare(0, kPrefix, kAdded) != 0) break;
    metadata.emplace(key.substr(kPrefix), text);
  }
  try {
    check_metadata(metadata);
  } catch (const std::invalid_argument& error) {
    throw FileError(error.what());
  }
  return metadata;
}

}  // namespace peephole::files
