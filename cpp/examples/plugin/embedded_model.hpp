#pragma once

#include <cstddef>

/// The model file that was embedded by embed.cmake.
extern const unsigned char kEmbeddedModel[];
extern const std::size_t kEmbeddedModelSize;
