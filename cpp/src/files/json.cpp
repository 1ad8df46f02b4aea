#include "files/json.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace peephole::files {
namespace {

using nlohmann::json;

/// Hands the parser's events on.
struct Handler {
  JsonEvents& events;

  bool start_object(std::size_t) { return events.start_object(), true; }
  bool key(std::string& key) { return events.key(key), true; }
  bool end_object() { return events.end_object(), true; }
  bool start_array(std::size_t) { return events.start_array(), true; }
  bool end_array() { return events.end_array(), true; }
  bool string(std::string& text) { return events.string(text), true; }
  bool boolean(bool flag) { return events.boolean(flag), true; }
  bool null() { return events.null(), true; }
  bool number_unsigned(std::uint64_t number) { return events.whole_number(number), true; }
  bool number_integer(std::int64_t number) { return events.negative_number(number), true; }
  bool number_float(double number, const std::string& text) {
    return events.real_number(number, text), true;
  }
  bool binary(json::binary_t&) { return false; }  // JSON has none
  // The parser's own text quotes what it read, which may be anything.
  bool parse_error(std::size_t position, const std::string&, const json::exception&) {
    return events.error(position), false;
  }
};

}  // namespace

void parse_json(const std::string& text, JsonEvents& events) {
  // The parser would stop at a zero as if the text ended there, and pass over a byte order mark.
  const std::size_t zero = text.find('\0');
  if (zero != std::string::npos) return events.error(zero);
  if (text.rfind("\xEF\xBB\xBF", 0) == 0) return events.error(0);
  Handler handler{events};
  json::sax_parse(text, &handler);
}

std::string to_json(const std::string& text) {
  try {
    return json(text).dump();
  } catch (const json::type_error&) {
    throw std::invalid_argument("expected UTF-8, got " + in_ascii_quotes(text));
  }
}
std::string to_json(bool value) { return value ? "true" : "false"; }
std::string to_json(std::int64_t value) { return std::to_string(value); }
std::string to_json(std::uint64_t value) { return std::to_string(value); }
std::string to_json(double value) { return json(value).dump(); }

bool is_utf8(const std::string& text) {
  try {
    to_json(text);
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

std::string in_ascii_quotes(const std::string& text) {
  return json(text).dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace peephole::files
