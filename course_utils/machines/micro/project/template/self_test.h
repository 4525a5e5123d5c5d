#pragma once

namespace @{name}_network {

// Runs the golden inputs through quantization and network, after Begin. Hands lines of text to
// `print`, the last of them PASS or FAIL, and returns whether it passed.
bool SelfTest(void (*print)(const char* line));

}  // namespace @{name}_network
