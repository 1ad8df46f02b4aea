#include "peephole/tensors.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "peephole/files.hpp"
#include "support/allocated.hpp"
#include "support/check.hpp"
#include "support/folder.hpp"

using namespace peephole;
using namespace peephole::test;

namespace {

template <class Exception, class F>
void check_throws(F&& f, const std::string& fragment) {
  const std::string complaint = check::complaint<Exception>(f, fragment);
  check::note(complaint.empty(), __FILE__, __LINE__, complaint);
}

std::string bytes_of(const TensorFile& file, const std::string& name) {
  std::string bytes(file.bytes(name), '\0');
  file.read(name, bytes.data());
  return bytes;
}

constexpr const char* kDtypes[] = {"BOOL", "U8",  "I8",  "U16", "I16", "F16", "BF16",
                                   "U32",  "I32", "F32", "U64", "I64", "F64"};

void test_round_trip() {
  const Folder folder;
  const auto path = folder / "file";
  std::map<std::string, TensorView> tensors;
  std::string values;
  for (int i = 0; i < 256; ++i) values += static_cast<char>(i % 2);
  for (const char* dtype : kDtypes) {
    tensors[std::string("a/") + dtype] = {{dtype, {3, 5}}, values.data()};
    tensors[std::string("one/") + dtype] = {{dtype, {}}, values.data()};
    tensors[std::string("none/") + dtype] = {{dtype, {4, 0}}, nullptr};
  }
  const Metadata metadata = {{"notes", "{\"a\": \"\xc3\xa9\\n\"}"}, {"", ""}};
  write_tensors(path, tensors, metadata);
  const TensorFile file(path);
  CHECK(file.metadata() == metadata);
  CHECK(file.tensors().size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const TensorSpec& spec = file.tensors().at(name);
    CHECK(spec.dtype == tensor.spec.dtype && spec.shape == tensor.spec.shape);
    std::size_t size = dtype_size(spec.dtype);
    for (const std::uint64_t length : spec.shape) size *= static_cast<std::size_t>(length);
    CHECK(bytes_of(file, name) == values.substr(0, size));
  }
  CHECK_THROWS(file.bytes("other"), "name: expected");
  CHECK_THROWS(file.read("other", nullptr), "name: expected");
  write_tensors(folder / "empty", {}, {});
  CHECK(TensorFile(folder / "empty").tensors().empty());
}

void test_what_no_file_can_have() {
  const Folder folder;
  const auto path = folder / "file";
  const auto refused = [&](const std::map<std::string, TensorView>& tensors,
                           const Metadata& metadata, const char* fragment) {
    CHECK_THROWS(write_tensors(path, tensors, metadata), fragment);
    CHECK(folder.entries() == 0);
  };
  const double value = 0;
  refused({{"a", {{"F8", {}}, &value}}}, {}, "a: expected a known dtype");
  refused({{"a", {{"", {}}, &value}}}, {}, "a: expected");
  refused({{"a", {{"F64", {std::uint64_t{1} << 61, 4}}, &value}}}, {}, "a: expected");
  refused({{"__metadata__", {{"F64", {}}, &value}}}, {}, "__metadata__");
  refused({{"\xff", {{"F64", {}}, &value}}}, {}, "UTF-8");
  refused({}, {{"a", "\xc3"}}, "UTF-8");
  Metadata many;
  for (int i = 0; i < 1000; ++i) many[std::to_string(i)] = "";
  refused({}, many, "1000 metadata");
}

/// A file of this header and `size` bytes of values.
std::string with_header(const std::string& header, std::size_t size) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> 8 * i & 0xFF);
  return bytes + header + std::string(size, '\0');
}

/// A header of one tensor.
std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":[)" + shape + R"(],"data_offsets":[)" +
         offsets + "]}}";
}

void test_forged_files() {
  const Folder folder;
  const auto path = folder / "file";
  const auto refused = [&](const std::string& bytes, const char* fragment) {
    write(path, bytes);
    const std::size_t before = allocated;
    most_allocated = before;
    check_throws<FileError>([&] { TensorFile file(path); }, fragment);
    CHECK(most_allocated - before < std::size_t{1} << 20);
  };
  write(path, with_header(tensor("F32", "2,3", "0,24"), 24));
  CHECK(bytes_of(TensorFile(path), "a") == std::string(24, '\0'));
  refused("", "0 bytes");
  refused(with_header(tensor("F8", "2,3", "0,6"), 6), "unknown dtype");
  refused(with_header(tensor("F32", "2,3", "0,23"), 23), "its shape needs 24 bytes");
  refused(with_header(tensor("F32", "2,3", "0,25"), 25), "its shape needs 24 bytes");
  refused(with_header(tensor("F32", "2,3", "0,24"), 23), "the file has 23 bytes");
  refused(with_header(tensor("F32", "2,3", "4,28"), 28), "the one before it ends at 0");
  refused(with_header(tensor("F32", "2,3", "24,0"), 24), "tensor");
  const char* const overflows[] = {"4611686018427387904,4", "4294967296,4294967296",
                                   "18446744073709551615", "9223372036854775808,0"};
  for (const char* shape : overflows)
    refused(with_header(tensor("F64", shape, "0,0"), 0), "values");
  refused(with_header(tensor("U8", "1000000000000", "0,1000000000000"), 1),
          sizeof(void*) >= 8 ? "the file has 1 bytes" : "more values than memory can hold");
  refused(with_header("{\"a\":1}", 0), "is a number");
  refused(std::string(8, '\xff') + "{}", "a header of");
}

/// As many tensors as a header has room for cost little.
void test_a_flood_of_tensors() {
  const Folder folder;
  const auto path = folder / "file";
  std::string header = "{";
  for (int i = 0; header.size() < 20'000'000; ++i) {
    header += (i == 0 ? "\"" : ",\"") + std::to_string(i) +
              R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  write(path, with_header(header + "}", 0));
  const std::size_t before = allocated;
  most_allocated = before;
  check_throws<FileError>([&] { TensorFile file(path); }, "too many tensors");
  CHECK(most_allocated - before < std::size_t{64} << 20);
}

}  // namespace

int main() {
  test_round_trip();
  test_what_no_file_can_have();
  test_forged_files();
  test_a_flood_of_tensors();
  return check::report();
}
