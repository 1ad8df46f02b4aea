#pragma once

#include <string>
#include <vector>

#include "files/file_bytes.hpp"
#include "files/hostile_files.hpp"

namespace peephole::test {

/// The good file with this beside its other metadata.
inline std::string with_metadata(const std::string& entries) {
  return join(edit(kHeader, "\"kind\":", entries + ",\"kind\":"));
}

/// Files of which only what the caller added to the metadata is wrong.
inline std::vector<HostileFile> hostile_metadata() {
  std::vector<HostileFile> files;
  const auto add = [&](const char* name, const std::string& entries) {
    files.push_back({std::string("added metadata: ") + name, with_metadata(entries)});
  };
  add("a number", R"("metadata/rate":48000)");
  add("null", R"("metadata/rate":null)");
  add("an object", R"("metadata/rate":{"Hz":"48000"})");
  add("a list", R"("metadata/rate":["48000"])");
  add("twice", R"("metadata/rate":"1","metadata/rate":"2")");
  add("no name", R"("metadata/":"48000")");
  add("a zero in a name", R"("metadata/ra\u0000te":"48000")");
  add("a zero in a text", R"("metadata/rate":"48\u0000")");
  add("not UTF-8", "\"metadata/rate\":\"\xC3\x28\"");
  add("a name that is not UTF-8", "\"metadata/\xFF\":\"48000\"");
  add("half a surrogate", R"("metadata/rate":"\ud800")");
  add("a text of a megabyte",
      "\"metadata/text\":\"" + std::string(std::size_t{1} << 20, 'a') + '"');
  std::string many = R"("metadata/0":"")";
  for (int i = 1; i < 51; ++i) many += ",\"metadata/" + std::to_string(i) + "\":\"\"";
  add("51 entries", many);
  return files;
}

}  // namespace peephole::test
