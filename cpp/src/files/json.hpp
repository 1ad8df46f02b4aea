#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

/// JSON, as headers and options of files need it. Only json.cpp includes the JSON library, which
/// takes the compiler long.
namespace peephole::files {

/// What a parser meets, in order. Every function may throw, which ends the parsing.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;

  virtual void start_object() = 0;
  virtual void key(const std::string& key) = 0;
  virtual void end_object() = 0;
  virtual void start_array() = 0;
  virtual void end_array() = 0;
  virtual void string(const std::string& text) = 0;
  virtual void boolean(bool flag) = 0;
  virtual void null() = 0;
  virtual void whole_number(std::uint64_t number) = 0;
  virtual void negative_number(std::int64_t number) = 0;
  /// text: as it was written.
  virtual void real_number(double number, const std::string& text) = 0;
  /// There is no JSON at this byte.
  virtual void error(std::size_t position) = 0;
};

/// Neither the depth of the call stack nor the memory depends on the text, apart from one bit for
/// each open object or list. Anything but one JSON value is an error.
void parse_json(const std::string& text, JsonEvents& events);

/// JSON of a value. A text that is not UTF-8 throws std::invalid_argument.
std::string to_json(const std::string& text);
std::string to_json(bool value);
std::string to_json(std::int64_t value);
std::string to_json(std::uint64_t value);
/// The shortest text that is read as the same number.
std::string to_json(double value);

bool is_utf8(const std::string& text);

/// `text` in quotes and in ASCII, for messages: whatever is not UTF-8 is replaced.
std::string in_ascii_quotes(const std::string& text);

/// Writes an object, "{}", or a list, "[]", of values that are JSON already.
class JsonWriter {
 public:
  explicit JsonWriter(const char* brackets) : brackets_(brackets), text_(1, brackets[0]) {}

  void add(const std::string& json) {
    if (text_.size() > 1) text_ += ',';
    text_ += json;
  }
  void add(const std::string& key, const std::string& json) { add(to_json(key) + ":" + json); }
  std::string text() const { return text_ + brackets_[1]; }

 private:
  const char* brackets_;
  std::string text_;
};

}  // namespace peephole::files
