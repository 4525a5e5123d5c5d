#pragma once

namespace @{name}_network {

// Says how much of the arena is used, and runs the golden inputs through quantization and network,
// after Begin. Hands lines of text to `print`, the last of them PASS or FAIL, and returns whether it
// passed. `microseconds` is a clock.
bool SelfTest(void (*print)(const char* line), unsigned long (*microseconds)());

}  // namespace @{name}_network
