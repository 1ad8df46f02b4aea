#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "files/source.hpp"
#include "peephole/lstm.hpp"

/// A whole JSON text in memory, for formats whose entries may come in any order.
namespace peephole::files {

enum class JsonKind { null, boolean, integer, real, string, list, object };

struct JsonNode {
  JsonKind kind = JsonKind::null;
  double number = 0;     // of integer and real; of boolean, 0 or 1
  std::size_t size = 0;  // of list and object: their items; of string: its position in texts
  std::size_t next = 0;  // the node that follows this one and all that is inside it
};

/// The nodes in the order of the text: no depth of it makes anything recurse.
struct JsonTree {
  /// Throws FileError for what is not JSON.
  explicit JsonTree(Source& source);

  std::vector<JsonNode> nodes;  // before each entry of an object stands its key
  std::vector<std::string> texts;
};

/// A value of a tree, which must outlive it.
class JsonValue {
 public:
  explicit JsonValue(const JsonTree& tree, std::size_t at = 0) noexcept : tree_(&tree), at_(at) {}

  JsonKind kind() const noexcept { return node().kind; }
  bool is_number() const noexcept {
    return kind() == JsonKind::integer || kind() == JsonKind::real;
  }
  double number() const noexcept { return node().number; }
  const std::string& text() const noexcept { return tree_->texts[node().size]; }
  std::size_t size() const noexcept { return node().size; }

  /// f(item) for each item of a list.
  template <class F>
  void for_each(F&& f) const {
    for (std::size_t at = at_ + 1; at < node().next; at = tree_->nodes[at].next) {
      f(JsonValue(*tree_, at));
    }
  }

  /// f(key, value) for each entry of an object.
  template <class F>
  void for_each_entry(F&& f) const {
    for (std::size_t at = at_ + 1; at < node().next; at = tree_->nodes[at + 1].next) {
      f(JsonValue(*tree_, at).text(), JsonValue(*tree_, at + 1));
    }
  }

  /// The entry of an object with this key, the last one if there are several.
  std::optional<JsonValue> find(const std::string& key) const;

 private:
  const JsonNode& node() const noexcept { return tree_->nodes[at_]; }

  const JsonTree* tree_;
  std::size_t at_;
};

/// Throws FileError "name: expected ..., got ...".
[[noreturn]] void refuse_value(const std::string& name, const std::string& expected,
                               const std::string& got);

/// An integer for messages. It is exact below 2^53.
std::string integer_text(double number);

/// A value for messages.
std::string described(const std::optional<JsonValue>& value);

// These throw FileError that says what the value is called and what it must be.

/// The entry `key` of the object that is called `where`.
JsonValue entry(const JsonValue& object, const std::string& key, JsonKind kind,
                const std::string& where);

/// A size that a model can have: an integer of 1 or more.
Index size_of(const std::optional<JsonValue>& value, const std::string& name);

/// A list of `count` numbers that are finite as T.
template <class T>
std::vector<T> numbers(const JsonValue& value, const std::string& name, Index count);

/// A model with these values, one array for each of its parameter_specs.
template <class Model, class Config, class T>
Model model_of(const Config& config, const std::vector<std::vector<T>>& parameters) {
  Model model(config, uninitialised);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    model.parameters().assign(static_cast<Index>(i), parameters[i].data());
  }
  return model;
}

}  // namespace peephole::files
