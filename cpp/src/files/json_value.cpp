#include "files/json_value.hpp"

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "files/header.hpp"
#include "files/json.hpp"
#include "peephole/files.hpp"

namespace peephole::files {
namespace {

class TreeBuilder : public JsonEvents {
 public:
  explicit TreeBuilder(JsonTree& tree) : tree_(tree) {}

  void start_object() override { open(JsonKind::object); }
  void end_object() override { close(); }
  void start_array() override { open(JsonKind::list); }
  void end_array() override { close(); }
  void key(const std::string& key) override { add_text(key); }
  void string(const std::string& text) override {
    count();
    add_text(text);
  }
  void boolean(bool flag) override { add(JsonKind::boolean, flag ? 1 : 0); }
  void null() override { add(JsonKind::null, 0); }
  void whole_number(std::uint64_t number) override {
    add(JsonKind::integer, static_cast<double>(number));
  }
  void negative_number(std::int64_t number) override {
    add(JsonKind::integer, static_cast<double>(number));
  }
  void real_number(double number, const std::string& text) override {
    const bool real = text.find_first_of(".eE") != std::string::npos;  // or beyond 64 bits
    add(real ? JsonKind::real : JsonKind::integer, number);
  }
  void error(std::size_t position) override {
    throw FileError("expected JSON with finite numbers, got something else at byte " +
                    std::to_string(position));
  }

 private:
  void count() {
    if (!open_.empty()) ++tree_.nodes[open_.back()].size;
  }
  void push(JsonKind kind, double number, std::size_t size) {
    tree_.nodes.push_back({kind, number, size, tree_.nodes.size() + 1});
  }
  void add(JsonKind kind, double number) {
    count();
    push(kind, number, 0);
  }
  void add_text(const std::string& text) {
    push(JsonKind::string, 0, tree_.texts.size());
    tree_.texts.push_back(text);
  }
  void open(JsonKind kind) {
    add(kind, 0);
    open_.push_back(tree_.nodes.size() - 1);
  }
  void close() {
    tree_.nodes[open_.back()].next = tree_.nodes.size();
    open_.pop_back();
  }

  JsonTree& tree_;
  std::vector<std::size_t> open_;  // the lists and objects around the current place
};

}  // namespace

JsonTree::JsonTree(Source& source) {
  std::string text(static_cast<std::size_t>(source.size()), '\0');
  source.read(0, text.data(), text.size());
  const std::string mark = "\xEF\xBB\xBF";  // of byte order, which editors on Windows write
  if (text.compare(0, mark.size(), mark) == 0) text.erase(0, mark.size());
  TreeBuilder builder(*this);
  parse_json(text, builder);
}

std::optional<JsonValue> JsonValue::find(const std::string& key) const {
  std::optional<JsonValue> found;
  for (std::size_t at = at_ + 1; at < node().next; at = tree_->nodes[at + 1].next) {
    if (JsonValue(*tree_, at).text() == key) found.emplace(*tree_, at + 1);
  }
  return found;
}

void refuse_value(const std::string& name, const std::string& expected, const std::string& got) {
  throw FileError(name + ": expected " + expected + ", got " + got);
}

std::string integer_text(double number) {
  constexpr double kExact = 9007199254740992;
  return std::abs(number) < kExact ? to_json(static_cast<std::int64_t>(number)) : to_json(number);
}

std::string described(const std::optional<JsonValue>& value) {
  if (!value) return "none";
  const double number = value->number();
  switch (value->kind()) {
    case JsonKind::null: return "null";
    case JsonKind::boolean: return number != 0 ? "true" : "false";
    case JsonKind::string: return in_quotes(value->text());
    case JsonKind::list: return "a list of " + std::to_string(value->size());
    case JsonKind::object: return "an object";
    case JsonKind::integer: return integer_text(number);
    case JsonKind::real: break;
  }
  return to_json(number);
}

JsonValue entry(const JsonValue& object, const std::string& key, JsonKind kind,
                const std::string& where) {
  if (object.kind() != JsonKind::object) refuse_value(where, "an object", described(object));
  const std::optional<JsonValue> value = object.find(key);
  if (!value) throw FileError(where + ": there is no " + in_quotes(key));
  if (value->kind() != kind) {
    const char* const expected = kind == JsonKind::string ? "a string"
                                 : kind == JsonKind::list ? "a list"
                                                          : "an object";
    refuse_value(where + ": " + key, expected, described(value));
  }
  return *value;
}

Index size_of(const std::optional<JsonValue>& value, const std::string& name) {
  constexpr Index kLargest = (Index{1} << 28) - 1;  // as of validate()
  const bool valid = value && value->kind() == JsonKind::integer && value->number() >= 1 &&
                     value->number() <= static_cast<double>(kLargest);
  if (!valid) {
    refuse_value(name, "an integer in 1.." + std::to_string(kLargest), described(value));
  }
  return static_cast<Index>(value->number());
}

template <class T>
std::vector<T> numbers(const JsonValue& value, const std::string& name, Index count) {
  if (value.kind() != JsonKind::list || value.size() != static_cast<std::size_t>(count)) {
    refuse_value(name, "a list of " + std::to_string(count) + " numbers", described(value));
  }
  std::vector<T> values;
  values.reserve(value.size());
  value.for_each([&](const JsonValue& item) {
    if (!item.is_number()) refuse_value(name, "numbers", described(item));
    values.push_back(static_cast<T>(item.number()));
    if (!std::isfinite(values.back())) {
      const std::string dtype = std::is_same_v<T, float> ? "float32" : "float64";
      refuse_value(name, "finite values of " + dtype, described(item));
    }
  });
  return values;
}

template std::vector<float> numbers<float>(const JsonValue&, const std::string&, Index);
template std::vector<double> numbers<double>(const JsonValue&, const std::string&, Index);

}  // namespace peephole::files
