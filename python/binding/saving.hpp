#pragma once

#include <filesystem>

#include "gil.hpp"
#include "peephole/files.hpp"

namespace peephole::binding {

/// A dict of strings to strings. Throws for anything else.
Metadata metadata_from(pybind11::handle object);

template <class Model>
void save_model(const Model& model, const std::filesystem::path& path, pybind11::handle metadata) {
  const Metadata texts = metadata_from(metadata);
  const WithoutGil release;
  save(model, path, texts);
}

}  // namespace peephole::binding
