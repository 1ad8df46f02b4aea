#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

/// Tables of an enumeration's values and their names.
namespace peephole {

template <class Enum>
struct Name {
  Enum value;
  const char* text;
};

template <class Enum, std::size_t n>
const char* name_of(const Name<Enum> (&names)[n], Enum value) noexcept {
  for (const Name<Enum>& name : names) {
    if (name.value == value) return name.text;
  }
  return "?";
}

template <class Enum, std::size_t n>
Enum parse_name(const Name<Enum> (&names)[n], const char* argument, const std::string& text) {
  std::string known;
  for (const Name<Enum>& name : names) {
    if (text == name.text) return name.value;
    known += known.empty() ? "" : ", ";
    known += name.text;
  }
  throw std::invalid_argument(std::string(argument) + ": expected one of " + known + ", got \"" +
                              text + "\"");
}

}  // namespace peephole
