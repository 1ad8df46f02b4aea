#pragma once

#include <string>

#include "peephole/config.hpp"

/// What model files call things: see peephole/files.hpp.
namespace peephole::files {

inline constexpr char kFormat[] = "peephole";
inline constexpr char kVersion[] = "1";
inline constexpr char kMasks[] = "masks/";     // before the name of the parameter
inline constexpr char kAdded[] = "metadata/";  // before the name of what the caller adds
inline constexpr char kBool[] = "BOOL";

template <class T>
constexpr const char* dtype_of();
template <>
constexpr const char* dtype_of<float>() {
  return "F32";
}
template <>
constexpr const char* dtype_of<double>() {
  return "F64";
}

/// Of a parameter of a model over T.
template <class T>
constexpr const char* dtype_of(NumberType type) {
  switch (type) {
    case NumberType::int8: return "I8";
    case NumberType::int16: return "I16";
    case NumberType::real: break;
  }
  return dtype_of<T>();
}

}  // namespace peephole::files
