#pragma once

#include <filesystem>
#include <functional>

#include "files/source.hpp"

namespace peephole::files {

/// Makes what `write` writes the content of the file at `path`: all of it or, whatever happens,
/// none.
///
/// It is written to a new file in the same folder, of a name that no other writer has, which then
/// takes the place of the old file with its mode, owner and group. So writers of one path do not
/// disturb each other or a reader, and a link stays a link. A process that is killed meanwhile
/// leaves a file `.peephole-*.tmp`, which can be deleted.
///
/// Windows does not replace a file that is open, here or in another program, or that is read-only:
/// there, that throws, and the file stays as it was.
///
/// Throws std::filesystem::filesystem_error: for what the system refuses, and for a path that is a
/// folder, a device or a pipe.
void replace_file(const std::filesystem::path& path, const std::function<void(Sink&)>& write);

/// Throws what replace_file would throw for the path. A temporary file is made for it and removed.
void check_replaceable(const std::filesystem::path& path);

}  // namespace peephole::files
