#include "files/hostile_files.hpp"

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <utility>

#include "files/file_bytes.hpp"

namespace peephole::test {
namespace {

using Edits = std::initializer_list<std::pair<const char*, std::pair<std::string, std::string>>>;

void add_edited(std::vector<HostileFile>& files, const char* of, Edits edits) {
  for (const auto& [name, change] : edits) {
    files.push_back({std::string(of) + name, join(edit(kHeader, change.first, change.second))});
  }
}

/// The header with one more option.
std::pair<std::string, std::string> with_option(const std::string& option) {
  return {"{\\\"input_size\\\":2", "{" + option + ",\\\"input_size\\\":2"};
}

void add_sizes(std::vector<HostileFile>& files) {
  const std::string good = good_file();
  const auto add = [&](const char* name, std::string bytes) {
    files.push_back({std::string("size: ") + name, std::move(bytes)});
  };
  add("no bytes", "");
  add("seven bytes", good.substr(0, 7));
  add("nothing but a size", good.substr(0, 8));
  add("header of nothing", size_bytes(0) + good.substr(8));
  add("header cut short", good.substr(0, 200));
  add("values cut short", good.substr(0, good.size() - 1));
  add("values cut off", good.substr(0, 8 + kHeader.size()));
  add("a byte too many", good + '\0');
  add("one less than the header", size_bytes(kHeader.size() - 1) + good.substr(8));
  add("one more than the header", size_bytes(kHeader.size() + 1) + good.substr(8));
  add("one more than the file", size_bytes(good.size() - 7) + good.substr(8));
  add("2^31", size_bytes(std::uint64_t{1} << 31) + good.substr(8));
  add("2^63", size_bytes(std::uint64_t{1} << 63) + good.substr(8));
  add("2^64 - 1", size_bytes(~std::uint64_t{0}) + good.substr(8));
  add("2^64 - 8, which wraps", size_bytes(~std::uint64_t{7}) + good.substr(8));
  add("one more than allowed",
      join(kHeader + std::string(kLargestHeader + 1 - kHeader.size(), ' ')));
}

void add_json(std::vector<HostileFile>& files) {
  const auto add = [&](const char* name, const std::string& header) {
    files.push_back({std::string("JSON: ") + name, join(header)});
  };
  add("zeros", std::string(1000, '\0'));
  add("text", repeat("input_size: 3\n", 70));
  add("a list", "[" + kHeader + "]");
  add("a string", '"' + repeat("x", 100) + '"');
  add("empty object", "{}");
  add("byte order mark", "\xEF\xBB\xBF" + kHeader);
  add("space in front", " " + kHeader);
  add("zero, then more", kHeader + std::string(1, '\0') + "{}");
  add("zero in a name", edit(kHeader, "bias_l0", std::string("bias_l0\0", 8)));
  add("two objects", kHeader + "{}");
  add("comment", kHeader + "/* */");
  add("comma at the end", edit(kHeader, "[352,376]}}", "[352,376]},}"));
  add("never ends", kHeader.substr(0, kHeader.size() - 1));
  add("not UTF-8", edit(kHeader, "bias_l0", "bias_\xFF\xFE"));
  add("half a surrogate", edit(kHeader, "bias_l0", "bias_\\ud800"));
  add("NaN", edit(kHeader, "[12]", "[NaN]"));
  add("number beyond double", edit(kHeader, "[12]", "[1e999]"));
  add("deep lists", repeat("[", kLargestHeader));
  add("deep lists in a tensor", edit(kHeader, "[12]", repeat("[", 900'000)));
  add("deep objects", repeat("{\"\":", kLargestHeader / 4));
}

void add_structure(std::vector<HostileFile>& files) {
  add_edited(
      files, "header: ",
      {
          {"second tensor", {"head.bias", "bias_l0"}},
          {"second tensor, spelt otherwise", {"head.bias", "bias\\u005fl0"}},
          {"second metadata", {"\"bias_l0\"", kMetadata + ",\"bias_l0\""}},
          {"second metadata key",
           {"\"kind\":\"Network\"", "\"kind\":\"LSTM\",\"kind\":\"Network\""}},
          {"second dtype", {"\"shape\":[12]", "\"dtype\":\"F32\",\"shape\":[12]"}},
          {"second shape", {"\"shape\":[12]", "\"shape\":[1],\"shape\":[12]"}},
          {"unknown field", {"\"shape\":[12]", "\"shape\":[12],\"strides\":[1]"}},
          {"no dtype", {"\"dtype\":\"F32\",\"shape\":[12]", "\"shape\":[12]"}},
          {"no shape", {"\"shape\":[12],", ""}},
          {"no offsets", {",\"data_offsets\":[0,48]", ""}},
          {"empty tensor", {"{\"dtype\":\"F32\",\"shape\":[12],\"data_offsets\":[0,48]}", "{}"}},
          {"tensor is null",
           {"{\"dtype\":\"F32\",\"shape\":[12],\"data_offsets\":[0,48]}", "null"}},
          {"tensor is a number",
           {"{\"dtype\":\"F32\",\"shape\":[12],\"data_offsets\":[0,48]}", "48"}},
          {"tensor is a list",
           {"{\"dtype\":\"F32\",\"shape\":[12],\"data_offsets\":[0,48]}", "[0,48]"}},
          {"metadata is a string", {kMetadata, "\"__metadata__\":\"peephole\""}},
          {"metadata of numbers", {"\"format_version\":\"1\"", "\"format_version\":1"}},
          {"metadata of objects", {"\"format_version\":\"1\"", "\"format_version\":{}"}},
          {"no metadata", {kMetadata + ",", ""}},
          {"dtype is a number", {"\"F32\",\"shape\":[12]", "32,\"shape\":[12]"}},
          {"dtype is a list", {"\"F32\",\"shape\":[12]", "[\"F32\"],\"shape\":[12]"}},
          {"shape is a number", {"[12]", "12"}},
          {"shape is an object", {"[12]", "{\"0\":12}"}},
          {"shape of strings", {"[12]", "[\"12\"]"}},
          {"shape of lists", {"[12]", "[[12]]"}},
          {"shape negative", {"[12]", "[-12]"}},
          {"shape not whole", {"[12]", "[12.0]"}},
          {"shape beyond 64 bits", {"[12]", "[18446744073709551628]"}},
          {"shape of nine dimensions", {"[12]", "[1,1,1,1,1,1,1,1,12]"}},
          {"one offset", {"[0,48]", "[48]"}},
          {"no offset", {"[0,48]", "[]"}},
          {"three offsets", {"[0,48]", "[0,48,48]"}},
          {"offset negative", {"[0,48]", "[-1,48]"}},
          {"offset not whole", {"[0,48]", "[0.0,48]"}},
          {"offset true", {"[0,48]", "[false,48]"}},
      });
}

void add_extents(std::vector<HostileFile>& files) {
  add_edited(
      files, "extent: ",
      {
          {"hole at first", {"[0,48]", "[4,48]"}},
          {"hole", {"[48,52]", "[48,51]"}},
          {"overlap", {"[52,64]", "[48,64]"}},
          {"twice the same bytes", {"[64,112]", "[112,160]"}},
          {"reversed", {"[48,52]", "[52,48]"}},
          {"beyond the file", {"[352,376]", "[352,377]"}},
          {"far beyond the file", {"[352,376]", "[352,18446744073709551615]"}},
          {"wraps", {"[112,256]", "[112,18446744073709551612]"}},
          {"not of the shape's size", {"[12]", "[13]"}},
          {"shape wraps to the size", {"\"shape\":[12]", "\"shape\":[4611686018427387916]"}},
          {"shape's product wraps", {"\"shape\":[12,3]", "\"shape\":[9223372036854775808,2]"}},
          {"shape of nothing", {"\"shape\":[12]", "\"shape\":[0]"}},
          {"no dimension", {"\"shape\":[12]", "\"shape\":[]"}},
          {"transposed", {"\"shape\":[12,3]", "\"shape\":[3,12]"}},
          {"one dimension more", {"\"shape\":[12]", "\"shape\":[12,1]"}},
      });
}

void add_metadata(std::vector<HostileFile>& files) {
  const std::string few_layers = repeat("3,", 60'000) + "3";
  add_edited(files, "metadata: ",
             {
                 {"of another program", {"\"format\":\"peephole\"", "\"format\":\"pt\""}},
                 {"of a later version", {"\"format_version\":\"1\"", "\"format_version\":\"2\""}},
                 {"of no version", {"\"format_version\":\"1\",", ""}},
                 {"another kind", {"\"kind\":\"Network\"", "\"kind\":\"GRU\""}},
                 {"no kind", {"\"kind\":\"Network\",", ""}},
                 {"the other kind", {"\"kind\":\"Network\"", "\"kind\":\"LSTM\""}},
                 {"no options", {kOptions, ""}},
                 {"options are no JSON", {kOptions, "input_size=2"}},
                 {"options are a list", {kOptions, "[2, 3, 1]"}},
                 {"options are deep", {kOptions, repeat("[", 100'000)}},
                 {"options are deep objects", {kOptions, repeat("{\\\"\\\":", 50'000)}},
                 {"options are long", {kOptions, repeat(" ", 600'000) + "{}"}},
                 {"options hold a zero", {"\\\"bias\\\":true", "\\\"bias\\\":true\\u0000"}},
             });
  add_edited(
      files, "options: ",
      {
          {"second size", {"{\\\"input_size\\\":2", "{\\\"input_size\\\":9,\\\"input_size\\\":2"}},
          {"second activation", {"{\\\"i\\\"", "{\\\"i\\\":\\\"tanh\\\",\\\"i\\\""}},
          {"unknown", {"{\\\"input_size\\\":2", "{\\\"dropouts\\\":0.1,\\\"input_size\\\":2"}},
          {"missing", {"\\\"bias\\\":true,", ""}},
          {"a clip of 0", {"{\\\"input_size\\\":2", "{\\\"cell_clip\\\":0,\\\"input_size\\\":2"}},
          {"a negative clip",
           {"{\\\"input_size\\\":2", "{\\\"cell_clip\\\":-1,\\\"input_size\\\":2"}},
          {"a clip without a value",
           {"{\\\"input_size\\\":2", "{\\\"preactivation_clip\\\":null,\\\"input_size\\\":2"}},
          {"a clip that is a text",
           {"{\\\"input_size\\\":2", "{\\\"preactivation_clip\\\":\\\"1\\\",\\\"input_size\\\":2"}},
          {"a clip beyond any number",
           {"{\\\"input_size\\\":2", "{\\\"cell_clip\\\":1e999,\\\"input_size\\\":2"}},
          {"clips of layers",
           {"{\\\"input_size\\\":2", "{\\\"cell_clip\\\":[1],\\\"input_size\\\":2"}},
          {"another initial state",
           {"{\\\"input_size\\\":2", "{\\\"initial_state\\\":\\\"random\\\",\\\"input_size\\\":2"}},
          {"an initial state without its tensors",
           {"{\\\"input_size\\\":2",
            "{\\\"initial_state\\\":\\\"learned\\\",\\\"input_size\\\":2"}},
          {"no inputs", {"input_size\\\":2", "input_size\\\":0"}},
          {"negative inputs", {"input_size\\\":2", "input_size\\\":-2"}},
          {"half an input", {"input_size\\\":2", "input_size\\\":2.5"}},
          {"inputs beyond 64 bits", {"input_size\\\":2", "input_size\\\":100000000000000000000"}},
          {"inputs beyond any number", {"input_size\\\":2", "input_size\\\":1e999"}},
          {"inputs of another file", {"input_size\\\":2", "input_size\\\":900"}},
          {"no layers", {"[3]", "[]"}},
          {"layers that are a number", {"[3]", "3"}},
          {"units beyond any memory", {"[3]", "[4611686018427387904]"}},
          {"units whose weights wrap", {"[3]", "[2147483648]"}},
          {"one layer more", {"[3]", "[3,3]"}},
          {"tens of thousands of layers", {"[3]", "[" + few_layers + "]"}},
          {"as many activations",
           {"[{\\\"i\\\":\\\"sigmoid\\\",\\\"g\\\":\\\"tanh\\\"}]",
            "[" + repeat("{},", 80'000) + "{}]"}},
          {"unknown activation", {"sigmoid", "sigmoidal"}},
          {"unknown gate", {"\\\"i\\\":", "\\\"x\\\":"}},
          {"activation is a number", {"\\\"sigmoid\\\"", "1"}},
          {"bias is a number", {"bias\\\":true", "bias\\\":1"}},
          {"another peephole", {"diagonal", "sparse"}},
          {"gates twice", {"ifgo", "iifo"}},
          {"bidirectional", {"bidirectional\\\":false", "bidirectional\\\":true"}},
          {"float16", {"float32", "float16"}},
          {"float64", {"float32", "float64"}},
          {"a name of 500,000 letters", {"identity", repeat("x", 500'000)}},
          {"projection of nothing", with_option("\\\"projection_size\\\":null")},
          {"projection by name", with_option("\\\"projection_size\\\":\\\"half\\\"")},
          {"projection of 0", with_option("\\\"projection_size\\\":0")},
          {"projection below 0", with_option("\\\"projection_size\\\":-1")},
          {"projection of half a value", with_option("\\\"projection_size\\\":1.5")},
          {"projection to as many values", with_option("\\\"projection_size\\\":3")},
          {"projection of a large size",
           with_option("\\\"projection_size\\\":9223372036854775807")},
          {"projection that is not there", with_option("\\\"projection_size\\\":2")},
          {"clip without a projection", with_option("\\\"projection_clip\\\":1.0")},
          {"clip by name", with_option("\\\"projection_clip\\\":\\\"small\\\"")},
          {"normalisation of nothing", with_option("\\\"layer_norm\\\":null")},
          {"normalisation by number", with_option("\\\"layer_norm\\\":1")},
          {"unknown normalisation", with_option("\\\"layer_norm\\\":\\\"layers\\\"")},
          {"gains that are not there", with_option("\\\"layer_norm\\\":\\\"gates\\\"")},
          {"unknown normalised cell", with_option("\\\"layer_norm_cell\\\":\\\"c\\\"")},
          {"epsilon of 0", with_option("\\\"layer_norm_epsilon\\\":0")},
          {"epsilon below 0", with_option("\\\"layer_norm_epsilon\\\":-1e-5")},
          {"epsilon beyond 1", with_option("\\\"layer_norm_epsilon\\\":1e999")},
          {"epsilon by name", with_option("\\\"layer_norm_epsilon\\\":\\\"small\\\"")},
      });
}

void add_tensors(std::vector<HostileFile>& files) {
  add_edited(
      files, "tensors: ",
      {
          {"one missing",
           {"\"head.weight\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":[52,64]},", ""}},
          {"one unknown", {"head.bias", "head.bios"}},
          {"mask of none", {"masks/weight_ih_l0", "masks/weight_ih_l1"}},
          {"mask of a mask", {"masks/weight_ih_l0", "masks/masks/weight_ih_l0"}},
          {"mask of another", {"masks/weight_ih_l0", "masks/bias_l0"}},
          {"mask of bytes", {"BOOL", "U8"}},
          {"weights of integers", {"\"F32\",\"shape\":[12,3]", "\"I32\",\"shape\":[12,3]"}},
          {"a dtype of 500,000 letters", {"BOOL", repeat("B", 500'000)}},
          {"a name of 500,000 letters", {"masks/weight_ih_l0", repeat("m", 500'000)}},
      });
  std::string values = good_values();
  values[kMask] = 0;
  files.push_back({"values: not 0 where masked", join(kHeader, values)});
  values = good_values();
  std::memset(&values[kMaskedWeights + sizeof(float)], 0xFF, sizeof(float));
  files.push_back({"values: NaN where masked", join(kHeader, values)});
}

void add_floods(std::vector<HostileFile>& files) {
  const auto add = [&](const char* name, const std::string& header) {
    files.push_back({std::string("flood: ") + name, join(header)});
  };
  const auto number = [](std::size_t i) { return std::to_string(i); };
  const std::string tensor = ":{\"dtype\":\"\",\"shape\":[],\"data_offsets\":[376,376]}";
  const auto one_more = [&](std::size_t i) { return '"' + number(i) + '"' + tensor; };
  add("tensors of nothing", flood("{" + kMetadata + "," + kTensors + ",", one_more, "}"));
  add("metadata",
      flood(
          "{\"__metadata__\":{", [&](std::size_t i) { return '"' + number(i) + "\":\"\""; }, "}}"));
  add("dimensions", flood("{\"a\":{\"shape\":[", [](std::size_t) { return "1"; }, "]}}"));
  add("offsets", flood("{\"a\":{\"data_offsets\":[", [](std::size_t) { return "0"; }, "]}}"));
  add("a name that fills the header", "{\"" + repeat("a", kLargestHeader - 5) + "\":1}");
  add("escapes", "{\"" + repeat("\\u0041", 170'000) + "\":1}");
  add("spaces, then nothing", "{" + repeat(" ", kLargestHeader - 1));
  const auto key = [&](std::size_t i) { return "\\\"" + number(i) + "\\\":0"; };
  const std::string keys = "{" + [&] {
    std::string all = key(0);
    for (std::size_t i = 1; all.size() < 270'000; ++i) all += "," + key(i);
    return all;
  }() + "}";
  add("options", edit(kHeader, kOptions, keys));
}

}  // namespace

std::string good_file() { return join(kHeader); }

std::vector<HostileFile> hostile_files() {
  std::vector<HostileFile> files;
  add_sizes(files);
  add_json(files);
  add_structure(files);
  add_extents(files);
  add_metadata(files);
  add_tensors(files);
  add_floods(files);
  return files;
}

}  // namespace peephole::test
