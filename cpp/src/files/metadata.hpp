#pragma once

#include "files/header.hpp"
#include "peephole/tensors.hpp"

/// The texts that a caller of save() adds to a model file: entries "metadata/{name}" of its header.
namespace peephole::files {

/// Throws std::invalid_argument for what peephole/files.hpp says that metadata cannot be.
void check_metadata(const Metadata& metadata);

void add_metadata(const Metadata& metadata, Header& header);

/// Throws FileError for what check_metadata() would refuse.
Metadata read_metadata(const Header& header);

}  // namespace peephole::files
